"""ScanNet by NeuralRecon's scripts: rendered depth in 2D, trimmed mesh in 3D."""

from dataclasses import dataclass

from ..estimate import Estimate
from ..protocol import Protocol, Scores
from ..task import Task


@dataclass(frozen=True)
class NeuralRecon(Protocol):
    """EVALUATION 5.10."""

    threshold: float = 0.05
    down_sample: float = 0.02

    def score(self, task: Task, estimate: Estimate) -> Scores:
        """See `Protocol`."""
        raise NotImplementedError
