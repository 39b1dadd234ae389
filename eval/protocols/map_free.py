"""Map-free relocalisation: virtual correspondence reprojection error."""

from dataclasses import dataclass

from ..estimate import Estimate
from ..protocol import Protocol, Scores
from ..task import Task


@dataclass(frozen=True)
class MapFree(Protocol):
    """VCRE and pose errors of one reference photo and its queries, with area under precision-confidence (Arnold et al. 2022)."""

    def score(self, task: Task, estimate: Estimate) -> Scores:
        """See `Protocol`."""
        raise NotImplementedError
