"""TUM RGB-D, in small: photos without lens distortion, clocks that do not agree."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from miniature_world import World
from PIL import Image

from miniatures.known_camera import photograph_through
from pointmap.eval.benchmarks.tum_rgbd import tum_camera
from pointmap.sfm.cameras import quaternion_from

SIZE = (48, 64)
START, STEP = 1305031102.175304, 1 / 30
LATE = {"depth": 0.006, "pose": 0.003}
"""Seconds by which depth maps and poses come after the photos."""


def world() -> World:
    """Six photos by the calibration of freiburg1."""
    return photograph_through(tum_camera("freiburg1_desk", SIZE[::-1])[0], SIZE, 6, step_deg=5.0)


def write(root: Path) -> tuple[str, ...]:
    """Two sequences, of which the second is the first backwards."""
    made = world()
    write_recording(root / "rgbd_dataset_freiburg1_desk", made)
    write_recording(root / "rgbd_dataset_freiburg1_xyz", made, order=range(6)[::-1])
    return "freiburg1_desk", "freiburg1_xyz"


def write_recording(
    folder: Path, made: World, order: Sequence[int] | None = None, times: Sequence[float] | None = None
) -> list[float]:
    """Photos, depth maps and poses of a world in the layout of the data set; returns the times of the photos."""
    order = range(len(made.images)) if order is None else order
    times = [START + STEP * place for place in range(len(order))] if times is None else list(times)
    rgb, depth, poses = ["# color images"], ["# depth maps"], ["# timestamp tx ty tz qx qy qz qw"]
    for name in ("rgb", "depth"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for time, index in zip(times, order, strict=True):
        photo, map_file = f"rgb/{time:.6f}.png", f"depth/{time + LATE['depth']:.6f}.png"
        Image.fromarray(made.images[index]).save(folder / photo)
        Image.fromarray((made.depths[index] * 5000).round().astype(np.uint16)).save(folder / map_file)
        rgb.append(f"{time:.6f} {photo}")
        depth.append(f"{time + LATE['depth']:.6f} {map_file}")
        poses.append(pose_line(time + LATE["pose"], made.world_from_cam[index]))
    for name, lines in (("rgb", rgb), ("depth", depth), ("groundtruth", poses)):
        (folder / f"{name}.txt").write_text("\n".join([*lines, ""]))
    return times


def pose_line(time: float, world_from_cam: np.ndarray) -> str:
    """A line of groundtruth.txt, with more digits than the data set has."""
    qw, qx, qy, qz = quaternion_from(world_from_cam[:3, :3])
    values = [*world_from_cam[:3, 3], qx, qy, qz, qw]
    return f"{time:.4f} " + " ".join(f"{value:.12f}" for value in values)
