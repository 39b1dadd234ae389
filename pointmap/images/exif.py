"""What a photo's EXIF block says of its camera: the orientation and the focal length."""

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

# Tags of the EXIF 2.32 standard (CIPA DC-008).
_ORIENTATION = 0x0112
_EXIF_BLOCK = 0x8769
_FOCAL_LENGTH_MM = 0x920A
_PIXEL_WIDTH, _PIXEL_HEIGHT = 0xA002, 0xA003
_FOCAL_PLANE_X_RESOLUTION = 0xA20E
_FOCAL_PLANE_UNIT = 0xA210
_FOCAL_LENGTH_IN_35MM_FILM = 0xA405

_MM_PER_UNIT = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}
_FILM_DIAGONAL_MM = math.hypot(36.0, 24.0)
_PLAUSIBLE_FOCAL_35MM = (7.0, 1200.0)
"""From the widest rectilinear lenses to super-telephoto; beyond are wrong units and unset fields."""


def orientation(image: "Image.Image") -> int:
    """How the decoded pixels have to be turned, by EXIF's numbers 1 to 8; 1 (upright) where nothing valid is said."""
    if image.format == "TIFF":
        return 1  # Pillow turns these itself, and states their upright size.
    value = _tags(image).get(_ORIENTATION, 1)
    return value if value in range(1, 9) else 1


def focal_px(image: "Image.Image", size: tuple[int, int]) -> float | None:
    """Focal length in pixels of the photo, the same in the stored and the upright orientation.

    It comes from the 35 mm equivalent (by the diagonal, as EXIF defines it), else from the focal length in
    millimetres and the resolution of the focal plane. None where neither is there, the values are implausible, or
    the photo was cropped after it was taken.

    Args:
        size: Width and height of the stored photo, in pixels.
    """
    tags = _tags(image, _EXIF_BLOCK)
    diagonal_px = math.hypot(*size)
    taken_width, taken_height = _number(tags, _PIXEL_WIDTH), _number(tags, _PIXEL_HEIGHT)
    taken_size = (taken_width, taken_height) if taken_width and taken_height else size
    if abs(max(taken_size) * min(size) / (min(taken_size) * max(size)) - 1) > 0.02:
        return None

    equivalent_mm, focal_mm = _number(tags, _FOCAL_LENGTH_IN_35MM_FILM), _number(tags, _FOCAL_LENGTH_MM)
    resolution = _number(tags, _FOCAL_PLANE_X_RESOLUTION)
    if equivalent_mm:
        focal = equivalent_mm * diagonal_px / _FILM_DIAGONAL_MM
    elif focal_mm and resolution:
        pixels_per_mm = resolution / _MM_PER_UNIT.get(tags.get(_FOCAL_PLANE_UNIT, 2), math.inf)
        # The resolution counts pixels as taken; the file may have been scaled since.
        focal = focal_mm * pixels_per_mm * max(size) / max(taken_size)
    else:
        return None
    low, high = _PLAUSIBLE_FOCAL_35MM
    return focal if low <= focal / diagonal_px * _FILM_DIAGONAL_MM <= high else None


def _tags(image: "Image.Image", block: int | None = None) -> dict[int, Any]:
    try:
        exif = image.getexif()
        return dict(exif if block is None else exif.get_ifd(block))
    except Exception:  # Damaged metadata raises whatever its parser stumbles over; the pixels are still good.
        return {}


def _number(tags: dict[int, Any], tag: int) -> float | None:
    """A positive finite number; None for anything else, such as a fraction with denominator zero."""
    try:
        value = float(tags[tag])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return value if 0 < value < math.inf else None
