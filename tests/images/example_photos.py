"""Photos for the tests of this folder."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pointmap.images import LoadedPhotos, load_views
from pointmap.scene import View

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def four_corners(width: int = 64, height: int = 48) -> Image.Image:
    """Red and green above, blue and white below: every way of turning it looks different."""
    pixels = np.empty((height, width, 3), dtype=np.uint8)
    pixels[: height // 2, : width // 2] = RED
    pixels[: height // 2, width // 2 :] = GREEN
    pixels[height // 2 :, : width // 2] = BLUE
    pixels[height // 2 :, width // 2 :] = WHITE
    return Image.fromarray(pixels)


def corners(image: np.ndarray) -> list[tuple[int, ...]]:
    """Colours at the corners, a little inwards: upper left, upper right, lower left, lower right."""
    return [tuple(int(value) for value in image[v, u]) for v in (4, -5) for u in (4, -5)]


def load(photos: Any, **settings: Any) -> LoadedPhotos:
    """Load at 64 pixels and patches of 16, where a 64 x 48 photo stays as it is."""
    return load_views(photos, **{"image_size": 64, "patch_size": 16, **settings})


def load_one(photo: Any, **settings: Any) -> View:
    """Load a single photo."""
    loaded = load([photo], **settings)
    assert not loaded.skipped, loaded.skipped
    return loaded.views[0]


def saved(folder: Path, name: str, image: Image.Image | None = None, **settings: Any) -> Path:
    """Save a photo and return its path."""
    path = folder / name
    (image or four_corners()).save(path, **settings)
    return path


def png(width: int, height: int, *, bit_depth: int, colour_type: int, rows: np.ndarray) -> bytes:
    """A PNG of rows of bytes (PNG specification, 3rd edition, section 11)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, bit_depth, colour_type, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
