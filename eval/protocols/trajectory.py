"""Trajectories: ATE and RPE."""

from dataclasses import dataclass
from typing import Literal

from ..estimate import Estimate
from ..protocol import Protocol, Scores
from ..task import Task


@dataclass(frozen=True)
class Trajectory(Protocol):
    """Camera centres and steps, as evo computes them."""

    align: Literal["sim3", "se3", "scale", "none"] = "sim3"
    """How the estimated trajectory is brought to the true one first (Umeyama)."""

    rpe_delta: int | None = 1
    """Frames between the two ends of a step; None leaves RPE out."""

    def score(self, task: Task, estimate: Estimate) -> Scores:
        """See `Protocol`."""
        raise NotImplementedError
