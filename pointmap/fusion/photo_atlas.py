"""The photos side by side in one texture: quick, for meshes whose faces each belong to one photo."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pointmap.errors import InputError
from pointmap.shapes import Float, Shaped, UInt8

BORDER = 4
"""Pixels repeated around every image, so that smaller mip levels do not mix neighbours."""


@dataclass(frozen=True)
class Atlas:
    """Images packed into one."""

    image: UInt8[np.ndarray, "height width 3"]

    corners: Float[np.ndarray, "images 2"]
    """Where the (left, top) edge of every image lies in the atlas, in pixels from the atlas's left and top edge."""

    scales: Float[np.ndarray, "images 2"]
    """Atlas pixels per image pixel, horizontally and vertically."""

    def texture_coordinates(self, index: int, pixels: Shaped[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        """Texture coordinates of pixels (u, v) of an image: from 0 to 1, the origin at the bottom left.

        The middle of the first pixel is (0, 0) here and half a pixel from the edge in the texture.
        """
        height, width = self.image.shape[:2]
        xy = (self.corners[index] + (pixels + 0.5) * self.scales[index]) / (width, height)
        return np.stack([xy[:, 0], 1 - xy[:, 1]], axis=-1)


def pack_images(images: Sequence[np.ndarray], *, max_size: int = 8192) -> Atlas:
    """Pack images in shelves into a roughly square atlas.

    Args:
        images: N arrays (h, w, 3) uint8 of any sizes.
        max_size: Longest side of the atlas, in pixels; all images shrink alike if they would not fit.

    Raises:
        InputError: Not even one pixel of each fits.
    """
    sizes = np.array([image.shape[1::-1] for image in images]).reshape(-1, 2)
    shrink = 1.0
    while True:
        packed = np.maximum(1, np.floor(sizes * shrink)).astype(int)
        places, extent = _shelves(packed + 2 * BORDER)
        if max(extent) <= max_size:
            break
        if packed.max() == 1:
            raise InputError(
                f"A texture of {max_size} pixels has no room for {len(images)} photos. Make it at least {max(extent)}."
            )
        shrink *= 0.9
    atlas = np.zeros((extent[1], extent[0], 3), np.uint8)
    for image, (left, top), (width, height) in zip(images, places, packed, strict=True):
        if (height, width) != image.shape[:2]:
            import cv2

            image = cv2.resize(image, (int(width), int(height)), interpolation=cv2.INTER_AREA)
        padded = np.pad(image, ((BORDER, BORDER), (BORDER, BORDER), (0, 0)), mode="edge")
        atlas[top : top + padded.shape[0], left : left + padded.shape[1]] = padded
    return Atlas(image=atlas, corners=(places + BORDER).astype(float), scales=packed / np.maximum(sizes, 1))


def _shelves(sizes: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """Places (left, top) of boxes (width, height), highest first in rows, and the (width, height) they take."""
    if len(sizes) == 0:
        return np.zeros((0, 2), int), (1, 1)
    limit = max(int(sizes[:, 0].max()), int(np.ceil(np.sqrt(sizes.prod(axis=1).sum()))))
    places = np.zeros_like(sizes)
    left = top = shelf_height = widest = 0
    for index in np.argsort(-sizes[:, 1], kind="stable"):
        width, height = sizes[index]
        if left + width > limit and left > 0:
            left, top, shelf_height = 0, top + shelf_height, 0
        places[index] = left, top
        left, shelf_height = left + width, max(shelf_height, height)
        widest = max(widest, left)
    return places, (int(widest), int(top + shelf_height))
