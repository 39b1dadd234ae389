"""Several protocols on one estimate."""

from dataclasses import dataclass

from ..estimate import Estimate
from ..protocol import Protocol, Scores
from ..task import Task


@dataclass(frozen=True)
class Combined(Protocol):
    """The metrics of all parts, in order; details are merged. Two parts may not share the name of a metric."""

    parts: tuple[Protocol, ...]

    def score(self, task: Task, estimate: Estimate) -> Scores:
        """See `Protocol`."""
        raise NotImplementedError
