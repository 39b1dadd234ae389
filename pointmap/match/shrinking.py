"""Images in the size to match in, and the way back to pixels of the image that was given."""

import numpy as np
from torch import Tensor

from pointmap.errors import InputError
from pointmap.shapes import Float, UInt8


def shrink(image: UInt8[np.ndarray, "h w 3"], longest: int) -> tuple[UInt8[np.ndarray, "h2 w2 3"], tuple[float, float]]:
    """The image with no side above `longest`, never enlarged, and how much smaller it is in x and in y (at most 1).

    Raises:
        InputError: It is no RGB image of 8 bits.
    """
    import cv2

    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise InputError(
            f"Matchers take RGB images (height, width, 3) of uint8; this one is {image.shape} of {image.dtype}. "
            "pointmap.images.load_views reads photos of any kind."
        )

    height, width = image.shape[:2]
    if max(height, width) <= longest:
        return image, (1.0, 1.0)
    new_width, new_height = (max(1, round(side * longest / max(height, width))) for side in (width, height))
    smaller = cv2.resize(image, (new_width, new_height), interpolation=cv2.INTER_AREA)
    return np.asarray(smaller), (new_width / width, new_height / height)


def enlarge_pixels(pixels: Float[Tensor, "n 2"], scale: tuple[float, float]) -> Float[Tensor, "n 2"]:
    """From pixels of a shrunk image to those of the image itself; corners stay corners."""
    return (pixels + 0.5) / pixels.new_tensor(scale) - 0.5
