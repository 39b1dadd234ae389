"""Tanks and Temples: precision, recall, F-score at each scene's threshold."""

from dataclasses import dataclass

from ..estimate import Estimate
from ..protocol import Protocol, Scores
from ..task import Task


@dataclass(frozen=True)
class TanksOfficial(Protocol):
    """The training-set evaluation of Knapitsch et al. 2017: alignment by poses, cropped, thinned out, ICP."""

    icp: bool = True

    def score(self, task: Task, estimate: Estimate) -> Scores:
        """See `Protocol`."""
        raise NotImplementedError
