"""ETH3D high-resolution multi-view: accuracy, completeness, F1 at tolerances."""

from dataclasses import dataclass

from ..estimate import Estimate
from ..protocol import Protocol, Scores
from ..task import Task


@dataclass(frozen=True)
class Eth3dOfficial(Protocol):
    """The benchmark of Schoeps et al. 2017: voxel-wise averages of shares within a tolerance.

    Reads of `Truth`, in metres and in the frame of the official cameras:

    - `cloud`: the laser scans, as one cloud
    - `extra["scans"]`: optional, a function without arguments that returns a list of (position (3,), points (n, 3)): where
      each scanner stood and what it measured. With it a point that nothing says to be wrong, because no laser beam passed
      where it lies, takes no part in accuracy, as in the official tool; without it such points count as wrong.
    """

    tolerances: tuple[float, ...] = (0.02, 0.05)
    """Metres."""

    def score(self, task: Task, estimate: Estimate) -> Scores:
        """See `Protocol`."""
        raise NotImplementedError
