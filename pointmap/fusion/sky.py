"""Where photos show sky: as the network says, or else by the look of it."""

import numpy as np

from pointmap.images.graph_cut import cut
from pointmap.scene import Scene
from pointmap.shapes import Bool, Float, UInt8

LEAST_PROBABILITY = 0.7
"""Of the network's sky. On held-out procedural pairs the bundled network's IoU is 0.92 from 0.5 to 0.7; at 0.7 it takes
half as many surfaces for sky, 0.6 % of their pixels under the sky and 0.1 % in rooms."""
_LONG_SIDE = 160
"""Of the image that is looked at, in pixels."""
_MOST_CHANGE = 14.0
"""Of the smoothed image over two pixels, within the sky, in levels of 255."""
_BLUE = 18.0
"""How much bluer than red blue skies are at least, in levels."""
_LEAST_CYAN = 0.3
"""Where between red and blue the green of blue skies is at least; paint has less."""
_LEAST_LUMA = (80.0, 185.0)
"""Of a blue sky and of an overcast one, in levels."""
_MOST_TINT = 24.0
"""Between the channels of an overcast sky, in levels."""
_LEAST_SHARE = 0.01
"""Of a photo; smaller patches are lamps and windows."""
_LEAST_BORDER = 0.04
"""Share of the upper border that sky takes."""
_LOWEST = 0.85
"""Share of the height below which there is no sky."""
_OUTSHONE = 0.02
"""Share of the rest of a photo that may be bluer than a blue sky, or brighter than an overcast one."""
_LEAST_CONTRAST = 18.0
"""Between the sky and most of what is around it, in levels."""
_SMOOTHNESS = 6.0
"""Cost of a border between two pixels of one colour, against at most 2 for a pixel unlike the sky."""


def sky_masks(scene: Scene) -> list[Bool[np.ndarray, "_ _"]]:
    """True where the pixels of the working images show sky."""
    return [sky_mask(scene, index) for index in range(len(scene))]


def sky_mask(scene: Scene, index: int) -> Bool[np.ndarray, "_ _"]:
    """Of one photo."""
    return sky_by_look(scene.colors[index]) if scene.sky is None else scene.sky[index] >= LEAST_PROBABILITY


def sky_by_look(image: UInt8[np.ndarray, "h w 3"]) -> Bool[np.ndarray, "h w"]:
    """True where a photo looks like sky: a smooth region from the upper border down, blue or the brightest thing there.

    In doubt there is no sky: a ceiling or a wall must not be lost.
    """
    import cv2

    height, width = image.shape[:2]
    shrink = min(1.0, _LONG_SIDE / max(height, width))
    size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    region = _region(cv2.GaussianBlur(small, (0, 0), 1.0))
    if not region.any():
        return np.zeros((height, width), bool)
    region = _to_edges(small, region)
    return cv2.resize(region.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0


def _region(image: Float[np.ndarray, "h w 3"]) -> Bool[np.ndarray, "h w"]:
    """What is certainly sky, if any."""
    import cv2

    luma = image @ np.array([0.299, 0.587, 0.114], np.float32)
    red, green, blue = np.moveaxis(image, -1, 0)
    dx, dy = (
        np.abs(cv2.filter2D(luma, -1, kernel, borderType=cv2.BORDER_REPLICATE))
        for kernel in (np.array([[-1, 0, 1]], np.float32), np.array([[-1], [0], [1]], np.float32))
    )
    smooth = np.maximum(dx, dy) < _MOST_CHANGE
    is_blue = (blue - red > _BLUE) & (blue >= green) & (luma > _LEAST_LUMA[0])
    is_blue &= green - red > _LEAST_CYAN * (blue - red)
    is_bright = (np.ptp(image, axis=-1) < _MOST_TINT) & (blue >= red - 4) & (luma > _LEAST_LUMA[1])
    found = np.zeros(luma.shape, bool)
    for candidate, is_overcast in ((is_blue | is_bright, False), (is_bright, True)):
        count, labels = cv2.connectedComponents((candidate & smooth).astype(np.uint8), connectivity=4)
        top = np.bincount(labels[:2].ravel(), minlength=count) / (2 * luma.shape[1])
        for label in range(1, count):
            region = labels == label
            lowest = np.flatnonzero(region.any(axis=1))[-1] / luma.shape[0]
            rest = ~region & ~found
            if top[label] < _LEAST_BORDER or region.mean() < _LEAST_SHARE or lowest > _LOWEST or not rest.any():
                continue
            if _stands_out(image, region) and (
                _outshines(luma, region, rest)
                if is_overcast
                else is_blue[region].mean() > 0.5 and _outshines(blue - red, region, rest)
            ):
                found |= region
    return found


def _outshines(
    values: Float[np.ndarray, "h w"], region: Bool[np.ndarray, "h w"], rest: Bool[np.ndarray, "h w"]
) -> bool:
    """Whether hardly anything else has values like most of a region."""
    return float(np.mean(values[rest] > np.quantile(values[region], 0.25))) < _OUTSHONE


def _stands_out(image: Float[np.ndarray, "h w 3"], region: Bool[np.ndarray, "h w"]) -> bool:
    """Whether a region differs from what is around it: a patch of a textured wall goes on beyond its border."""
    import cv2

    around = [cv2.dilate(region.astype(np.uint8), np.ones((size, size), np.uint8)) > 0 for size in (3, 7)]
    ring = around[1] & ~around[0]
    if not ring.any():
        return False
    return float(np.quantile(_unlike(image, region)[ring], 0.3)) > _LEAST_CONTRAST


def _unlike(image: Float[np.ndarray, "h w 3"], region: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Difference of colour, in levels, from the mean of a region nearby."""
    import cv2

    inside = region.astype(np.float32)
    weight = cv2.blur(inside, (31, 31))[..., None]
    return np.linalg.norm(image - cv2.blur(image * inside[..., None], (31, 31)) / np.maximum(weight, 1e-3), axis=-1)


def _to_edges(image: Float[np.ndarray, "h w 3"], region: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """The region, grown or shrunk to edges nearby."""
    import cv2

    inner = cv2.erode(region.astype(np.uint8), np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE) > 0
    unlike = np.clip(_unlike(image, region) / 20 - 0.5, 0, 2)
    near = cv2.dilate(region.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    cost_if_inside = np.where(near, unlike, np.inf)
    cost_if_outside = np.where(inner, np.inf, np.clip(1.5 - unlike, 0, None))
    return cut(image, cost_if_inside, cost_if_outside, _SMOOTHNESS)
