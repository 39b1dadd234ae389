"""The last query lost."""

from dataclasses import replace

import numpy as np

from pointmap.eval.estimate import Estimate
from pointmap.eval.protocols.registered import Registered
from pointmap.eval.task import Task


def distort(scoring: Registered, task: Task) -> tuple[Estimate, dict[str, tuple[float, float]]] | None:
    """An estimate, and by name of metric the value that theory predicts with its tolerance."""
    if not task.inputs.queries:
        return None
    poses = np.array(task.truth.world_from_cam, np.float64)
    poses[task.inputs.queries[-1]] = np.nan
    known = np.isfinite(poses[list(task.inputs.queries)]).all(axis=(1, 2)).mean()
    return replace(Estimate.of_truth(task), world_from_cam=poses), {"registered": (float(known), 1e-9)}
