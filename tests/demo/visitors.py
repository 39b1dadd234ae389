"""Sessions and files for the tests of what visitors give and get."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from pointmap.demo.limits import Limits
from pointmap.demo.visitors.sessions import Sessions


class Clock:
    """Goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


def open_demo(folder: Path, **limits: float) -> tuple[Sessions, Clock]:
    """An empty demo."""
    clock = Clock()
    return Sessions(folder / "sessions", Limits(**limits), clock=clock), clock


def photo_bytes(seed: int = 0, size: tuple[int, int] = (48, 32), kind: str = "JPEG", **settings: object) -> bytes:
    """A small photo; another seed gives another one."""
    pixels = np.random.default_rng(seed).integers(0, 255, (4, 6, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR).save(content, kind, **settings)
    return content.getvalue()


def given(folder: Path, name: str, content: bytes) -> tuple[str, Path]:
    """An upload: what the visitor calls it, and where it lies."""
    folder.mkdir(exist_ok=True)
    file = folder / f"upload-{len(list(folder.iterdir()))}"
    file.write_bytes(content)
    return name, file
