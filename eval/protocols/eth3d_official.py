"""ETH3D high-resolution multi-view: accuracy, completeness, F1 at tolerances."""

from dataclasses import dataclass

from ..estimate import Estimate
from ..protocol import Protocol, Scores
from ..task import Task


@dataclass(frozen=True)
class Eth3dOfficial(Protocol):
    """The benchmark of Schoeps et al. 2017: voxel-wise averages of shares within a tolerance."""

    tolerances: tuple[float, ...] = (0.02, 0.05)
    """Metres."""

    def score(self, task: Task, estimate: Estimate) -> Scores:
        """See `Protocol`."""
        raise NotImplementedError
