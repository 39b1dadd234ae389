"""Where a network's tokens stand in the image, and where matches of tokens lie between them."""

import torch
from torch import Tensor

from pointmap.shapes import Float


def token_pixels(grid: tuple[int, int], patch_size: int, device: torch.device | str = "cpu") -> Float[Tensor, "n 2"]:
    """The pixel (x, y) that each token stands for in matches: where training asks for its counterpart."""
    row, column = torch.meshgrid(*(torch.arange(count, device=device) for count in grid), indexing="ij")
    return (torch.stack([column, row], dim=-1).flatten(0, 1) * patch_size + patch_size // 2).float()


def match_positions(
    similarity: Float[Tensor, "batch n m"], other_grid: tuple[int, int], patch_size: int
) -> tuple[Float[Tensor, "batch n 2"], Float[Tensor, "batch n"]]:
    """Where each token of one view lies in the other, finer than its tokens: the mean about the likeliest one.

    Returns:
        Pixels (x, y) of the other view, and the probability of lying thereabouts (within a token each way).
    """
    probability = similarity.float().softmax(dim=-1)
    rows, columns = other_grid
    best = probability.argmax(dim=-1)
    nodes = token_pixels(other_grid, patch_size, similarity.device)
    total = torch.zeros_like(probability[..., 0])
    mean = torch.zeros(*best.shape, 2, device=similarity.device)
    for step_row in (-1, 0, 1):
        for step_column in (-1, 0, 1):
            row, column = best // columns + step_row, best % columns + step_column
            inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
            index = row.clamp(0, rows - 1) * columns + column.clamp(0, columns - 1)
            part = probability.gather(-1, index[..., None])[..., 0] * inside
            total += part
            mean += part[..., None] * nodes[index]
    return mean / total[..., None], total
