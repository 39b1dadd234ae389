"""Bonn RGB-D Dynamic, in small: thirty frames that no protocol takes, and four that it does."""

import shutil
from pathlib import Path

import numpy as np
from miniature_world import World

from miniatures.known_camera import photograph_through
from miniatures.tum_rgbd import SIZE, pose_line, write_recording
from pointmap.eval.benchmarks.bonn import CAMERA
from pointmap.geometry.conventions import resized_intrinsics

SKIPPED = 30
AXES = np.array([[-1.0, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
MARKERS_FROM_CAM = (
    np.array([[1.0157, 0.1828, -0.2389], [0.0009, -0.8431, -0.6413], [-0.3009, 0.6147, -0.8085]]) / 1.0592903
)
OFFSET = np.array([0.0113, -0.0098, 0.0111])


def world() -> World:
    """Four photos by the data set's camera."""
    fx, fy, cx, cy = CAMERA
    K = resized_intrinsics(np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]), (640, 480), SIZE[::-1])
    return photograph_through(K, SIZE, 4, step_deg=5.0)


def write(root: Path) -> tuple[str, ...]:
    """One sequence."""
    folder, made = root / "rgbd_bonn_balloon2", world()
    times = write_recording(folder, made, times=[2000.0 + index / 30 for index in range(len(made.images))])
    for name in ("rgb", "depth"):
        first = min((folder / name).iterdir())
        for index in range(SKIPPED):
            shutil.copyfile(first, folder / name / f"{1000 + index}.000000.png")
    for name in ("rgb.txt", "depth.txt"):
        (folder / name).unlink()  # they are in the archive, and nothing reads them
    poses = [pose_line(time + 0.004, markers(pose)) for time, pose in zip(times, made.world_from_cam, strict=True)]
    (folder / "groundtruth.txt").write_text("\n".join(["# timestamp tx ty tz qx qy qz qw", *poses, ""]))
    return ("balloon2",)


def markers(world_from_cam: np.ndarray) -> np.ndarray:
    """What the motion capture sees when the camera is here: the inverse of T_ros^-1 T T_ros T_m."""
    left, _, right = np.linalg.svd(MARKERS_FROM_CAM)
    markers_from_cam = np.eye(4)
    markers_from_cam[:3, :3], markers_from_cam[:3, 3] = left @ right, OFFSET
    return AXES @ world_from_cam @ np.linalg.inv(markers_from_cam) @ np.linalg.inv(AXES)
