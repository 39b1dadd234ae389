"""Convolutional head of our networks: from tokens up to pixels, with the stem's features for the edges."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pointmap.models.encoding import Encoding
from pointmap.models.heads.linear import tokens_to_map
from pointmap.models.layers import Conv2d, Linear
from pointmap.shapes import Float


class ConvHead(nn.Module):
    """Pixel shuffle to stride 4, light 3x3 convolutions across patch borders, pixel shuffle to pixels."""

    stride = 4

    def __init__(
        self,
        encoder_dim: int,
        decoder_dim: int,
        patch_size: int,
        stem_widths: tuple[int, ...],
        features: int,
        *,
        sky: bool = False,
    ) -> None:
        super().__init__()
        self.shuffle = patch_size // self.stride
        skip_width = stem_widths[1]  # of the stem's features at stride 4
        self.expand = Linear(encoder_dim + decoder_dim, features * self.shuffle**2)
        self.merge = Conv2d(features + skip_width, features, 3, padding=1)
        self.smooth = Conv2d(features, features, 3, padding=1)
        self.out = Conv2d(features, 4 * self.stride**2, 3, padding=1)
        # A new network starts from the same plain guess everywhere: points about a unit ahead, confidence near 2.
        if not self.out.weight.is_meta:  # there, the first random number imports a compiler, which takes seconds
            nn.init.normal_(self.out.weight, std=1e-3)
        self.out.bias = nn.Parameter(torch.tensor([0.0, 0.0, 0.7, 0.0]).repeat_interleave(self.stride**2))
        self.sky = Conv2d(features, self.stride**2, 3, padding=1) if sky else None

    def forward(self, encoding: Encoding, decoded: list[Tensor]) -> Float[Tensor, "batch channels h w"]:
        """Raw points and confidence (4 channels), then the logit of sky if any.

        Args:
            decoded: Output of every decoder block, the last one normalised.
        """
        tokens = self.expand(torch.cat([encoding.tokens, decoded[-1]], dim=-1))
        features = F.pixel_shuffle(tokens_to_map(tokens, encoding.grid), self.shuffle)
        features = F.gelu(self.merge(torch.cat([features, encoding.skips[1].to(features.dtype)], dim=1)))
        features = features + F.gelu(self.smooth(features))
        maps = [F.pixel_shuffle(self.out(features), self.stride)]
        if self.sky is not None:
            maps.append(F.pixel_shuffle(self.sky(features), self.stride))
        return torch.cat(maps, dim=1)
