"""How sharp a picture is and how far the camera went between two, on small grey copies."""

from typing import TYPE_CHECKING, Any

import numpy as np

from pointmap.shapes import Float, UInt8

if TYPE_CHECKING:
    import av

GREY_SIZE = 640
"""Long side in pixels of the copies on which sharpness is measured: of Full HD, a blur of one pixel still shows."""

_FLOW_SIZE = 160
_ALIKE = 0.7
"""Around a pixel that was found again, the two pictures correlate by more."""
_CONTRAST = 2.0
"""Standard deviation, of 255, that takes part in correlations as noise; where all is below, there is nothing to see."""
_NEIGHBOURHOOD = 2.5


def grey_copy(picture: "av.VideoFrame", reformatter: Any = None) -> UInt8[np.ndarray, "h w"]:
    """A small grey copy, as stored. The reformatter (of PyAV) saves its setting up for every frame."""
    scale = min(1.0, GREY_SIZE / max(picture.width, picture.height))
    width, height = (max(8, round(scale * side)) for side in (picture.width, picture.height))
    grey = (
        picture.reformat(width=width, height=height, format="gray", interpolation="AREA")
        if reformatter is None
        else reformatter.reformat(picture, width=width, height=height, format="gray", interpolation="AREA")
    )
    return grey.to_ndarray()


def sharpness(grey: UInt8[np.ndarray, "h w"]) -> float:
    """Energy of the Laplacian: only for comparing pictures of nearly the same, since it grows with texture, too."""
    import cv2

    return float(np.square(cv2.Laplacian(grey, cv2.CV_32F)).mean())


def shift(grey: UInt8[np.ndarray, "h w"], other: UInt8[np.ndarray, "h w"]) -> float:
    """How far things moved from one picture to the other, as a share of the long side.

    The median over textured pixels that were found again, so that somebody who walks through the picture does not
    count. Infinite where fewer than half were: the two show different things.
    """
    import cv2

    if grey.shape != other.shape:
        return np.inf
    scale = _FLOW_SIZE / max(grey.shape)
    size = (max(16, round(scale * grey.shape[1])), max(16, round(scale * grey.shape[0])))
    small, small_other = (cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in (grey, other))
    if small.std() < _CONTRAST and small_other.std() < _CONTRAST:
        return 0.0
    flow = np.zeros((*small.shape, 2), np.float32)
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(small, small_other, flow)
    where = np.indices(small.shape, np.float32) + np.moveaxis(flow, 2, 0)[::-1]
    found = cv2.remap(small_other, where[1], where[0], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    texture = np.hypot(cv2.Sobel(small, cv2.CV_32F, 1, 0), cv2.Sobel(small, cv2.CV_32F, 0, 1))
    again = texture * (_correlation(small, found) > _ALIKE)
    if again.sum() < texture.sum() / 2:
        return np.inf
    return _weighted_median(np.linalg.norm(flow, axis=-1).ravel(), again.ravel()) / max(size)


def difference(grey: UInt8[np.ndarray, "h w"], other: UInt8[np.ndarray, "h w"]) -> float:
    """Mean difference in grey levels, of 255; infinite for pictures of other sizes."""
    if grey.shape != other.shape:
        return np.inf
    return float(np.abs(grey.astype(np.int16) - other).mean())


def _correlation(image: UInt8[np.ndarray, "h w"], other: UInt8[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Around every pixel; brightness and contrast do not matter."""
    import cv2

    def around(values: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(values, (0, 0), _NEIGHBOURHOOD)

    a, b = image.astype(np.float32), other.astype(np.float32)
    a, b = a - around(a), b - around(b)
    noise = _CONTRAST**2
    return around(a * b) / np.sqrt((around(a * a) + noise) * (around(b * b) + noise))


def _weighted_median(values: Float[np.ndarray, " n"], weights: Float[np.ndarray, " n"]) -> float:
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])
