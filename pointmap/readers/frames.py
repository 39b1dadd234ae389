"""7-Scenes, 3DMatch and BundleFusion: three files per frame, *.color.png, *.depth.png and *.pose.txt."""

from functools import partial
from pathlib import Path

import numpy as np

from pointmap.errors import InputError
from pointmap.images.sources import natural_key
from pointmap.progress import ProgressCallback
from pointmap.readers.posed import MILLIMETRES, NO_DEPTH, DepthMap, PosedPhoto, posed_scene, read_depth, rigid_pose
from pointmap.scene import Scene

_INTRINSICS = "camera-intrinsics.txt"
_KINECT = np.array([[585.0, 0.0, 320.0], [0.0, 585.0, 240.0], [0.0, 0.0, 1.0]])
"""What the page of 7-Scenes states; there is no file with it."""


def find(path: Path) -> Path | None:
    """The folder."""
    return path if path.is_dir() and any(path.glob("*.pose.txt")) and any(path.glob("*.color.*")) else None


def read(folder: Path, *, image_size: int, progress: ProgressCallback | None = None) -> Scene:
    """Frames in their order. The intrinsics are those of camera-intrinsics.txt, there or in the folder above, else
    7-Scenes' own."""
    K = _KINECT
    for place in (folder, folder.resolve().parent):
        if (place / _INTRINSICS).is_file():
            K = read_matrix(place / _INTRINSICS)[:3, :3]
            break
    photos = []
    for path in sorted(folder.glob("*.color.*"), key=lambda file: natural_key(file.name)):
        stem = path.name[: path.name.index(".color.")]
        pose, depth = folder / f"{stem}.pose.txt", folder / f"{stem}.depth.png"
        world_from_cam = rigid_pose(read_matrix(pose), f"The pose in {str(pose)!r}") if pose.is_file() else None
        depth_map = DepthMap(partial(read_depth, depth, MILLIMETRES, none=NO_DEPTH)) if depth.is_file() else None
        photos.append(PosedPhoto(path, K, world_from_cam, depth=depth_map))
    return posed_scene(photos, image_size=image_size, metric=True, source="7-Scenes, 3DMatch", progress=progress)


def read_matrix(path: Path) -> np.ndarray:
    """Rows of numbers.

    Raises:
        InputError: They are not.
    """
    try:
        matrix = np.loadtxt(path, ndmin=2)
        if matrix.shape not in ((3, 3), (3, 4), (4, 4)):
            raise ValueError(f"its shape is {matrix.shape}")
        return matrix
    except (OSError, ValueError) as error:
        raise InputError(f"{str(path)!r} cannot be read as a matrix: {error}") from error
