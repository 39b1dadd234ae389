"""Errors of depth maps; `depth_alignment` holds the alignments that benchmarks allow."""

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from pointmap.metrics.depth_alignment import Alignment, DepthAlignment, fit_depth_alignment
from pointmap.shapes import Float

__all__ = [
    "Alignment",
    "DepthAlignment",
    "DepthErrors",
    "DepthSums",
    "depth_errors",
    "depth_sums",
    "fit_depth_alignment",
]

_SMALLEST = 1e-5
"""What logarithms see of smaller aligned depths, those below 0 among them; `Junyi42/monst3r` and its successors."""


@dataclass(frozen=True)
class DepthErrors:
    """How far depths are off after one factor, the median of true to estimated depth, has scaled them all."""

    absrel: float
    """Mean relative error; NaN where nothing could be compared."""

    within_125: float
    """Share of pixels whose larger ratio of the two depths is below 1.25 (d1.25)."""


@dataclass(frozen=True)
class DepthSums:
    """Errors of pixels, as sums that add up over photos: `sum(parts, DepthSums())`. Means are NaN without pixels.

    Formulas, d the aligned estimate and g the truth: Eigen et al., NIPS 2014; inliers: Schroeppel et al., 3DV 2022
    (RobustMVD).
    """

    pixels: float = 0.0
    logs: float = 0.0
    """Pixels that have a logarithm: all but those without an estimate."""

    relative: float = 0.0
    absolute: float = 0.0
    square_relative: float = 0.0
    square: float = 0.0
    square_log: float = 0.0
    below_1: float = 0.0
    below_2: float = 0.0
    below_3: float = 0.0
    inliers: float = 0.0

    def __add__(self, other: "DepthSums") -> "DepthSums":
        return DepthSums(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    @property
    def absrel(self) -> float:
        """Mean |d - g| / g."""
        return self._mean(self.relative)

    @property
    def absdiff(self) -> float:
        """Mean |d - g|, in units of the truth."""
        return self._mean(self.absolute)

    @property
    def sqrel(self) -> float:
        """Mean (d - g)^2 / g, in units of the truth."""
        return self._mean(self.square_relative)

    @property
    def rmse(self) -> float:
        """Root of the mean (d - g)^2, in units of the truth."""
        return math.sqrt(self._mean(self.square))

    @property
    def log_rmse(self) -> float:
        """Root of the mean (ln d - ln g)^2, over pixels with an estimate."""
        return math.sqrt(self.square_log / self.logs) if self.logs else float("nan")

    @property
    def d1(self) -> float:
        """Share with max(d / g, g / d) < 1.25."""
        return self._mean(self.below_1)

    @property
    def d2(self) -> float:
        """Share below 1.25^2."""
        return self._mean(self.below_2)

    @property
    def d3(self) -> float:
        """Share below 1.25^3."""
        return self._mean(self.below_3)

    @property
    def inlier_share(self) -> float:
        """Share with max(d / g, g / d) below the ratio that `depth_sums` was given."""
        return self._mean(self.inliers)

    def _mean(self, total: float) -> float:
        return total / self.pixels if self.pixels else float("nan")


def depth_sums(
    depth: Float[Tensor, "pixels"], true_depth: Float[Tensor, "pixels"], inlier_ratio: float = 1.03
) -> DepthSums:
    """Sum the errors of aligned depths.

    Args:
        depth: Aligned estimates. NaN for a pixel without one, which counts as depth 0: AbsRel 1, wrong in every share,
            and without a logarithm. Leave such pixels out to ignore them. What is not positive after the alignment is
            wrong in every share.
        true_depth: Positive and finite.
    """
    missing = depth.isnan()
    d, g = depth.double().nan_to_num(nan=0.0), true_depth.double()
    off = (d - g).abs()
    ratio = torch.where(d > 0, torch.maximum(d / g, g / d), torch.inf)
    logs = torch.log(d[~missing].clamp_min(_SMALLEST)) - torch.log(g[~missing])
    return DepthSums(
        float(len(g)),
        float(len(logs)),
        (off / g).sum().item(),
        off.sum().item(),
        (off.square() / g).sum().item(),
        off.square().sum().item(),
        logs.square().sum().item(),
        *(float((ratio < limit).sum()) for limit in (1.25, 1.25**2, 1.25**3, inlier_ratio)),
    )


def depth_errors(depth: Float[Tensor, "pixels"], true_depth: Float[Tensor, "pixels"]) -> DepthErrors:
    """Compare z-depths of one view, or of several that share their scale.

    The factor is the median of the ratios of the two depths, not the ratio of medians of `fit_depth_alignment`.

    Args:
        depth: Estimated, in any unit; not positive or NaN where there is no estimate.
        true_depth: Not positive or NaN where it is unknown. Pixels unknown on either side take no part.
    """
    known = (depth > 0) & (true_depth > 0) & depth.isfinite() & true_depth.isfinite()
    ratio = depth[known].double() / true_depth[known].double()
    if len(ratio):
        ratio = ratio / ratio.median()
    within = torch.maximum(ratio, 1 / ratio) < 1.25
    return DepthErrors((ratio - 1).abs().mean().item(), within.double().mean().item())
