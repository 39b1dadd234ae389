"""A COLMAP model with its photos; with the depth maps of a dense workspace, else with its sparse points as depths."""

from functools import partial
from pathlib import Path

import numpy as np

from pointmap.errors import InputError
from pointmap.images.sizes import whole_photo
from pointmap.progress import ProgressCallback
from pointmap.readers.posed import DepthMap, PosedPhoto, find_photo, posed_scene
from pointmap.scene import Scene
from pointmap.sfm.model import SfmModel
from pointmap.sfm.models import find_model, read_model
from pointmap.shapes import Float

_FILES = {f"{name}{ending}" for name in ("cameras", "images", "points3D") for ending in (".bin", ".txt")}
_DEPTH_MAPS = "stereo/depth_maps"


def find(path: Path) -> Path | None:
    """The folder of the model: the one given, or one in it."""
    return find_model(path.parent if path.name in _FILES and path.is_file() else path)


def read(model_folder: Path, *, image_size: int, progress: ProgressCallback | None = None) -> Scene:
    """Photos of the model, in its order; undistorted where their cameras have a lens."""
    model = read_model(model_folder)
    if not model.names:
        raise InputError(f"The COLMAP model in {str(model_folder)!r} has no photos.")
    home = _home(model_folder)
    dense = home / _DEPTH_MAPS
    photos = []
    for view, name in enumerate(model.names):
        file = _depth_file(dense, name)
        size = (int(model.image_sizes[view, 0]), int(model.image_sizes[view, 1]))
        if file is not None:
            depth = DepthMap(partial(read_array, file))
        else:
            plan = whole_photo(size, image_size)
            K = plan.working_from_original @ model.intrinsics[view]
            depth = DepthMap(partial(sparse_depth, model, view, K, plan.resized[::-1]), K)
        path = find_photo(home, name, among=("images", "."))
        pose = model.world_from_cam[view]
        photos.append(PosedPhoto(path, model.intrinsics[view], pose, name, size, model.distortion[view], depth))
    source = "COLMAP dense workspace" if dense.is_dir() else "COLMAP model"
    return posed_scene(photos, image_size=image_size, source=source, progress=progress)


def read_array(path: Path) -> Float[np.ndarray, "h w"]:
    """A map of COLMAP's: text "width&height&channels&", then 32-bit numbers row by row.

    Raises:
        InputError: It is damaged, or has more than one channel.
    """
    content = path.read_bytes()
    try:
        *sizes, values = content.split(b"&", 3)
        width, height, channels = map(int, sizes)
        if channels != 1:
            raise ValueError(f"it has {channels} channels")
        return np.frombuffer(values, "<f4").reshape(height, width)
    except ValueError as error:
        raise InputError(f"The depth map {str(path)!r} is damaged ({error}). Compute it again.") from error


def sparse_depth(
    model: SfmModel, view: int, K: Float[np.ndarray, "3 3"], shape: tuple[int, int]
) -> Float[np.ndarray, "h w"]:
    """z-depth of the points that a photo shows, each in one pixel of an image without distortion; 0 elsewhere."""
    points, _ = model.seen_by(view)
    pose = model.world_from_cam[view]
    points_cam = (model.points[points] - pose[:3, 3]) @ pose[:3, :3]
    points_cam = points_cam[points_cam[:, 2] > 0]
    depths = points_cam[:, 2]
    column, row = np.rint(points_cam[:, :2] / depths[:, None] * np.diag(K)[:2] + K[:2, 2]).astype(np.int64).T
    inside = (column >= 0) & (row >= 0) & (column < shape[1]) & (row < shape[0])
    nearest = np.full(shape, np.inf, np.float32)
    np.minimum.at(nearest, (row[inside], column[inside]), depths[inside])
    return np.where(np.isfinite(nearest), nearest, 0)


def _home(model_folder: Path) -> Path:
    """The folder that holds images/: the model's own, or one of the two above."""
    places = (model_folder, *model_folder.resolve().parents[:2])
    return next((place for place in places if (place / "images").is_dir()), places[0])


def _depth_file(folder: Path, name: str) -> Path | None:
    """The filtered map, if there is one."""
    files = (folder / f"{name}.{kind}.bin" for kind in ("geometric", "photometric"))
    return next((file for file in files if file.is_file()), None)
