"""A mesh of an object against its scan (YCB, BigBIRD)."""

from dataclasses import dataclass

from ..estimate import Estimate
from ..protocol import Protocol, Scores
from ..task import Task


@dataclass(frozen=True)
class ObjectMesh(Protocol):
    """Chamfer distances, F-scores at shares of the scan's diagonal, volume IoU where both are closed; after Sim(3) by poses and ICP."""

    thresholds: tuple[float, ...] = (0.01, 0.02)
    """Of the scan's diagonal."""

    scale: bool = True
    """Whether the alignment may scale."""

    def score(self, task: Task, estimate: Estimate) -> Scores:
        """See `Protocol`."""
        raise NotImplementedError
