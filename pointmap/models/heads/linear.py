"""Linear head: every token says the pixels of its patch."""

import torch.nn.functional as F
from torch import Tensor, nn

from pointmap.models.encoding import Encoding
from pointmap.models.layers import Linear
from pointmap.shapes import Float


def tokens_to_map(
    tokens: Float[Tensor, "batch n dim"], grid: tuple[int, int]
) -> Float[Tensor, "batch dim rows columns"]:
    """Tokens, row by row, as a feature map."""
    return tokens.mT.unflatten(-1, grid)


class LinearHead(nn.Module):
    """One linear layer on the last decoder tokens, whose outputs are the pixels of the patch."""

    def __init__(self, decoder_dim: int, patch_size: int) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.proj = Linear(decoder_dim, 4 * patch_size**2)

    def forward(self, encoding: Encoding, decoded: list[Tensor]) -> Float[Tensor, "batch 4 h w"]:
        """Raw points and confidence.

        Args:
            decoded: Output of every decoder block, the last one normalised.
        """
        return F.pixel_shuffle(tokens_to_map(self.proj(decoded[-1]), encoding.grid), self.patch_size)
