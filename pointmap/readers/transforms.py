"""transforms.json: nerfstudio's, our own, instant-ngp's and Blender's."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pointmap.errors import InputError
from pointmap.geometry.conventions import OPENGL_FROM_OPENCV, centred_intrinsics
from pointmap.images.load import opened, register_heif
from pointmap.progress import ProgressCallback
from pointmap.readers.posed import DepthMap, PosedPhoto, find_photo, posed_scene, read_depth, rigid_pose
from pointmap.scene import Scene

_NAMES = ("transforms.json", "transforms_train.json")
_ENDINGS = ("", ".png", ".jpg", ".jpeg")
_PINHOLES = ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "PERSPECTIVE")
_MILLIMETRES = 0.001


def find(path: Path) -> Path | None:
    """The file."""
    if path.is_file():
        return path if path.name.startswith("transforms") and path.suffix == ".json" else None
    return next((path / name for name in _NAMES if (path / name).is_file()), None)


def read(file: Path, *, image_size: int, progress: ProgressCallback | None = None) -> Scene:
    """Photos in the order of the file. What was done to the world when it was written (`applied_transform`,
    `applied_scale`, our `scale_from_scene`) is undone."""
    register_heif()
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        frames = content["frames"]
        own_scale = float(content.get("scale_from_scene", 1.0))
        scale = own_scale * float(content.get("applied_scale", 1.0))
        world_from_saved = _world_from_saved(content.get("applied_transform"))
        # Depths follow the scale of our own files; nerfstudio applies `applied_scale` to them when it reads them.
        photos = [_photo(content | frame, file, world_from_saved, scale, own_scale) for frame in frames]
    except InputError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"Cannot read {str(file)!r}: {type(error).__name__}: {error}. Expected `frames`, each with file_path and "
            "transform_matrix, and fl_x or camera_angle_x there or at the top."
        ) from error
    if not photos:
        raise InputError(f"{str(file)!r} has no frames.")
    metric = content.get("world_unit") == "metre"
    return posed_scene(photos, image_size=image_size, metric=metric, source=file.name, progress=progress)


def _photo(
    entry: dict[str, Any], file: Path, world_from_saved: np.ndarray, scale: float, own_scale: float
) -> PosedPhoto:
    model = entry.get("camera_model", "OPENCV")
    if model not in _PINHOLES or entry.get("is_fisheye") or float(entry.get("k4", 0)):
        model = "fisheye" if entry.get("is_fisheye") else f"{model} with k4" if model in _PINHOLES else model
        raise InputError(
            f"{str(file)!r} has a camera of model {model}; only pinholes with OpenCV's k1, k2, p1, p2, k3 can be read. "
            "Undistort the photos first."
        )
    path = _photo_path(file.parent, entry["file_path"])
    size = (int(entry["w"]), int(entry["h"])) if "w" in entry and "h" in entry else None
    width, height = _size_of(path) if size is None else size
    fx = float(entry["fl_x"]) if "fl_x" in entry else width / 2 / np.tan(float(entry["camera_angle_x"]) / 2)
    if "fl_y" in entry:
        fy = float(entry["fl_y"])
    else:
        fy = height / 2 / np.tan(float(entry["camera_angle_y"]) / 2) if "camera_angle_y" in entry else fx
    cx, cy = float(entry.get("cx", width / 2)), float(entry.get("cy", height / 2))
    saved_from_cam = rigid_pose(entry["transform_matrix"], f"The transform_matrix of {entry['file_path']!r}")
    world_from_cam = None
    if saved_from_cam is not None:
        saved_from_cam[:3, 3] /= scale
        world_from_cam = world_from_saved @ saved_from_cam @ OPENGL_FROM_OPENCV
    return PosedPhoto(
        path,
        centred_intrinsics(np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])),
        world_from_cam,
        size=size,
        distortion=np.array([float(entry.get(name, 0)) for name in ("k1", "k2", "p1", "p2", "k3")]),
        depth=_depth(entry, file.parent, own_scale),
    )


def _depth(entry: dict[str, Any], folder: Path, own_scale: float) -> DepthMap | None:
    if "depth_file_path" in entry:
        name, unit = entry["depth_file_path"], float(entry.get("depth_unit_scale_factor", _MILLIMETRES))
    elif "depth_path" in entry and "integer_depth_scale" in entry:  # instant-ngp
        name, unit = entry["depth_path"], float(entry["integer_depth_scale"])
    else:
        return None
    path = folder / name
    if not path.is_file():
        raise InputError(f"The depth map {str(path)!r} is missing. Put it there, or take it out of the file.")
    return DepthMap(partial(read_depth, path, unit / own_scale))


def _photo_path(folder: Path, name: str) -> Path:
    """Blender leaves the ending out."""
    for ending in _ENDINGS:
        if (folder / (name + ending)).is_file():
            return folder / (name + ending)
    return find_photo(folder, name)


def _size_of(path: Path) -> tuple[int, int]:
    with opened(path) as image:
        return image.size


def _world_from_saved(applied_transform: Any) -> np.ndarray:
    if applied_transform is None:
        return np.eye(4)
    saved_from_world = rigid_pose(applied_transform, "applied_transform")
    if saved_from_world is None:
        raise InputError("applied_transform has numbers that are not finite.")
    return np.linalg.inv(saved_from_world)
