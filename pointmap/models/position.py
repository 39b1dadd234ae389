"""Absolute positions as features: Fourier features of image coordinates (Tancik et al. 2020)."""

import math

import torch
from torch import Tensor

from pointmap.shapes import Float


def grid_coordinates(grid: tuple[int, int], device: torch.device) -> Float[Tensor, "n 2"]:
    """(x, y) of every token's centre from the image centre; the longer side runs from -1 to 1."""
    rows, columns = grid
    y, x = torch.meshgrid(
        *(torch.arange(count, dtype=torch.float32, device=device) * 2 - (count - 1) for count in grid), indexing="ij"
    )
    return torch.stack([x, y], dim=-1).flatten(0, 1) / max(rows, columns)


def fourier_features(values: Float[Tensor, "*batch dim"], octaves: int) -> Float[Tensor, "*batch features"]:
    """The values, and their sines and cosines at pi/2 * 2^k for k < octaves; dim * (1 + 2 * octaves) in all."""
    frequencies = math.pi / 2 * 2.0 ** torch.arange(octaves, dtype=torch.float32, device=values.device)
    angles = (values[..., None] * frequencies).flatten(-2)
    return torch.cat([values, angles.sin(), angles.cos()], dim=-1)
