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
