"""TUM RGB-D: rgb.txt, depth.txt and groundtruth.txt, with times that do not quite agree."""

from functools import partial
from pathlib import Path

import numpy as np

from pointmap.errors import InputError
from pointmap.progress import ProgressCallback
from pointmap.readers.posed import DepthMap, PosedPhoto, find_photo, posed_scene, read_depth
from pointmap.scene import Scene
from pointmap.sfm.cameras import rotation_from

_UNIT = 1 / 5000
"""Metres per step of the depth maps."""
_ROS = (525.0, 525.0, 319.5, 239.5)
"""The data set's page recommends these for its depth maps, which are registered to the colour image with them."""
_MOST_APART = 0.02
"""Seconds between a photo and its depth map or pose."""


def find(path: Path) -> Path | None:
    """The folder."""
    return path if (path / "rgb.txt").is_file() and (path / "groundtruth.txt").is_file() else None


def read(folder: Path, *, image_size: int, progress: ProgressCallback | None = None) -> Scene:
    """Frames in the order of rgb.txt, each with the nearest pose and depth map within 20 ms; those without a pose are
    not registered.

    camera.txt, where there is one, holds fx fy cx cy, and k1 k2 p1 p2 k3 if the lens has distortion.
    """
    times, files = _table(folder / "rgb.txt")
    pose_times, poses = _table(folder / "groundtruth.txt")
    depth_times, depths = _table(folder / "depth.txt") if (folder / "depth.txt").is_file() else (np.zeros(0), [])
    if not files:
        raise InputError(f"{str(folder / 'rgb.txt')!r} lists no photos.")
    K, distortion = _camera(folder / "camera.txt")
    photos = []
    for time, (name, *_) in zip(times, files, strict=True):
        pose, depth = _nearest(pose_times, time), _nearest(depth_times, time)
        world_from_cam = None if pose is None else _pose(poses[pose], folder / "groundtruth.txt")
        depth_map = None
        if depth is not None:
            depth_map = DepthMap(partial(read_depth, find_photo(folder, depths[depth][0], among=(".",)), _UNIT))
        path = find_photo(folder, name, among=(".",))
        photos.append(PosedPhoto(path, K, world_from_cam, distortion=distortion, depth=depth_map))
    return posed_scene(photos, image_size=image_size, metric=True, source="TUM RGB-D", progress=progress)


def _table(path: Path) -> tuple[np.ndarray, list[list[str]]]:
    """Times, and the words after them."""
    try:
        lines = [line.split() for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
        rows = sorted((float(line[0]), line[1:]) for line in lines)
        if not all(words for _, words in rows):
            raise ValueError("a line has one word only")
    except (OSError, ValueError) as error:
        raise InputError(f"{str(path)!r} cannot be read: {error}. Expected a time and values in every line.") from error
    return np.array([time for time, _ in rows]), [words for _, words in rows]


def _nearest(times: np.ndarray, time: float) -> int | None:
    if not len(times):
        return None
    nearest = int(np.abs(times - time).argmin())
    return nearest if abs(times[nearest] - time) <= _MOST_APART else None


def _pose(words: list[str], path: Path) -> np.ndarray | None:
    try:
        x, y, z, qx, qy, qz, qw = map(float, words)
    except ValueError as error:
        raise InputError(f"{str(path)!r} has a line of {len(words)} values; expected tx ty tz qx qy qz qw.") from error
    if not np.isfinite([x, y, z, qx, qy, qz, qw]).all():
        return None
    world_from_cam = np.eye(4)
    world_from_cam[:3, :3] = rotation_from(np.array([qw, qx, qy, qz]))
    world_from_cam[:3, 3] = x, y, z
    return world_from_cam


def _camera(path: Path) -> tuple[np.ndarray, np.ndarray]:
    values = list(_ROS)
    if path.is_file():
        try:
            values = [float(word) for word in path.read_text().split()]
        except ValueError as error:
            raise InputError(
                f"{str(path)!r} cannot be read: {error}. Expected fx fy cx cy [k1 k2 p1 p2 k3]."
            ) from error
        if len(values) not in (4, 9):
            raise InputError(f"{str(path)!r} has {len(values)} values; expected fx fy cx cy [k1 k2 p1 p2 k3].")
    fx, fy, cx, cy = values[:4]
    return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]]), np.array([*values[4:], *[0.0] * 5][:5])
