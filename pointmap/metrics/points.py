"""Clouds against clouds: how far their points are from each other, and how their surfaces lie."""

from dataclasses import dataclass

import numpy as np

from pointmap.shapes import Float, Int

_BLOCK = 50_000
"""Points whose neighbours are held at a time."""


@dataclass(frozen=True, eq=False)
class CloudErrors:
    """Distances both ways, in units of the clouds. Means are NaN where a cloud is empty."""

    to_truth: Float[np.ndarray, "n"]
    """From each estimated point to the nearest true one; infinite where there is none."""

    to_estimate: Float[np.ndarray, "m"]
    """From each true point to the nearest estimated one; infinite where there is none."""

    @property
    def accuracy(self) -> float:
        """Mean of `to_truth`."""
        return mean(self.to_truth)

    @property
    def completeness(self) -> float:
        """Mean of `to_estimate`."""
        return mean(self.to_estimate)

    def precision(self, threshold: float) -> float:
        """Share of estimated points that are nearer to the truth; 0 without any."""
        return float((self.to_truth < threshold).mean()) if len(self.to_truth) else 0.0

    def recall(self, threshold: float) -> float:
        """Share of true points that are nearer to the estimate; NaN without any."""
        return mean(self.to_estimate < threshold)

    def f_score(self, threshold: float) -> float:
        """Harmonic mean of precision and recall; 0 where both are."""
        return harmonic(self.precision(threshold), self.recall(threshold))


def cloud_errors(
    points: Float[np.ndarray, "n 3"], true_points: Float[np.ndarray, "m 3"], *, farthest: float = np.inf
) -> CloudErrors:
    """Compare two clouds.

    Args:
        farthest: Pairs that are farther apart are left out on both sides, as DTU does; what has no partner at all is
            left out as well then.
    """
    to_truth, _ = nearest(points, true_points)
    to_estimate, _ = nearest(true_points, points)
    if np.isfinite(farthest):
        return CloudErrors(to_truth[to_truth < farthest], to_estimate[to_estimate < farthest])
    return CloudErrors(to_truth, to_estimate)


def nearest(
    points: Float[np.ndarray, "n 3"], cloud: Float[np.ndarray, "m 3"]
) -> tuple[Float[np.ndarray, "n"], Int[np.ndarray, "n"]]:
    """Distance of each point to the nearest of a cloud, and which that is; infinity and 0 where the cloud is empty."""
    if len(cloud) == 0 or len(points) == 0:
        return np.full(len(points), np.inf), np.zeros(len(points), np.int64)
    distances, indices = tree_of(cloud).query(np.asarray(points, np.float64))
    return distances, indices


def tree_of(cloud: Float[np.ndarray, "m 3"]):  # type: ignore[no-untyped-def]  # scipy has no types
    """`scipy.spatial.cKDTree` that is built fast; exact all the same."""
    from scipy.spatial import cKDTree

    return cKDTree(np.asarray(cloud, np.float64), balanced_tree=False, compact_nodes=False)


def harmonic(precision: float, recall: float) -> float:
    """F-score; 0 where both are 0."""
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def mean(values: np.ndarray) -> float:
    """NaN, without a warning, where there are none."""
    return float(np.mean(values)) if len(values) else float("nan")


def median(values: np.ndarray) -> float:
    """NaN, without a warning, where there are none."""
    return float(np.median(values)) if len(values) else float("nan")


def draw(count: int, limit: int, seed: int = 0) -> Int[np.ndarray, "k"]:
    """Indices of all, or of `limit` of them, drawn without replacement; in order."""
    if count <= limit:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, limit, replace=False))


def cloud_normals(
    points: Float[np.ndarray, "n 3"], cloud: Float[np.ndarray, "m 3"], neighbours: int = 30
) -> Float[np.ndarray, "n 3"]:
    """Unit normals, of either sign, of a cloud's surface at points of it.

    The direction in which the nearest points of the cloud spread least (the 30 nearest with the point itself, as by
    Open3D's `estimate_normals`); NaN where the cloud has fewer than 3 points.
    """
    normals = np.full((len(points), 3), np.nan)
    count = min(neighbours, len(cloud))
    if count < 3 or len(points) == 0:
        return normals
    tree, values = tree_of(cloud), np.asarray(cloud, np.float64)
    for start in range(0, len(points), _BLOCK):
        _, indices = tree.query(np.asarray(points[start : start + _BLOCK], np.float64), k=count)
        around = values[indices]
        around -= around.mean(axis=1, keepdims=True)
        _, axes = np.linalg.eigh(np.einsum("nki,nkj->nij", around, around))  # ascending
        normals[start : start + _BLOCK] = axes[..., 0]
    return normals


def normal_agreement(
    normals: Float[np.ndarray, "n 3"], other_normals: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, "n"]:
    """Cosine of the angle between surfaces, whatever the signs of their normals."""
    return np.abs((normals * other_normals).sum(axis=-1))


def voxel_down_sample(points: Float[np.ndarray, "n 3"], voxel: float) -> Float[np.ndarray, "k 3"]:
    """The mean of the points in each voxel of a grid that begins half a voxel below the smallest corner (Open3D)."""
    if len(points) == 0:
        return np.zeros((0, 3))
    cells = cell_numbers(points, voxel, points.min(axis=0) - voxel / 2)
    counts = np.bincount(cells)
    return np.stack([np.bincount(cells, points[:, axis]) for axis in range(3)], axis=-1) / counts[:, None]


def cell_numbers(
    points: Float[np.ndarray, "n 3"], edge: float, origin: Float[np.ndarray, "3"] | float = 0.0
) -> Int[np.ndarray, "n"]:
    """For each point the number, from 0 without gaps, of its cell in a grid."""
    cells = np.floor((np.asarray(points, np.float64) - origin) / edge)
    order = np.lexsort(cells.T)
    new = np.ones(len(points), bool)
    new[1:] = (np.diff(cells[order], axis=0) != 0).any(axis=1)
    numbers = np.empty(len(points), np.int64)
    numbers[order] = np.cumsum(new) - 1
    return numbers


def thin_out(points: Float[np.ndarray, "n 3"], radius: float, seed: int = 0) -> Float[np.ndarray, "k 3"]:
    """Points of which no two are nearer than a radius: taken in random order unless one of those taken is too near.

    This is how DTU brings clouds to one density. At most one point of each cell that fits into the radius is looked
    at, which bounds memory; it changes which points remain, not how densely they lie.
    """
    order = np.random.default_rng(seed).permutation(len(points))
    cells = cell_numbers(points[order], radius / np.sqrt(3) * (1 - 1e-9)) if len(points) else order
    shuffled = points[order[np.sort(np.unique(cells, return_index=True)[1])]]
    if len(shuffled) == 0:
        return shuffled
    tree = tree_of(shuffled)
    kept = np.ones(len(shuffled), bool)
    for start in range(0, len(shuffled), _BLOCK):
        block = start + np.flatnonzero(kept[start : start + _BLOCK])
        for index, near in zip(block, tree.query_ball_point(shuffled[block], radius), strict=True):
            if kept[index]:
                kept[near] = False
                kept[index] = True
    return shuffled[kept]
