"""Calibration of confidences: risk-coverage over true depths."""

from dataclasses import dataclass

from ..estimate import Estimate
from ..protocol import Protocol, Scores
from ..task import Task


@dataclass(frozen=True)
class Confidence(Protocol):
    """Area under the risk-coverage curve of AbsRel after a median scale, of the oracle, and their difference (AURC, AUSE); rank correlation."""

    def score(self, task: Task, estimate: Estimate) -> Scores:
        """See `Protocol`."""
        raise NotImplementedError
