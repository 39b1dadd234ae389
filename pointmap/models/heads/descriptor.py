"""MASt3R's head for local features: an MLP per token says the descriptors of its patch's pixels."""

import torch
import torch.nn.functional as F
from torch import Tensor

from pointmap.models.encoding import Encoding
from pointmap.models.heads.linear import tokens_to_map
from pointmap.models.layers import Mlp
from pointmap.shapes import Float


class DescriptorHead(Mlp):
    """Descriptors and their confidence from encoder and decoder tokens (Leroy et al. 2024, MASt3R)."""

    def __init__(self, encoder_dim: int, decoder_dim: int, descriptor_dim: int, patch_size: int) -> None:
        dim = encoder_dim + decoder_dim
        super().__init__(dim, out=(descriptor_dim + 1) * patch_size**2)
        self.patch_size = patch_size

    def forward(self, encoding: Encoding, decoded: list[Tensor]) -> Float[Tensor, "batch channels h w"]:  # type: ignore[override]
        """Raw descriptors and, in the last channel, their raw confidence."""
        tokens = super().forward(torch.cat([encoding.tokens, decoded[-1]], dim=-1))
        return F.pixel_shuffle(tokens_to_map(tokens, encoding.grid), self.patch_size)
