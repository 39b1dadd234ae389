"""Masks of photos, at the working resolution."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pointmap.errors import InputError
from pointmap.scene import View
from pointmap.shapes import Bool


def working_mask(mask: np.ndarray | str | Path, view: View) -> Bool[np.ndarray, "h w"]:
    """True where the working pixel's centre falls on a pixel that is kept.

    Args:
        mask: (H, W) array, or an image file, of the size of the upright original photo; non-zero keeps.

    Raises:
        InputError: The mask cannot be read, or has another size.
    """
    if isinstance(mask, (str, Path)):
        mask = _read(Path(mask))
    mask = np.asarray(mask)
    width, height = view.original_size
    if mask.shape != (height, width):
        raise InputError(
            f"The mask of {view.name!r} has shape {mask.shape}, but its upright photo is {width}x{height} pixels. "
            f"Give one value per pixel: shape ({height}, {width})."
        )
    return mask[nearest_pixels(view, height, width)] != 0


def nearest_pixels(view: View, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Index into a map of `rows` x `columns` over the whole upright original photo: the pixel of the map in which each
    working pixel's centre lies."""
    width, height = view.original_size
    h, w = view.image.shape[:2]
    original_from_working = np.linalg.inv(view.working_from_original)
    u = original_from_working[0, 0] * np.arange(w) + original_from_working[0, 2]
    v = original_from_working[1, 1] * np.arange(h) + original_from_working[1, 2]
    u, v = (u + 0.5) * columns / width - 0.5, (v + 0.5) * rows / height - 0.5
    return np.ix_(np.clip(np.rint(v).astype(int), 0, rows - 1), np.clip(np.rint(u).astype(int), 0, columns - 1))


def _read(path: Path) -> np.ndarray:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("L"))
    except (OSError, UnidentifiedImageError) as error:
        raise InputError(f"The mask {str(path)!r} cannot be read: {error}") from error


def per_photo(name: str, given: Sequence[Any] | str | Path | None, names: Sequence[str]) -> Sequence[Any] | None:
    """One entry per photo, where they are given as a folder of files that are called like the photos.

    Args:
        name: What they are, for messages.
        given: A folder, in which the entry of `photo.jpg` is `photo.jpg` or `photo.png`, `photo.npy` ...; anything else
            is returned as it is.
        names: File names of the photos.

    Raises:
        InputError: There is no such folder, or no file of any photo in it.
    """
    if not isinstance(given, (str, Path)):
        return given
    folder = Path(given)
    if not folder.is_dir():
        raise InputError(
            f"{name} is {str(folder)!r}, which is no folder. Give one, or a list with one entry per photo."
        )
    files = {path.name.casefold(): path for path in sorted(folder.iterdir(), reverse=True) if path.is_file()}
    by_stem = {Path(file).stem: path for file, path in files.items()}
    found = [
        files.get(photo.casefold()) or by_stem.get(photo.casefold()) or by_stem.get(Path(photo.casefold()).stem)
        for photo in names
    ]
    if not any(found):
        raise InputError(
            f"{name}: no file in {str(folder)!r} is called like a photo. That of {names[0]!r} may be called "
            f"{Path(names[0]).stem + '.png'!r}."
        )
    return found
