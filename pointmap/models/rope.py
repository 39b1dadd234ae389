"""Rotary position embedding in two dimensions (Su et al. 2021, RoFormer; on images: CroCo v2)."""

from functools import lru_cache

import torch
from torch import Tensor

from pointmap.shapes import Float

RotaryTable = tuple[Tensor, Tensor]
"""Cosines and signed sines, both (n, head_dim)."""


@lru_cache(maxsize=32)
@torch.inference_mode(False)  # a table that is first made for inference must serve training as well
def rotary_table(
    grid: tuple[int, int],
    head_dim: int,
    base: float,
    device: torch.device,
    dtype: torch.dtype,
    registers: int = 0,
) -> RotaryTable:
    """Rotation of every token of a grid: half of a head's channels turn with the row, half with the column.

    So many registers come before the grid. They stand nowhere, and do not turn.

    Angles are float32 whatever `dtype` is: angles rounded to bfloat16 would be wrong by up to a quarter of a turn.
    """
    quarter = head_dim // 4
    frequencies = base ** -(torch.arange(quarter, dtype=torch.float32, device=device) / quarter)
    row, column = torch.meshgrid(*(torch.arange(n, dtype=torch.float32, device=device) for n in grid), indexing="ij")
    angles = torch.stack([row.flatten(), column.flatten()], dim=1)[..., None] * frequencies  # n, 2, quarter
    angles = torch.cat([angles.new_zeros(registers, *angles.shape[1:]), angles])
    cosine, sine = angles.cos(), angles.sin()
    # Channels come as (axis, half, frequency); the first half of an axis turns against the second.
    cosine = torch.stack([cosine, cosine], dim=2).flatten(1)
    sine = torch.stack([-sine, sine], dim=2).flatten(1)
    return cosine.to(dtype), sine.to(dtype)


def rotate(tokens: Float[Tensor, "batch heads n dim"], table: RotaryTable) -> Float[Tensor, "batch heads n dim"]:
    """Turn queries or keys by their positions."""
    cosine, sine = table
    swapped = tokens.unflatten(-1, (2, 2, -1)).flip(-2).flatten(-3)
    return torch.addcmul(tokens * cosine, swapped, sine)
