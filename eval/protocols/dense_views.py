"""MapAnything's dense N-view benchmark."""

from dataclasses import dataclass

from ..estimate import Estimate
from ..protocol import Protocol, Scores
from ..task import Task


@dataclass(frozen=True)
class DenseViews(Protocol):
    """EVALUATION 5.8."""

    aucs: tuple[int, ...] = (5,)

    def score(self, task: Task, estimate: Estimate) -> Scores:
        """See `Protocol`."""
        raise NotImplementedError
