"""trajectory.txt: where the cameras were, as the tools of the TUM RGB-D benchmark and `evo` read it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from pointmap.atomic import write_bytes
from pointmap.errors import InputError
from pointmap.geometry.rotations import quaternion_from_rotation
from pointmap.scene import Scene


def write_tum(scene: Scene, path: str | Path, *, times: Sequence[float] | None = None) -> Path:
    """Write a line `timestamp tx ty tz qx qy qz qw` per registered photo: `world_from_cam` of OpenCV's cameras.

    Args:
        times: When each photo was taken, in seconds; default its index.
    """
    stamps = np.asarray(range(len(scene)) if times is None else times, np.float64)
    if stamps.shape != (len(scene),):
        raise InputError(f"times has shape {stamps.shape}; give one number per photo, {len(scene)} in all.")
    poses = np.asarray(scene.world_from_cam[scene.registered], np.float64)
    quaternions = quaternion_from_rotation(torch.from_numpy(poses[:, :3, :3])).numpy()
    lines = ["# timestamp tx ty tz qx qy qz qw"]
    for stamp, centre, quaternion in zip(stamps[scene.registered], poses[:, :3, 3], quaternions, strict=True):
        lines.append(" ".join([f"{stamp:.6f}", *(f"{value:.10g}" for value in (*centre, *quaternion))]))
    return write_bytes(path, ("\n".join(lines) + "\n").encode("ascii"))
