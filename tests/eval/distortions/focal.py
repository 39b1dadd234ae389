"""Focal lengths a tenth too long."""

from dataclasses import replace

import numpy as np

from pointmap.eval.estimate import Estimate, photo_sizes
from pointmap.eval.protocols.focal import Focal
from pointmap.eval.task import Task


def distort(scoring: Focal, task: Task) -> tuple[Estimate, dict[str, tuple[float, float]]] | None:
    """An estimate, and by name of metric the value that theory predicts with its tolerance."""
    known = np.isfinite(task.truth.intrinsics).all(axis=(1, 2))
    if not known.any():
        return None
    intrinsics = np.array(task.truth.intrinsics, np.float64)
    intrinsics[:, :2, :2] *= 1.1
    half = photo_sizes(task.inputs.photos)[known, 0] / 2 / task.truth.intrinsics[known, 0, 0]
    narrower = 2 * np.degrees(np.arctan(half) - np.arctan(half / 1.1))
    estimate = replace(Estimate.of_truth(task), intrinsics=intrinsics)
    return estimate, {"focal_error": (0.1, 1e-6), "fov_deg": (float(np.median(narrower)), 1e-4)}
