"""Relative poses of all pairs of photos."""

from dataclasses import dataclass
from typing import Literal

from ..estimate import Estimate
from ..protocol import Protocol, Scores
from ..task import Task


@dataclass(frozen=True)
class RelativePose(Protocol):
    """RRA, RTA and AUC (mAA). A photo without a pose counts 180 degrees in all of its pairs."""

    fold: bool = False
    """Directions of translation are compared up to their sign, as benchmarks of CO3D and RealEstate10K do."""

    bins: Literal["thresholds", "numpy", "torch"] = "thresholds"
    """Of the AUC@n: the mean over thresholds 1..n of the share below; or the normalised histogram's cumulative sum, with n
    bins of 1 degree ("numpy") or n + 1 bins of n / (n + 1) degrees ("torch"). Both of these names are in use as "AUC@30"."""

    auc: tuple[int, ...] = (30, 5)
    accuracy: tuple[int, ...] = (15,)
    """Degrees of RRA and RTA."""

    def score(self, task: Task, estimate: Estimate) -> Scores:
        """See `Protocol`."""
        raise NotImplementedError
