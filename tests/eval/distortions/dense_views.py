"""Everything twice as large, focal lengths a tenth too long, the last camera turned; points stay in place."""

from dataclasses import replace

import numpy as np
from distortions.relative_pose import auc_of, known_poses, turned

from pointmap.eval.estimate import Estimate, photo_sizes
from pointmap.eval.protocols.dense_views import DenseViews
from pointmap.eval.task import Task

TURN = 2.5


def distort(scoring: DenseViews, task: Task) -> tuple[Estimate, dict[str, tuple[float, float]]] | None:
    """An estimate, and by name of metric the value that theory predicts with its tolerance."""
    known = known_poses(task)
    truth = Estimate.of_truth(task)
    if len(known) < 2 or all(depth is None for depth in truth.depths):
        return None
    poses, intrinsics = np.array(truth.world_from_cam), np.array(truth.intrinsics)
    poses[:, :3, 3] *= 2
    poses[known[-1]] = turned(poses[known[-1]], TURN)
    intrinsics[:, :2, :2] *= 1.1
    errors = np.zeros(len(known) * (len(known) - 1) // 2)
    errors[: len(known) - 1] = TURN

    expected = {"points_absrel": 0.0, "points_inlier_103": 1.0, "ate": 0.0, "absrel": 0.0, "inlier_103": 1.0}
    expected |= {"coverage": 1.0, "ray_deg": _ray_deg(task)}
    expected |= {f"auc_{n}": auc_of(errors, n, "numpy") for n in scoring.aucs}
    if truth.metric:
        expected["scale_absrel"] = 1.0
    estimate = replace(
        truth,
        world_from_cam=poses,
        intrinsics=intrinsics,
        depths=tuple(None if depth is None else 2 * depth for depth in truth.depths),
        pointmaps=tuple(None if truth.depths[i] is None else 2 * truth.points(i) for i in range(len(task))),
    )
    return estimate, {name: (value, 1e-4) for name, value in expected.items()}


def _ray_deg(task: Task) -> float:
    means = []
    for K, (width, height) in zip(task.truth.intrinsics, photo_sizes(task.inputs.photos), strict=True):
        u, v = np.meshgrid((np.arange(64) + 0.5) * width / 64 - 0.5, (np.arange(48) + 0.5) * height / 48 - 0.5)
        x, y = (u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1]
        far = np.hypot(x, y)
        means.append(np.degrees(np.arctan(far) - np.arctan(far / 1.1)).mean())
    return float(np.nanmean(means))
