"""The photos of a finished scene in their own resolution."""

from pathlib import Path

import numpy as np

from pointmap.images import exif
from pointmap.images.decode import decode
from pointmap.images.load import opened, register_heif
from pointmap.images.sizes import whole_photo
from pointmap.scene import Photo, Scene
from pointmap.shapes import Bool

_EXTENT_SIZE = 512
"""Long side in pixels of the map of what a lens saw."""


def original_photo(scene: Scene, index: int, *, max_size: int | None = None) -> Photo:
    """See `Scene.photo`. A file that is gone, damaged or of another size counts as none."""
    path, size = scene.paths[index], (int(scene.image_sizes[index, 0]), int(scene.image_sizes[index, 1]))
    photo = None
    if path is not None and Path(path).is_file():
        photo = _read(Path(path), size, max_size, scene.intrinsics[index], _lens(scene, index))
    if photo is None:
        photo = Photo(scene.colors[index], scene.working_intrinsics[index])
        height, width = photo.image.shape[:2]
        if max_size is not None and max(height, width) > max_size:
            import cv2

            plan = whole_photo((width, height), max_size)
            image = cv2.resize(photo.image, plan.resized, interpolation=cv2.INTER_AREA)
            photo = Photo(image, plan.working_from_original @ photo.intrinsics)
    return photo


def seen_through_lens(scene: Scene, index: int) -> Bool[np.ndarray, "_ _"] | None:
    """Where a photo without its distortion shows something: it has black borders if the lens saw less than a pinhole.

    A small map over the whole photo; None where the lens has no distortion.
    """
    lens = _lens(scene, index)
    if not lens.any():
        return None
    import cv2

    plan = whole_photo((int(scene.image_sizes[index, 0]), int(scene.image_sizes[index, 1])), _EXTENT_SIZE)
    everything = np.full(plan.resized[::-1], 255, np.uint8)
    return cv2.undistort(everything, plan.working_from_original @ scene.intrinsics[index], lens) == 255


def _read(path: Path, size: tuple[int, int], max_size: int | None, K: np.ndarray, lens: np.ndarray) -> Photo | None:
    plan = whole_photo(size, max_size)
    register_heif()
    try:
        with opened(path) as image:
            orientation = exif.orientation(image)
            if (image.size if orientation <= 4 else image.size[::-1]) != size:
                return None
            pixels = decode(image, plan, orientation, lazy=True)
    except Exception:  # damaged files raise whatever their decoder stumbles over
        return None
    K = plan.working_from_original @ K
    if lens.any():
        import cv2

        pixels = cv2.undistort(pixels, K, lens)
    return Photo(pixels, K)


def _lens(scene: Scene, index: int) -> np.ndarray:
    return np.zeros(5) if scene.distortion is None else scene.distortion[index]
