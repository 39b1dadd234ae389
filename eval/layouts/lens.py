"""Photos without their lens distortion, written where a benchmark may keep things."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pointmap.atomic import atomic_path
from pointmap.errors import InputError

from .photo_files import photo_size


def undistorted_photos(
    photos: Sequence[Path], K: np.ndarray, lens: np.ndarray, folder: Path
) -> tuple[tuple[Path, ...], np.ndarray]:
    """Photos of one camera as a pinhole would have taken them, under their names in `folder`.

    The new pinhole is OpenCV's optimal one with alpha 0 (no pixel without content) and its principal point in the
    middle. Photos that are in the folder already stay.

    Args:
        K: (3, 3) of the camera, in pixels of the photos.
        lens: (5,) OpenCV's k1, k2, p1, p2, k3.

    Returns:
        The new files, and (3, 3) the new K.

    Raises:
        InputError: A file is no picture, or not of the size of the first.
    """
    import cv2

    size = photo_size(photos[0])
    new_K, _ = cv2.getOptimalNewCameraMatrix(K, lens, size, 0, size, centerPrincipalPoint=True)
    maps = cv2.initUndistortRectifyMap(K, lens, np.eye(3), new_K, size, cv2.CV_32FC1)
    written = tuple(folder / photo.name for photo in photos)
    for photo, target in zip(photos, written, strict=True):
        if target.is_file():
            continue
        image = cv2.imread(str(photo), cv2.IMREAD_COLOR)
        if image is None or image.shape[1::-1] != size:
            raise InputError(f"{str(photo)!r} is no photo of {size[0]}x{size[1]} pixels, as the first one is.")
        with atomic_path(target) as path:
            cv2.imwrite(str(path), cv2.remap(image, *maps, cv2.INTER_LINEAR))
    return written, new_K
