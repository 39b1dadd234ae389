"""The three files of a COLMAP model, binary or text, as records and back; in COLMAP's conventions throughout."""

import struct
from dataclasses import dataclass

import numpy as np

from pointmap.errors import InputError
from pointmap.shapes import Float, Int, UInt8

CAMERA_MODELS = {
    "SIMPLE_PINHOLE": (0, 3),
    "PINHOLE": (1, 4),
    "SIMPLE_RADIAL": (2, 4),
    "RADIAL": (3, 5),
    "OPENCV": (4, 8),
    "FULL_OPENCV": (6, 12),
}
"""Number in binary files and count of parameters, of the models that are pinholes with OpenCV's distortion."""

_SEEN = np.dtype([("pixel", "<f8", 2), ("point_id", "<i8")])
_ELEMENT = np.dtype("<i4")


@dataclass(frozen=True, eq=False)
class CameraRecord:
    """Intrinsics that photos may share."""

    model: str
    width: int
    height: int
    params: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class ImageRecord:
    """A registered photo and its keypoints."""

    quaternion: Float[np.ndarray, "4"]
    """Of cam_from_world: w, x, y, z."""
    translation: Float[np.ndarray, "3"]
    """Of cam_from_world."""
    camera_id: int
    name: str
    pixels: Float[np.ndarray, "k 2"]
    point_ids: Int[np.ndarray, "k"]
    """-1 for a keypoint without a point."""


@dataclass(frozen=True, eq=False)
class PointRecord:
    """A point and where it is seen."""

    position: Float[np.ndarray, "3"]
    color: UInt8[np.ndarray, "3"]
    error: float
    """Mean reprojection error in pixels; -1 where unknown."""
    track: Int[np.ndarray, "t 2"]
    """Image id, and place among the keypoints of that image."""


@dataclass(frozen=True, eq=False)
class ModelFiles:
    """All records, by their ids."""

    cameras: dict[int, CameraRecord]
    images: dict[int, ImageRecord]
    points: dict[int, PointRecord]


def to_binary(files: ModelFiles) -> tuple[bytes, bytes, bytes]:
    """cameras.bin, images.bin and points3D.bin."""
    cameras = [struct.pack("<Q", len(files.cameras))]
    for camera_id, camera in files.cameras.items():
        number, count = CAMERA_MODELS[camera.model]
        cameras.append(struct.pack(f"<iiQQ{count}d", camera_id, number, camera.width, camera.height, *camera.params))
    images = [struct.pack("<Q", len(files.images))]
    for image_id, image in files.images.items():
        seen = np.empty(len(image.pixels), _SEEN)
        seen["pixel"], seen["point_id"] = image.pixels, image.point_ids
        pose = (*image.quaternion, *image.translation)
        images.append(struct.pack("<i7di", image_id, *pose, image.camera_id))
        images.append(image.name.encode() + b"\0" + struct.pack("<Q", len(seen)) + seen.tobytes())
    points = [struct.pack("<Q", len(files.points))]
    for point_id, point in files.points.items():
        head = (point_id, *point.position, *point.color.tolist(), point.error, len(point.track))
        points.append(struct.pack("<Q3d3BdQ", *head) + point.track.astype(_ELEMENT).tobytes())
    return b"".join(cameras), b"".join(images), b"".join(points)


def read_binary(cameras: bytes, images: bytes, points: bytes) -> ModelFiles:
    """What `to_binary` or COLMAP wrote.

    Raises:
        InputError: A camera's model is no pinhole.
        ValueError: The files are damaged.
    """
    files, source = ModelFiles({}, {}, {}), _Bytes(cameras)
    names = {number: name for name, (number, _) in CAMERA_MODELS.items()}
    for _ in range(source.take("<Q")[0]):
        camera_id, number, width, height = source.take("<iiQQ")
        model = names.get(number) or _refuse(f"number {number}")
        params = source.take(f"<{CAMERA_MODELS[model][1]}d")
        files.cameras[camera_id] = CameraRecord(model, width, height, params)
    source = _Bytes(images)
    for _ in range(source.take("<Q")[0]):
        image_id, *pose, camera_id = source.take("<i7di")
        name = source.word()
        seen = source.array(_SEEN, source.take("<Q")[0])
        place = np.array(pose[:4]), np.array(pose[4:])
        files.images[image_id] = ImageRecord(*place, camera_id, name, seen["pixel"], seen["point_id"])
    source = _Bytes(points)
    for _ in range(source.take("<Q")[0]):
        point_id, x, y, z, *color, error, length = source.take("<Q3d3BdQ")
        track = source.array(_ELEMENT, 2 * length).reshape(-1, 2).astype(np.int64)
        files.points[point_id] = PointRecord(np.array([x, y, z]), np.array(color, np.uint8), error, track)
    return files


def to_text(files: ModelFiles) -> tuple[bytes, bytes, bytes]:
    """cameras.txt, images.txt and points3D.txt."""
    cameras = ["# CAMERA_ID MODEL WIDTH HEIGHT PARAMS[]"]
    for camera_id, camera in files.cameras.items():
        cameras.append(f"{camera_id} {camera.model} {camera.width} {camera.height} {_words(camera.params)}")
    images = ["# IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME, and in a line of its own (X Y POINT3D_ID)[]"]
    for image_id, image in files.images.items():
        pose = _words([*image.quaternion, *image.translation])
        images.append(f"{image_id} {pose} {image.camera_id} {image.name}")
        seen = zip(image.pixels.tolist(), image.point_ids.tolist(), strict=True)
        images.append(" ".join(f"{x!r} {y!r} {point_id}" for (x, y), point_id in seen))
    points = ["# POINT3D_ID X Y Z R G B ERROR (IMAGE_ID POINT2D_IDX)[]"]
    for point_id, point in files.points.items():
        color, track = " ".join(map(str, point.color.tolist())), " ".join(map(str, point.track.ravel().tolist()))
        points.append(f"{point_id} {_words(point.position)} {color} {point.error!r} {track}")
    return _joined(cameras), _joined(images), _joined(points)


def read_text(cameras: bytes, images: bytes, points: bytes) -> ModelFiles:
    """What `to_text` or COLMAP wrote; errors as of `read_binary`."""
    files = ModelFiles({}, {}, {})
    for line in filter(str.strip, _lines(cameras)):
        camera_id, model, width, height, *params = line.split()
        if model not in CAMERA_MODELS:
            _refuse(model)
        if len(params) != CAMERA_MODELS[model][1]:
            raise ValueError(f"camera {camera_id} of model {model} has {len(params)} parameters")
        values = tuple(map(float, params))
        files.cameras[int(camera_id)] = CameraRecord(model, int(width), int(height), values)
    lines = _lines(images)
    while lines and not lines[-1].strip():
        lines.pop()
    # A photo without keypoints has an empty second line, also at the end of the file.
    lines += [""] * (len(lines) % 2)
    for line, keypoints in zip(lines[::2], lines[1::2], strict=True):
        image_id, *pose, camera_id, name = line.split(maxsplit=9)
        seen = np.array(keypoints.split(), np.float64).reshape(-1, 3)
        place = np.array(pose[:4], np.float64), np.array(pose[4:], np.float64)
        files.images[int(image_id)] = ImageRecord(
            *place, int(camera_id), name.strip(), seen[:, :2], seen[:, 2].astype(np.int64)
        )
    for line in filter(str.strip, _lines(points)):
        point_id, *words = line.split()
        track = np.array(words[7:], np.int64).reshape(-1, 2)
        position, color = np.array(words[:3], np.float64), np.array(words[3:6], np.uint8)
        files.points[int(point_id)] = PointRecord(position, color, float(words[6]), track)
    return files


class _Bytes:
    """Values one after the other."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.place = 0

    def take(self, format: str) -> tuple:
        end = self.place + struct.calcsize(format)
        if end > len(self.content):
            raise ValueError("a file ends too early")
        values = struct.unpack_from(format, self.content, self.place)
        self.place = end
        return values

    def array(self, dtype: np.dtype, count: int) -> np.ndarray:
        end = self.place + count * dtype.itemsize
        if end > len(self.content):
            raise ValueError("a file ends too early")
        values = np.frombuffer(self.content, dtype, count, self.place)
        self.place = end
        return values

    def word(self) -> str:
        end = self.content.index(b"\0", self.place)
        word = self.content[self.place : end].decode()
        self.place = end + 1
        return word


def _joined(lines: list[str]) -> bytes:
    return "\n".join([*lines, ""]).encode()


def _lines(content: bytes) -> list[str]:
    return [line for line in content.decode().splitlines() if not line.startswith("#")]


def _words(values: tuple[float, ...] | list[float] | np.ndarray) -> str:
    return " ".join(repr(float(value)) for value in values)


def _refuse(model: str) -> str:
    raise InputError(
        f"The COLMAP model has a camera of model {model}; pinholes with OpenCV's distortion can be read: "
        f"{', '.join(CAMERA_MODELS)}. Undistort the photos first (colmap image_undistorter)."
    )
