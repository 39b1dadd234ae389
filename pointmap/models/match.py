"""Explicit match read-out: where does each token of one view lie in the other?

With rotary positions alone no value vector knows where it stands, so attention finds a match but cannot say where it
is. Here an all-pairs similarity says it, and the decoders are told. The same similarity is what training supervises.
"""

import torch
from torch import Tensor, nn

from pointmap.models.layers import Linear, Mlp
from pointmap.models.position import fourier_features, grid_coordinates
from pointmap.shapes import Float

_OCTAVES = 4
_STATISTICS = 4 * (1 + 2 * _OCTAVES) + 2 + 2  # position and offset, variance, peak and entropy


class MatchReadout(nn.Module):
    """Similarity of all tokens of two views, and a summary of it for the decoders' input."""

    def __init__(self, encoder_dim: int, decoder_dim: int, match_dim: int) -> None:
        super().__init__()
        self.project = Linear(encoder_dim, match_dim)
        self.log_temperature = nn.Parameter(torch.tensor(2.5))
        self.embed = Mlp(_STATISTICS, hidden=2 * decoder_dim, out=decoder_dim)

    def similarity(
        self, tokens_i: Float[Tensor, "batch n dim"], tokens_j: Float[Tensor, "batch m dim"]
    ) -> Float[Tensor, "batch n m"]:
        """Logits of every token of i lying on every token of j."""
        i, j = (nn.functional.normalize(self.project(tokens).float(), dim=-1) for tokens in (tokens_i, tokens_j))
        return (i @ j.mT).float() * self.log_temperature.exp().clamp(max=100.0)

    def forward(
        self, similarity: Float[Tensor, "batch n m"], grid: tuple[int, int], other_grid: tuple[int, int]
    ) -> Float[Tensor, "batch n dim"]:
        """What the tokens of one view are told: expected position in the other, its offset and how sure it is."""
        probability = similarity.softmax(dim=-1)
        here = grid_coordinates(grid, similarity.device)
        there = grid_coordinates(other_grid, similarity.device)
        mean = probability @ there
        variance = probability @ there.square() - mean.square()
        peak = probability.amax(dim=-1, keepdim=True)
        entropy = -(probability * (probability + 1e-9).log()).sum(dim=-1, keepdim=True)
        position = fourier_features(torch.cat([mean, mean - here], dim=-1), _OCTAVES)
        return self.embed(torch.cat([position, variance, peak, entropy], dim=-1))


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
