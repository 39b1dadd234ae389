"""How many queries got a pose: all that can be told where true poses are not public."""

from dataclasses import dataclass

import numpy as np

from ..estimate import Estimate
from ..protocol import Metric, Protocol, Scores
from ..task import Task


@dataclass(frozen=True)
class Registered(Protocol):
    """Share of the queries with an estimated pose, right or wrong; our own figure, beside those of others.

    It reads nothing of the truth. `eval/layouts/mapped_queries.py:submission_lines` writes what an evaluation server
    scores.
    """

    metrics = (Metric("registered", "Registered", "higher", 1.0, 0.0, share=True),)
    needs = frozenset({"localization"})

    def score(self, task: Task, estimate: Estimate) -> Scores:
        """See `Protocol`. NaN where nothing is asked for."""
        poses = np.asarray(estimate.world_from_cam, np.float64)[list(task.inputs.queries)]
        share = np.isfinite(poses).all(axis=(1, 2)).mean() if len(poses) else float("nan")
        return Scores({"registered": float(share)})
