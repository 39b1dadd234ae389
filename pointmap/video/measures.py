"""How sharp a picture is and how far the camera went between two, on small grey copies."""

from typing import TYPE_CHECKING, Any

import numpy as np

from pointmap.shapes import Float, UInt8

if TYPE_CHECKING:
    import av

GREY_SIZE = 640
"""Long side in pixels of the copies on which sharpness is measured: of Full HD, a blur of one pixel still shows."""

_FLOW_SIZE = 160
_SAME_SCENE = 0.8
"""Two blurred copies that correlate less show different things, whatever the flow between them."""
_CONTRAST = 1.0
"""Below this standard deviation, of 255, there is nothing to see."""


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

    The median over the textured part, so that somebody who walks through the picture does not count. Infinite where
    the two show different things.
    """
    import cv2

    if grey.shape != other.shape:
        return np.inf
    scale = _FLOW_SIZE / max(grey.shape)
    size = (max(16, round(scale * grey.shape[1])), max(16, round(scale * grey.shape[0])))
    small, small_other = (cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in (grey, other))
    if small.std() < _CONTRAST and small_other.std() < _CONTRAST:
        return 0.0
    if _correlation(small, small_other) < _SAME_SCENE:
        return np.inf
    flow = np.zeros((*small.shape, 2), np.float32)
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(small, small_other, flow)
    texture = np.hypot(cv2.Sobel(small, cv2.CV_32F, 1, 0), cv2.Sobel(small, cv2.CV_32F, 0, 1))
    return _weighted_median(np.linalg.norm(flow, axis=-1).ravel(), texture.ravel()) / max(size)


def difference(grey: UInt8[np.ndarray, "h w"], other: UInt8[np.ndarray, "h w"]) -> float:
    """Mean difference in grey levels, of 255; infinite for pictures of other sizes."""
    if grey.shape != other.shape:
        return np.inf
    return float(np.abs(grey.astype(np.int16) - other).mean())


def _correlation(image: np.ndarray, other: np.ndarray) -> float:
    """Of the two at zero shift, so blurred that a shift by a few pixels hardly matters."""
    import cv2

    a, b = (cv2.GaussianBlur(array.astype(np.float32), (0, 0), 3) for array in (image, other))
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / np.sqrt(np.square(a).sum() * np.square(b).sum() + 1e-6))


def _weighted_median(values: Float[np.ndarray, " n"], weights: Float[np.ndarray, " n"]) -> float:
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])
