"""Depths fused with TSDF, then F-score against the reference (Depth Anything 3 bench, SpatialBench)."""

from dataclasses import dataclass
from typing import Literal

from ..estimate import Estimate
from ..protocol import Protocol, Scores
from ..task import Task


@dataclass(frozen=True)
class FusedSurface(Protocol):
    """Poses are aligned by Umeyama with RANSAC, depths are scaled and fused, points sampled on the surface, both clouds thinned out."""

    voxel: float
    """Of the fusion, in units of the truth."""

    truncation: float

    threshold: float
    """Of precision, recall and F."""

    farthest: float = float("inf")
    """Depths beyond are not fused."""

    samples: int = 1_000_000
    down_sample: float | None = None
    """Voxel of both clouds before they are compared; default half of `threshold`... see the source."""

    poses: Literal["estimated", "true"] = "estimated"
    """True ones are for methods that were given them."""

    def score(self, task: Task, estimate: Estimate) -> Scores:
        """See `Protocol`."""
        raise NotImplementedError
