"""Depth of a sensor that stands where the photos' camera stands, but has a lens of its own."""

from collections.abc import Callable

import numpy as np


def as_photo_sees_it(
    read: Callable[[], np.ndarray],
    sensor_intrinsics: np.ndarray,
    intrinsics: np.ndarray,
    photo_size: tuple[int, int],
) -> Callable[[], np.ndarray]:
    """Reader of a depth map of the sensor's size that covers the whole photo.

    Each of its pixels takes the value of the sensor's nearest pixel on the same ray, so that there are no gaps between
    pixels; 0 outside of the sensor's picture.

    Args:
        sensor_intrinsics, intrinsics: (3, 3) pinhole K of the sensor's and of the photo's pixels.
        photo_size: Width and height.
    """

    def look() -> np.ndarray:
        depth = read()
        height, width = depth.shape
        columns = (np.arange(width) + 0.5) * (photo_size[0] / width) - 0.5
        rows = (np.arange(height) + 0.5) * (photo_size[1] / height) - 0.5
        # Neither camera has skew: columns and rows move apart from each other.
        sensor_from_photo = sensor_intrinsics @ np.linalg.inv(intrinsics)
        columns = np.rint(sensor_from_photo[0, 0] * columns + sensor_from_photo[0, 2]).astype(np.int64)
        rows = np.rint(sensor_from_photo[1, 1] * rows + sensor_from_photo[1, 2]).astype(np.int64)
        inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))
        seen = depth[rows.clip(0, height - 1)[:, None], columns.clip(0, width - 1)]
        return np.where(inside, seen, np.float32(0))

    return look
