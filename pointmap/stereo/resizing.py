"""Depth maps in the sizes of the pyramid."""

import torch
import torch.nn.functional as F
from torch import Tensor

from pointmap.shapes import Float
from pointmap.stereo.blending import fill

_COLOR_SIGMA = 0.05
"""Difference of colour, in [0, 1], that makes a pixel e times less of a neighbour."""


def complete_depth(depth: Float[Tensor, "h w"], shape: tuple[int, int]) -> Float[Tensor, "h2 w2"]:
    """A depth map in another size, its unknown pixels (not positive or not finite) filled from around them."""
    known = (depth > 0) & depth.isfinite()
    parts = torch.stack([torch.where(known, depth, 1.0).log(), known.to(depth)])[None]
    if shape != tuple(depth.shape):
        parts = F.interpolate(parts, shape, mode="area")
    log_depth, share = parts[0]
    log_depth = log_depth / share.clamp_min(1e-6)
    return torch.where(share > 0.5, log_depth, fill(log_depth, share)).exp()


def enlarge(
    values: Float[Tensor, "h w"], color: Float[Tensor, "3 h w"], fine_color: Float[Tensor, "3 h2 w2"]
) -> Float[Tensor, "h2 w2"]:
    """Each fine pixel from the four coarse ones around it, mostly from those of its colour.

    Joint bilateral upsampling (Kopf et al., SIGGRAPH 2007): edges go where the fine photo has them.
    """
    (h, w), (height, width) = values.shape, fine_color.shape[-2:]
    rows = (torch.arange(height).to(values) + 0.5) / height * h - 0.5
    columns = (torch.arange(width).to(values) + 0.5) / width * w - 0.5
    total = values.new_zeros(height, width)
    weights = torch.zeros_like(total)
    for down in (0, 1):
        for right in (0, 1):
            y, x = rows.floor() + down, columns.floor() + right
            near = (1 - (rows - y).abs())[:, None] * (1 - (columns - x).abs())
            index = y.long().clamp(0, h - 1)[:, None], x.long().clamp(0, w - 1)
            unlike = (color[:, index[0], index[1]] - fine_color).abs().mean(0)
            weight = near * (torch.exp(-unlike / _COLOR_SIGMA) + 1e-6)
            total += weight * values[index]
            weights += weight
    return total / weights
