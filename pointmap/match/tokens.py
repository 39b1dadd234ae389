"""Matches from the all-pairs similarity of a network's tokens."""

import torch
from torch import Tensor

from pointmap.geometry.tokens import match_positions, token_pixels
from pointmap.shapes import Bool, Float

_CYCLE_TOKENS = 1.0
"""A match counts if the way back ends no further than so many tokens from where it began."""
_LEAST_PROBABILITY = 0.05


def match_tokens(
    similarity: Float[Tensor, "n m"], grid_i: tuple[int, int], grid_j: tuple[int, int], patch_size: int
) -> tuple[Float[Tensor, "k 2"], Float[Tensor, "k 2"], Float[Tensor, "k"], Bool[Tensor, "k"]]:
    """Places that find each other, from every token of either view to between the tokens of the other.

    Args:
        similarity: Logits of every token of i lying on every token of j (`Network.match_similarity`).

    Returns:
        Pixels (x, y) in i and in j, the probability of each match, and whether it begins at a token of i.
    """
    nodes_i, nodes_j = (token_pixels(grid, patch_size, similarity.device) for grid in (grid_i, grid_j))
    there, sure_there = (part[0] for part in match_positions(similarity[None], grid_j, patch_size))
    back, sure_back = (part[0] for part in match_positions(similarity.mT[None], grid_i, patch_size))
    tolerance = _CYCLE_TOKENS * patch_size
    from_i = (_at(back, grid_j, there, patch_size) - nodes_i).norm(dim=-1) < tolerance
    from_j = (_at(there, grid_i, back, patch_size) - nodes_j).norm(dim=-1) < tolerance
    from_i &= sure_there > _LEAST_PROBABILITY
    from_j &= sure_back > _LEAST_PROBABILITY
    return (
        torch.cat([nodes_i[from_i], back[from_j]]),
        torch.cat([there[from_i], nodes_j[from_j]]),
        torch.cat([sure_there[from_i], sure_back[from_j]]).clamp(max=1.0),
        torch.cat([torch.ones_like(from_i[from_i]), torch.zeros_like(from_j[from_j])]),
    )


def _at(
    values: Float[Tensor, "m 2"], grid: tuple[int, int], places: Float[Tensor, "n 2"], patch_size: int
) -> Float[Tensor, "n 2"]:
    """Values of a view's tokens at places of its image, each moved along from the nearest token."""
    column, row = ((places - patch_size // 2) / patch_size).round().long().unbind(-1)
    column, row = column.clamp(0, grid[1] - 1), row.clamp(0, grid[0] - 1)
    node = torch.stack([column, row], dim=-1) * patch_size + patch_size // 2
    return values[row * grid[1] + column] + (places - node)
