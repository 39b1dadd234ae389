"""Dense prediction head (Ranftl et al. 2021, "Vision transformers for dense prediction").

Attribute names are those of the published checkpoints, including the residual unit that plays no part.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pointmap.models.encoding import Encoding
from pointmap.models.heads.linear import tokens_to_map
from pointmap.models.layers import Conv2d, ConvTranspose2d
from pointmap.shapes import Float


class ResidualUnit(nn.Module):
    """Two 3x3 convolutions beside the identity."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1 = Conv2d(features, features, 3, padding=1)
        self.conv2 = Conv2d(features, features, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        # In place where no gradient needs the earlier value: fresh memory costs a CPU as much as the arithmetic.
        return self.conv2(F.relu_(self.conv1(F.relu(features)))).add_(features)


class Fusion(nn.Module):
    """Adds a level's features to the coarser ones and doubles the resolution."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.out_conv = Conv2d(features, features, 1)
        self.resConfUnit1 = ResidualUnit(features)
        self.resConfUnit2 = ResidualUnit(features)

    def forward(self, coarser: Tensor | None, level: Tensor) -> Tensor:
        fused = level
        if coarser is not None:
            rows, columns = level.shape[-2:]
            # An odd number of tokens was rounded up on the way down.
            fused = coarser[..., :rows, :columns] + self.resConfUnit1(level)
        # A 1x1 convolution commutes with interpolation, and costs a quarter before it.
        return upsample(self.out_conv(self.resConfUnit2(fused)))


def upsample(features: Tensor) -> Tensor:
    """Twice the size, bilinear, corners on corners."""
    return F.interpolate(features, scale_factor=2, mode="bilinear", align_corners=True)


class _Scratch(nn.Module):
    """The checkpoints keep the fusion part under this name."""

    def __init__(self, widths: tuple[int, ...], features: int) -> None:
        super().__init__()
        for index, width in enumerate(widths, start=1):
            self.add_module(f"layer{index}_rn", Conv2d(width, features, 3, padding=1, bias=False))
        for index in range(1, 5):
            self.add_module(f"refinenet{index}", Fusion(features))


class _Dpt(nn.Module):
    def __init__(self, dims: tuple[int, ...], widths: tuple[int, int, int, int], features: int) -> None:
        super().__init__()
        w0, w1, w2, w3 = widths
        self.act_postprocess = nn.ModuleList(
            [
                nn.Sequential(Conv2d(dims[0], w0, 1), ConvTranspose2d(w0, w0, 4, stride=4)),
                nn.Sequential(Conv2d(dims[1], w1, 1), ConvTranspose2d(w1, w1, 2, stride=2)),
                nn.Sequential(Conv2d(dims[2], w2, 1)),
                nn.Sequential(Conv2d(dims[3], w3, 1), Conv2d(w3, w3, 3, stride=2, padding=1)),
            ]
        )
        self.scratch = _Scratch(widths, features)
        # Indices 1 and 3 are an interpolation and a ReLU, without weights.
        self.head = nn.ModuleDict(
            {
                "0": Conv2d(features, features // 2, 3, padding=1),
                "2": Conv2d(features // 2, features // 2, 3, padding=1),
                "4": Conv2d(features // 2, 4, 1),
            }
        )

    def forward(self, taps: list[Tensor]) -> Tensor:
        fused = None
        for index in (4, 3, 2, 1):
            # Channels last is up to nine times faster in interpolation, and 1.4 times in bfloat16 convolutions (CPU).
            level = self.act_postprocess[index - 1](taps[index - 1]).contiguous(memory_format=torch.channels_last)
            level = self.scratch.get_submodule(f"layer{index}_rn")(level)
            fused = self.scratch.get_submodule(f"refinenet{index}")(fused, level)
        features = upsample(self.head["0"](fused))
        return self.head["4"](F.relu_(self.head["2"](features)))


class DptHead(nn.Module):
    """Fuses the encoder's output and three decoder levels from coarse to fine."""

    def __init__(
        self,
        encoder_dim: int,
        decoder_dim: int,
        decoder_depth: int,
        patch_size: int,
        widths: tuple[int, int, int, int],
        features: int,
    ) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.tapped_blocks = (decoder_depth * 2 // 4 - 1, decoder_depth * 3 // 4 - 1, decoder_depth - 1)
        self.dpt = _Dpt((encoder_dim, *3 * (decoder_dim,)), widths, features)

    def forward(self, encoding: Encoding, decoded: list[Tensor]) -> Float[Tensor, "batch 4 h w"]:
        """Raw points and confidence.

        Args:
            decoded: Output of every decoder block, the last one normalised.
        """
        tapped = [encoding.tokens, *(decoded[index] for index in self.tapped_blocks)]
        raw = self.dpt([tokens_to_map(tokens, encoding.grid) for tokens in tapped])
        size = tuple(self.patch_size * count for count in encoding.grid)
        if raw.shape[-2:] == size:
            return raw
        return F.interpolate(raw, size=size, mode="bilinear", align_corners=True)
