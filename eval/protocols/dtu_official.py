"""DTU with its official metric: accuracy and completeness in mm within observation masks."""

from dataclasses import dataclass

from ..estimate import Estimate
from ..protocol import Protocol, Scores
from ..task import Task


@dataclass(frozen=True)
class DtuOfficial(Protocol):
    """The evaluation that comes with DTU (Jensen et al. 2014; Aanaes et al. 2016), on clouds of consistent depths."""

    down_sample: float = 0.2
    patch: float = 60.0
    farthest: float = 20.0
    consistency: float = 0.2
    min_views: int = 4
    """Of the fusion of depth maps into a cloud, as in Depth Anything 3's bench."""

    def score(self, task: Task, estimate: Estimate) -> Scores:
        """See `Protocol`."""
        raise NotImplementedError
