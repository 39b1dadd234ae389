"""Masks of photos, at the working resolution."""

from pathlib import Path

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
    rows, columns = view.image.shape[:2]
    original_from_working = np.linalg.inv(view.working_from_original)
    u = original_from_working[0, 0] * np.arange(columns) + original_from_working[0, 2]
    v = original_from_working[1, 1] * np.arange(rows) + original_from_working[1, 2]
    nearest = np.ix_(np.clip(np.rint(v).astype(int), 0, height - 1), np.clip(np.rint(u).astype(int), 0, width - 1))
    return mask[nearest] != 0


def _read(path: Path) -> np.ndarray:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("L"))
    except (OSError, UnidentifiedImageError) as error:
        raise InputError(f"The mask {str(path)!r} cannot be read: {error}") from error
