"""Small videos for the tests of this folder, of pictures whose truth is known."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

HEIGHT, WIDTH = 120, 160


def texture(width: int, height: int = HEIGHT, seed: int = 0) -> np.ndarray:
    """RGB noise in several sizes, so that it looks different everywhere."""
    random = np.random.default_rng(seed)
    layers = [cv2.resize(random.normal(size=(height // s, width // s, 3)), (width, height)) for s in (4, 8, 16)]
    return np.clip(128 + 45 * sum(layers), 0, 255).astype(np.uint8)


def pan(strip: np.ndarray, num_frames: int, step: int) -> list[np.ndarray]:
    """Windows of a wide picture, each `step` pixels further to the right."""
    return [strip[:, step * index : step * index + WIDTH] for index in range(num_frames)]


def place_in(strip: np.ndarray, window: np.ndarray) -> int:
    """The column at which a window was cut."""
    return int(cv2.minMaxLoc(cv2.matchTemplate(strip, window, cv2.TM_SQDIFF))[2][0])


def read(path: Path) -> np.ndarray:
    """A chosen frame, RGB."""
    return cv2.imread(str(path))[..., ::-1]


def seconds(path: Path) -> float:
    """The time in the name of a chosen frame."""
    return float(path.stem.removeprefix("frame_"))


def write_video(
    path: Path,
    pictures: Iterable[np.ndarray],
    *,
    codec: str = "libx264",
    fps: int = 10,
    times_ms: Sequence[int] | None = None,
    pixel_ratio: Fraction | None = None,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Encode RGB pictures at a steady rate or at the given times."""
    quality = {"crf": "12", "preset": "ultrafast"} if codec == "libx264" else {}
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream: Any = container.add_stream(codec, rate=fps, options=options or quality)
        for index, picture in enumerate(pictures):
            if index == 0:
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt, stream.bit_rate = "yuvj420p" if codec == "mjpeg" else "yuv420p", 4_000_000
                if pixel_ratio is not None:
                    stream.codec_context.sample_aspect_ratio = pixel_ratio
                if times_ms is not None:
                    stream.codec_context.time_base = Fraction(1, 1000)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            if times_ms is not None:
                frame.pts, frame.time_base = times_ms[index], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_sound(path: Path) -> Path:
    """A second of silence."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def set_display_matrix(path: Path, a: int, b: int, c: int, d: int) -> Path:
    """Write into an MP4 how its pictures are to be shown: [x y] as stored times [[a b] [c d]], and an offset."""
    content = bytearray(path.read_bytes())
    start = content.index(b"tkhd") + 4 + 40
    one, unit = 1 << 16, 1 << 30
    matrix = np.array([a * one, b * one, 0, c * one, d * one, 0, 0, 0, unit], ">i4")
    content[start : start + 36] = matrix.tobytes()
    path.write_bytes(content)
    return path
