"""Depth maps."""

from dataclasses import dataclass
from typing import Literal

from ..estimate import Estimate
from ..protocol import Protocol, Scores
from ..task import Task


@dataclass(frozen=True)
class Depth(Protocol):
    """AbsRel and its kin, over pixels that have a true depth."""

    align: Literal["none", "median", "scale_l1", "scale_ls", "scale_shift_l1", "scale_shift_ls", "disparity_ls"] = (
        "median"
    )
    """How estimates are brought to the truth: see `metrics.depth`."""

    per: Literal["image", "sequence"] = "sequence"
    """One alignment for each photo, or one for all of the scene."""

    nearest: float = 0.0
    farthest: float = float("inf")
    """Pixels whose true depth is outside of these take no part, in units of the truth."""

    clip: tuple[float, float] | None = None
    """Aligned estimates are clamped to this range."""

    resampling: Literal["nearest", "bilinear", "bicubic"] = "nearest"
    """From the estimate's size to the truth's."""

    crop: Literal["", "eigen_nyu", "eigen_kitti", "garg_kitti"] = ""
    """Part of the picture that takes part, by the usual names."""

    inlier_ratio: float | None = None
    """1.03 adds the share of pixels whose larger ratio is below (RobustMVD's inliers)."""

    pool: Literal["pixels", "images"] = "pixels"
    """Within a scene: all pixels alike, or the mean of the photos' means."""

    weighted: bool = False
    """Over scenes: by their number of pixels (`Aggregate`)."""

    missing: Literal["skip", "fail"] = "skip"
    """Pixels with a true depth but no estimate: left out, and their share reported as `coverage`; or counted as wrong
    in every share (d1.25, inliers) and as AbsRel 1."""

    def score(self, task: Task, estimate: Estimate) -> Scores:
        """See `Protocol`."""
        raise NotImplementedError
