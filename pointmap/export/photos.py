"""images/: the photos of a scene as other tools take them, upright and without distortion."""

import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pointmap.atomic import write_bytes
from pointmap.errors import InputError
from pointmap.export.names import output_stems
from pointmap.images import exif
from pointmap.images.load import opened
from pointmap.progress import ProgressCallback
from pointmap.scene import Scene
from pointmap.shapes import Float

_AS_THEY_ARE = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".bmp": "BMP"}
"""Endings of files that every tool reads, if they are what the ending says."""
_LOSSLESS = ("", ".png", ".bmp", ".tif", ".tiff")
"""Without losses, in-memory images among them; these become PNG, the others JPEG."""
_JPEG_QUALITY = 96


@dataclass(frozen=True, eq=False)
class PhotoFile:
    """A photo of a scene, written."""

    view: int
    """Index of the photo in the scene."""
    name: str
    """Of the file, in its folder: no blanks, different from all others on every file system."""
    size: tuple[int, int]
    """Width and height."""
    intrinsics: Float[np.ndarray, "3 3"]
    """Pinhole K in pixels of the file."""
    copied: bool
    """Whether it is the original, byte for byte."""


def write_photos(scene: Scene, folder: str | Path, *, progress: ProgressCallback | None = None) -> list[PhotoFile]:
    """Write all registered photos at the resolution of their originals, or of the working image where one is gone.

    A file that is upright, without distortion and of a common format is copied byte for byte; others are encoded anew,
    as JPEG of high quality, or as PNG where the original has no losses either.

    Args:
        progress: Called with ("photos", done, total).

    Raises:
        InputError: The folder cannot be written.
    """
    planned = plan_photos(scene)
    written = []
    for photo in planned:
        written.append(_write(scene, photo, Path(folder)))
        if progress is not None:
            progress("photos", len(written), len(planned))
    return written


def plan_photos(scene: Scene) -> list[PhotoFile]:
    """What `write_photos` would write, if all originals are there."""
    stems = output_stems(["_".join(name.split()) for name in scene.names])
    planned = []
    for view in np.flatnonzero(scene.registered).tolist():
        path, size = scene.paths[view], (int(scene.image_sizes[view, 0]), int(scene.image_sizes[view, 1]))
        distorted = scene.distortion is not None and bool(scene.distortion[view].any())
        copied = path is not None and not distorted and _is_usable(Path(path), size)
        ending = "" if path is None else Path(path).suffix.lower()
        if not copied:
            ending = ".jpg" if ending not in _LOSSLESS else ".png"
        planned.append(PhotoFile(view, stems[view] + ending, size, scene.intrinsics[view], copied))
    return planned


def _write(scene: Scene, photo: PhotoFile, folder: Path) -> PhotoFile:
    path, target = scene.paths[photo.view], folder / photo.name
    onto_itself = path is not None and target.exists() and target.samefile(path)
    if photo.copied:
        if not onto_itself:
            assert path is not None
            write_bytes(target, Path(path).read_bytes())
        return photo
    if onto_itself:
        raise InputError(f"{str(target)!r} is the original of a photo of the scene. Choose another output.")
    content = scene.photo(photo.view)
    write_bytes(target, _encoded(content.image, lossless=target.suffix == ".png"))
    height, width = content.image.shape[:2]
    return replace(photo, size=(width, height), intrinsics=content.intrinsics)


def _is_usable(path: Path, size: tuple[int, int]) -> bool:
    """Is it what it should be, and plain 8-bit pixels without a turn in their metadata?"""
    if path.suffix.lower() not in _AS_THEY_ARE or not path.is_file():
        return False
    try:
        with opened(path) as image:
            return (
                image.format == _AS_THEY_ARE[path.suffix.lower()]
                and image.size == size
                and image.mode in ("RGB", "L")
                and not image.has_transparency_data
                and exif.orientation(image) == 1
            )
    except Exception:  # damaged files raise whatever their decoder stumbles over
        return False


def _encoded(image: np.ndarray, lossless: bool) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    if lossless:
        Image.fromarray(image).save(buffer, "PNG", compress_level=3)
    else:
        Image.fromarray(image).save(buffer, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return buffer.getvalue()
