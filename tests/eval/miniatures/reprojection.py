"""Whether cameras as they were read see what the cameras of the world saw."""

import numpy as np
from miniature_world import World


def worst_reprojection(world: World, intrinsics: np.ndarray, world_from_cam: np.ndarray, scale: float = 1.0) -> float:
    """Pixels: true points of the first photo in all others, by the cameras as read and by those of the world.

    Args:
        intrinsics, world_from_cam: (N, 3, 3) and (N, 4, 4) in the order of the world; the worlds may differ by a
            rigid motion and by `scale`, units of the read world in a metre.
    """
    K, pose = world.intrinsics[0], world.world_from_cam[0]
    points = world.points()[0].reshape(-1, 3)
    cam = (points - pose[:3, 3]) @ pose[:3, :3]
    worst = 0.0
    for K, true, K_read, read in zip(world.intrinsics, world.world_from_cam, intrinsics, world_from_cam, strict=True):
        moved = (cam * scale) @ world_from_cam[0][:3, :3].T + world_from_cam[0][:3, 3]
        seen = _project(K, true, points)
        worst = max(worst, float(np.abs(_project(K_read, read, moved) - seen).max()))
    return worst


def _project(K: np.ndarray, world_from_cam: np.ndarray, points: np.ndarray) -> np.ndarray:
    cam = (points - world_from_cam[:3, 3]) @ world_from_cam[:3, :3]
    cam = cam[:, :3] / np.maximum(cam[:, 2:], 0.05)
    return cam @ K[:2].T
