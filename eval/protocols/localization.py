"""Visual localisation: medians, and shares within thresholds."""

from dataclasses import dataclass

from ..estimate import Estimate
from ..protocol import Protocol, Scores
from ..task import Task


@dataclass(frozen=True)
class Localization(Protocol):
    """Metres between camera centres and degrees between orientations; a query without a pose is infinitely far."""

    thresholds: tuple[tuple[float, float], ...] = ((0.1, 1.0), (0.25, 2.0), (0.5, 5.0), (5.0, 10.0))
    """Metres and degrees that both must be met."""

    def score(self, task: Task, estimate: Estimate) -> Scores:
        """See `Protocol`."""
        raise NotImplementedError
