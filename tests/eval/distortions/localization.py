"""Queries moved by 20 cm and turned by 3 degrees, the last one of several lost."""

from dataclasses import replace

import numpy as np
from distortions.relative_pose import turned

from pointmap.eval.estimate import Estimate
from pointmap.eval.protocols.localization import Localization
from pointmap.eval.task import Task

MOVE, TURN = 0.2, 3.0
"""Metres to the right as the query sees it, degrees."""


def moved_queries(task: Task, *, turn: float) -> tuple[Estimate, list[int]]:
    """The distorted estimate, and the queries with a true pose; the last of three or more has no estimate."""
    poses = np.array(task.truth.world_from_cam, np.float64)
    queries = [index for index in task.inputs.queries if np.isfinite(poses[index]).all()]
    for index in queries:
        poses[index, :3, 3] += MOVE * (1000 if task.truth.unit == "mm" else 1) * poses[index, :3, 0]
        poses[index] = turned(poses[index], turn)
    if len(queries) > 2:
        poses[queries[-1]] = np.nan
    return replace(Estimate.of_truth(task), world_from_cam=poses), queries


def distort(scoring: Localization, task: Task) -> tuple[Estimate, dict[str, tuple[float, float]]] | None:
    """An estimate, and by name of metric the value that theory predicts with its tolerance."""
    estimate, queries = moved_queries(task, turn=TURN)
    if not queries:
        return None
    found = 1 - 1 / len(queries) if len(queries) > 2 else 1.0
    expected = {f"within_{t:g}_{r:g}": (found * (t > MOVE and r > TURN), 1e-9) for t, r in scoring.thresholds}
    return estimate, expected | {"median_translation": (MOVE, 1e-6), "median_rotation_deg": (TURN, 1e-5)}
