"""How benchmarks bring an estimated cloud to the true one before they compare."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from pointmap.geometry.similarity import align_cameras, fit_similarity
from pointmap.metrics.points import tree_of
from pointmap.shapes import Float

_LINE = 1e-3
"""Camera centres whose second extent is a smaller share of the first lie on a line, which leaves a rotation open."""


@dataclass(frozen=True, eq=False)
class Registration:
    """What ICP found."""

    true_from_estimate: Float[np.ndarray, "4 4"]
    """Rigid, or a similarity where scale was free."""

    fitness: float
    """Share of points with a partner within the distance."""

    rmse: float
    """Root mean square distance of these pairs."""

    iterations: int


def icp(
    points: Float[np.ndarray, "n 3"],
    true_points: Float[np.ndarray, "m 3"],
    max_distance: float,
    *,
    with_scale: bool = False,
    iterations: int = 30,
    tolerance: float = 1e-6,
    tree: Any = None,
) -> Registration:
    """Point-to-point ICP (Besl & McKay 1992) from the identity, with Open3D's defaults.

    It ends after 30 steps, or when neither the fitness nor the RMSE changes by `tolerance` or more. Where fewer than 3
    points have a partner the identity is returned.

    Args:
        tree: Of the true points, where it is there already.
    """
    tree = tree_of(true_points) if tree is None and len(true_points) else tree
    found, moved = np.eye(4), np.array(points, np.float64)
    if tree is None or not len(moved):
        return Registration(found, 0.0, float("nan"), 0)
    partners, before = _partners(moved, tree, max_distance)
    steps = 0
    while steps < iterations:
        paired = partners < tree.n
        if paired.sum() < 3:
            break
        steps += 1
        change = umeyama(moved[paired], np.asarray(true_points)[partners[paired]], with_scale=with_scale)
        found, moved = change @ found, transform(change, moved)
        partners, now = _partners(moved, tree, max_distance)
        done = abs(now[0] - before[0]) < tolerance and abs(now[1] - before[1]) < tolerance
        before = now
        if done:
            break
    return Registration(found, *before, steps)


def _partners(points: np.ndarray, tree: Any, max_distance: float) -> tuple[np.ndarray, tuple[float, float]]:
    distances, partners = tree.query(points, distance_upper_bound=max_distance)
    near = distances[np.isfinite(distances)]
    rmse = float(np.sqrt(np.mean(near**2))) if len(near) else 0.0
    return partners, (len(near) / len(points), rmse)


def umeyama(
    points: Float[np.ndarray, "n 3"], true_points: Float[np.ndarray, "n 3"], *, with_scale: bool = True
) -> Float[np.ndarray, "4 4"]:
    """`fit_similarity` of NumPy arrays."""
    a, b = (torch.from_numpy(np.asarray(values, np.float64)) for values in (points, true_points))
    return fit_similarity(a, b, with_scale=with_scale).numpy()


def transform(b_from_a: Float[np.ndarray, "4 4"], points: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
    """Points in frame `b`."""
    return points @ b_from_a[:3, :3].T + b_from_a[:3, 3]


def umeyama_of_cameras(
    world_from_cam: Float[np.ndarray, "n 4 4"], true_world_from_cam: Float[np.ndarray, "n 4 4"]
) -> Float[np.ndarray, "4 4"]:
    """Similarity `true_from_estimate` over camera centres, all poses known.

    Where the centres leave the rotation open (fewer than 3, or all on a line) viewing directions take part, with little
    weight: see `geometry.similarity.align_cameras`.
    """
    centres, true_centres = world_from_cam[:, :3, 3], true_world_from_cam[:, :3, 3]
    if len(centres) >= 3 and _spread(centres) and _spread(true_centres):
        return umeyama(centres, true_centres)
    a, b = (torch.from_numpy(np.asarray(poses, np.float64)) for poses in (world_from_cam, true_world_from_cam))
    return align_cameras(a, b).numpy()


def _spread(centres: np.ndarray) -> bool:
    extents = np.linalg.svd(centres - centres.mean(axis=0), compute_uv=False)
    return bool(extents[1] > _LINE * extents[0])


def robust_umeyama_of_cameras(
    world_from_cam: Float[np.ndarray, "n 4 4"],
    true_world_from_cam: Float[np.ndarray, "n 4 4"],
    *,
    iterations: int = 10,
    seed: int = 42,
) -> Float[np.ndarray, "4 4"]:
    """The same by RANSAC with Depth Anything 3's settings (`src/depth_anything_3/utils/pose_align.py`).

    Ten samples of half of the cameras, at least 3. Inliers are within the median distance, after a fit of all, of
    estimated centres to the nearest true ones; of equally many the nearer ones win. They are fitted once more.
    """
    count = len(world_from_cam)
    start = umeyama_of_cameras(world_from_cam, true_world_from_cam)
    if count <= 3:
        return start
    centres, true_centres = world_from_cam[:, :3, 3], true_world_from_cam[:, :3, 3]
    # Rounding must not decide where everything fits.
    rounding = 1e-9 * np.ptp(true_centres, axis=0).max()
    limit = np.median(tree_of(true_centres).query(transform(start, centres))[0]) + rounding
    random = np.random.default_rng(seed)
    best: tuple[int, float] = (0, 0.0)
    inliers = np.ones(count, bool)
    for _ in range(iterations):
        sample = random.choice(count, max(3, (count + 1) // 2), replace=False)
        model = umeyama_of_cameras(world_from_cam[sample], true_world_from_cam[sample])
        errors = np.linalg.norm(transform(model, centres) - true_centres, axis=1)
        near = errors <= limit
        score = (int(near.sum()), -float(errors[near].mean()) if near.any() else -np.inf)
        if score > best:
            best, inliers = score, near
    if inliers.sum() < 3:
        return start
    return umeyama_of_cameras(world_from_cam[inliers], true_world_from_cam[inliers])


def scale_and_z_shift(
    points: Float[np.ndarray, "n 3"], true_points: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, "4 4"]:
    """`true_from_estimate` of one factor and a shift along z, both robust, as Spann3R aligns before ICP.

    Both clouds are in the frame of the first camera, and their points correspond. Each is shifted so that its median
    depth is 0; the estimate is scaled so that the median distance of its points to their median (by coordinates) is
    that of the truth; then it gets the truth's median depth. Facts: `HengyiWang/spann3r:eval.py`, `:spann3r/loss.py`
    (`Regr3D_t_ScaleShiftInv`, `norm_mode=False`, `gt_scale=True`). Medians of an even number are the lower ones, as
    torch's; the spread of the estimate is kept within 1e-3 and 1e3.
    """
    true_from_estimate = np.eye(4)
    if len(points) == 0:
        return true_from_estimate
    spread, true_spread = np.clip(_spread_about_median(points), 1e-3, 1e3), _spread_about_median(true_points)
    scale = true_spread / spread
    true_from_estimate[:3, :3] *= scale
    true_from_estimate[2, 3] = lower_median(true_points[:, 2]) - scale * lower_median(points[:, 2])
    return true_from_estimate


def _spread_about_median(points: np.ndarray) -> float:
    centre = np.array([lower_median(points[:, axis]) for axis in range(3)])
    return lower_median(np.linalg.norm(points - centre, axis=1))


def lower_median(values: Float[np.ndarray, "n"]) -> float:
    """Torch's: of an even number of values the lower of the two in the middle."""
    middle = (len(values) - 1) // 2
    return float(np.partition(values, middle)[middle])
