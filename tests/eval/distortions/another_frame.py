"""Estimates in a world frame and a unit of their own, which an alignment must undo."""

from dataclasses import replace

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from pointmap.eval.estimate import Estimate

SCALE = 0.4


def in_another_frame(estimate: Estimate) -> Estimate:
    """Turned, moved, and smaller; the same in itself."""
    move = np.eye(4)
    move[:3, :3] = SCALE * Rotation.from_euler("xyz", [25, -60, 110], degrees=True).as_matrix()
    move[:3, 3] = [0.3, -0.2, 0.5]
    poses = move @ estimate.world_from_cam
    poses[:, :3, :3] /= SCALE
    mesh = None if estimate.mesh is None else estimate.mesh.copy().apply_transform(move)
    return replace(
        estimate,
        world_from_cam=poses,
        depths=tuple(None if depth is None else depth * SCALE for depth in estimate.depths),
        pointmaps=tuple(
            None if points is None else points @ move[:3, :3].T + move[:3, 3] for points in estimate.pointmaps
        ),
        mesh=mesh,
    )


def distances(points: np.ndarray, cloud: np.ndarray) -> np.ndarray:
    """To the nearest."""
    return cKDTree(cloud).query(points)[0]
