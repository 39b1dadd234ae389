"""Intrinsics: focal length and field of view."""

from dataclasses import dataclass

from ..estimate import Estimate
from ..protocol import Protocol, Scores
from ..task import Task


@dataclass(frozen=True)
class Focal(Protocol):
    """Relative error of focal lengths, error of the horizontal field of view in degrees; medians over photos."""

    def score(self, task: Task, estimate: Estimate) -> Scores:
        """See `Protocol`."""
        raise NotImplementedError
