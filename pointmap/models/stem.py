"""From pixels to tokens."""

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from pointmap.models.layers import Conv2d
from pointmap.shapes import Float


class PatchEmbedding(nn.Module):
    """One linear map per patch, as in the published networks."""

    def __init__(self, dim: int, patch_size: int) -> None:
        super().__init__()
        self.proj = Conv2d(3, dim, patch_size, stride=patch_size)

    def forward(self, image: Float[Tensor, "batch 3 h w"]) -> tuple[Float[Tensor, "batch n dim"], tuple[Tensor, ...]]:
        """Tokens row by row, and no skips."""
        return self.proj(image).flatten(2).mT, ()


class ConvStem(nn.Module):
    """Strided 3x3 convolutions (Xiao et al. 2021, "Early convolutions help transformers see better").

    Their features travel past the transformer to the convolutional head, which needs them for edges.
    """

    def __init__(self, dim: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        channels = (3, *widths)
        self.halvings = nn.ModuleList(
            Conv2d(before, after, 3, stride=2, padding=1) for before, after in pairwise(channels)
        )
        self.norms = nn.ModuleList(nn.GroupNorm(8, width) for width in widths)
        self.proj = Conv2d(widths[-1], dim, 1)

    def forward(self, image: Float[Tensor, "batch 3 h w"]) -> tuple[Float[Tensor, "batch n dim"], tuple[Tensor, ...]]:
        """Tokens row by row, and the feature maps at all strides but the last."""
        features, skips = image, []
        for halving, norm in zip(self.halvings, self.norms, strict=True):
            features = F.gelu(norm(halving(features).float()))
            skips.append(features)
        return self.proj(features).flatten(2).mT, tuple(skips[:-1])
