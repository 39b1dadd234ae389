"""Errors of depth maps, with the alignments that benchmarks allow."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pointmap.shapes import Float


@dataclass(frozen=True)
class DepthErrors:
    """How far depths are off after one factor, the median of true to estimated depth, has scaled them all."""

    absrel: float
    """Mean relative error; NaN where nothing could be compared."""

    within_125: float
    """Share of pixels whose larger ratio of the two depths is below 1.25 (d1.25)."""


def depth_errors(depth: Float[Tensor, "pixels"], true_depth: Float[Tensor, "pixels"]) -> DepthErrors:
    """Compare z-depths of one view, or of several that share their scale.

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
