"""Known depth maps of photos, at the working resolution."""

from pathlib import Path

import numpy as np

from pointmap.errors import InputError
from pointmap.images.masks import nearest_pixels
from pointmap.scene import View
from pointmap.shapes import Float

_SHAPE_TOLERANCE = 0.02
"""By how much the shape of a depth map's pixels may differ from a square on the photo."""


def working_depth(depth: np.ndarray | str | Path, view: View) -> Float[np.ndarray, "h w"]:
    """z-depth at the working pixels' centres: of the nearest pixel of the map, so that edges stay edges.

    Args:
        depth: (H, W) z-depth in world units over the whole upright original photo, at any resolution (a depth sensor's
            is usually lower); 0, NaN or infinite where unknown. Or a file: .npy with such an array, or a 16-bit image
            (.png, .tif) in thousandths of the world unit, the millimetres that RGB-D cameras write.

    Raises:
        InputError: The file cannot be read, or the map has another aspect ratio than the photo.
    """
    if isinstance(depth, (str, Path)):
        depth = _read(Path(depth))
    depth = np.asarray(depth)
    width, height = view.original_size
    if depth.ndim != 2 or not depth.size:
        raise InputError(
            f"The depth map of {view.name!r} has shape {depth.shape}; expected one number per pixel (H, W)."
        )
    rows, columns = depth.shape
    if abs(np.log(columns / rows * height / width)) > _SHAPE_TOLERANCE + 1 / min(depth.shape):
        raise InputError(
            f"The depth map of {view.name!r} has shape {depth.shape}, but its upright photo is {width}x{height} pixels "
            f"(width x height). Give a map of the whole photo, with the same aspect ratio and the same way up."
        )
    known = np.where(np.isfinite(depth) & (depth > 0), depth, 0)
    return known[nearest_pixels(view, rows, columns)].astype(np.float32)


def _read(path: Path) -> np.ndarray:
    from PIL import Image, UnidentifiedImageError

    try:
        if path.suffix.lower() == ".npy":
            return np.load(path, allow_pickle=False)
        with Image.open(path) as image:
            mode, values = image.mode, np.asarray(image)
    except (OSError, ValueError, UnidentifiedImageError) as error:
        raise InputError(f"The depth map {str(path)!r} cannot be read: {error}") from error
    if values.ndim != 2 or mode in ("1", "L", "P"):
        raise InputError(
            f"The depth map {str(path)!r} is an image of mode {mode}; expected one channel of 16 bits in thousandths "
            f"of the world unit, or a .npy file with depths."
        )
    return values if mode == "F" else values / 1000
