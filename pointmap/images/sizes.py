"""The size in which the network sees a photo, and the map between the two."""

from dataclasses import dataclass

import numpy as np

from pointmap.errors import InputError
from pointmap.shapes import Float

SQUARE_CROP_SIZE = 224
"""At this working size the published networks were trained on centred squares."""


@dataclass(frozen=True)
class WorkingSize:
    """How an upright photo becomes a working image: resize, then crop. All sizes are (width, height) in pixels."""

    original: tuple[int, int]
    resized: tuple[int, int]
    crop_box: tuple[int, int, int, int]
    """Left, top, right, bottom within the resized photo; right and bottom are exclusive."""

    @property
    def shrinks(self) -> bool:
        """Whether resizing makes the photo smaller, which calls for another filter than enlarging."""
        return max(self.original) > max(self.resized)

    @property
    def working_from_original(self) -> Float[np.ndarray, "3 3"]:
        """Maps pixel centres (u, v, 1); the rounding of the resized width and height is accounted for."""
        scale_u, scale_v = (new / old for new, old in zip(self.resized, self.original, strict=True))
        left, top = self.crop_box[:2]
        # A resize maps pixel corners to pixel corners, and the corner of the first pixel is at (-0.5, -0.5).
        return np.array(
            [
                [scale_u, 0.0, 0.5 * scale_u - 0.5 - left],
                [0.0, scale_v, 0.5 * scale_v - 0.5 - top],
                [0.0, 0.0, 1.0],
            ]
        )


def working_size(
    original: tuple[int, int], *, image_size: int, patch_size: int, square_ok: bool = False
) -> WorkingSize:
    """Choose the working size of a photo, by the rules that the published networks were trained with.

    The long side becomes `image_size`, then both sides are cropped about the centre to whole patches. At 224 pixels
    it is the short side, and the crop is square. Small photos are enlarged.

    Args:
        original: Width and height of the upright photo.
        image_size: In pixels.
        patch_size: Side of the network's patches, in pixels.
        square_ok: Keep square photos square; otherwise they are cropped to 4:3, as networks trained on
            landscape and portrait formats alone need.

    Raises:
        InputError: The photo is so narrow that not one patch remains, or the image size is below one patch.
    """
    if image_size < patch_size:
        raise InputError(f"The image size {image_size} is below one patch of {patch_size} pixels. Choose a larger one.")
    long, short = max(original), min(original)
    too_narrow = InputError(
        f"too narrow: {original[0]} x {original[1]} pixels do not leave one whole patch of {patch_size} pixels "
        f"at image size {image_size}"
    )
    if short * image_size < patch_size * long:
        raise too_narrow

    square_crop = image_size == SQUARE_CROP_SIZE
    target = round(image_size * long / short) if square_crop else image_size
    width, height = (round(side * target / long) for side in original)

    if square_crop:
        crop_width = crop_height = min(width, height) // 2 * 2
    else:
        crop_width, crop_height = (side // 2 * 2 // patch_size * patch_size for side in (width, height))
        if width == height and not square_ok:
            crop_height = 3 * crop_width // 4 // patch_size * patch_size
    if min(crop_width, crop_height) < patch_size:
        raise too_narrow
    left, top = width // 2 - crop_width // 2, height // 2 - crop_height // 2
    return WorkingSize(original, (width, height), (left, top, left + crop_width, top + crop_height))


def whole_photo(size: tuple[int, int], max_size: int | None) -> WorkingSize:
    """A photo of (width, height) pixels shrunk to a long side if it is larger, and not cropped."""
    shrink = 1.0 if max_size is None else min(1.0, max_size / max(size))
    resized = (max(1, round(size[0] * shrink)), max(1, round(size[1] * shrink)))
    return WorkingSize(size, resized, (0, 0, *resized))
