"""The photos of a finished scene in their own resolution."""

from pathlib import Path

import numpy as np

from pointmap.images import exif
from pointmap.images.decode import decode
from pointmap.images.load import opened, register_heif
from pointmap.images.sizes import whole_photo
from pointmap.scene import Photo, Scene


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
