"""Values of maps between their pixels."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from pointmap.shapes import Bool, Float


def sample(
    image: Float[Tensor, "hs ws"],
    u: Float[Tensor, "*n h w"],
    v: Float[Tensor, "*n h w"],
    *,
    mode: Literal["bilinear", "nearest"] = "bilinear",
) -> tuple[Float[Tensor, "*n h w"], Bool[Tensor, "*n h w"]]:
    """Values of an image at pixels, and True where these are inside; outside, the nearest border's."""
    height, width = image.shape
    grid = torch.empty(*u.shape, 2, dtype=u.dtype, device=u.device)
    # grid_sample: -1 and 1 are the outer borders of the outermost pixels.
    grid[..., 0] = (u + 0.5) * (2 / width) - 1
    grid[..., 1] = (v + 0.5) * (2 / height) - 1
    inside = (grid.abs() < 1).all(-1)
    flat = grid.reshape(-1, *grid.shape[-3:])
    values = F.grid_sample(
        image.expand(len(flat), 1, height, width), flat, mode=mode, padding_mode="border", align_corners=False
    )
    return values.reshape(u.shape), inside
