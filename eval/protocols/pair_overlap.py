"""How much two photos of a scene see of the same surfaces, from true depths: for plots of errors over overlap."""

from collections.abc import Sequence

import numpy as np

from ..estimate import photo_sizes
from ..task import Task

_GRID = 32
_AGREE = 0.1
"""Relative to the depth: a point that another photo sees further in front than this is hidden there."""


def pair_overlaps(
    task: Task, first: Sequence[int], second: Sequence[int], *, most_photos: int = 64
) -> list[float | None]:
    """Of each pair the share of one photo's grid of 32 x 32 points that the other sees, the mean of both directions.

    None where a photo has no true depth, pose or intrinsics, and for all pairs of scenes with more than `most_photos`
    photos, whose depths would take long to read.
    """
    photos = sorted({*first, *second})
    if not task.truth.depths or len(photos) > most_photos:
        return [None] * len(first)
    sizes = photo_sizes(task.inputs.photos)
    grids = {index: _Grid.of(task, index, sizes[index]) for index in photos}
    overlaps: list[float | None] = []
    for a, b in zip(first, second, strict=True):
        one, other = grids[a], grids[b]
        overlaps.append(None if one is None or other is None else (_seen(one, other) + _seen(other, one)) / 2)
    return overlaps


class _Grid:
    """Points of one photo that have a true depth."""

    def __init__(self, depth: np.ndarray, intrinsics: np.ndarray, world_from_cam: np.ndarray, size: np.ndarray):
        self.depth, self.intrinsics, self.size = depth, intrinsics, size
        self.cam_from_world = np.linalg.inv(world_from_cam)
        columns, rows = np.meshgrid(np.arange(depth.shape[1]), np.arange(depth.shape[0]))
        pixels = (np.stack([columns, rows], axis=-1) + 0.5) * size / depth.shape[::-1] - 0.5
        rays = np.concatenate([pixels, np.ones((*depth.shape, 1))], axis=-1) @ np.linalg.inv(intrinsics).T
        points = (rays * depth[..., None])[depth > 0]
        self.points_world = points @ world_from_cam[:3, :3].T + world_from_cam[:3, 3]

    @staticmethod
    def of(task: Task, index: int, size: np.ndarray) -> "_Grid | None":
        """None where something of it is unknown."""
        intrinsics, world_from_cam = task.truth.intrinsics[index], task.truth.world_from_cam[index]
        if not (np.isfinite(intrinsics).all() and np.isfinite(world_from_cam).all()):
            return None
        depth = task.truth.depth(index)
        if depth is None:
            return None
        rows, columns = ((np.arange(min(_GRID, n)) + 0.5) * n / min(_GRID, n) for n in depth.shape)
        depth = depth[np.ix_(rows.astype(int), columns.astype(int))].astype(np.float64)
        return _Grid(depth, intrinsics, world_from_cam, size) if (depth > 0).any() else None


def _seen(one: _Grid, other: _Grid) -> float:
    """Share of the points of one that the other sees."""
    points = one.points_world @ other.cam_from_world[:3, :3].T + other.cam_from_world[:3, 3]
    ahead = points[:, 2] > 0
    projected = points[ahead] @ other.intrinsics.T
    shares = (projected[:, :2] / projected[:, 2:] + 0.5) / other.size
    inside = ((shares >= 0) & (shares < 1)).all(axis=1)
    columns, rows = (shares[inside] * other.depth.shape[::-1]).astype(int).T
    known = other.depth[rows, columns]
    visible = (known > 0) & (points[ahead][inside, 2] < (1 + _AGREE) * known)
    return float(visible.sum() / len(one.points_world))
