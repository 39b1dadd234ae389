"""A bank of procedural textures: tileable squares with their mip levels."""

import torch
import torch.nn.functional as F
from torch import Tensor

from pointmap.shapes import Float, Int, UInt8
from pointmap.train.painting import SIZE
from pointmap.train.patterns import KINDS, wear
from pointmap.train.random import Random

LEVELS = 8  # 256, 128, ..., 2: SIZE is 2^LEVELS
_STRONGEST = 0.26  # standard deviation; the black and white of print has more


def make_textures(count: int, seed: int, device: torch.device | str = "cpu") -> UInt8[Tensor, "texels 3"]:
    """All texels of all levels of all textures, in one list: level by level, in each texture by texture, row by row."""
    random = Random(seed, "cpu")
    levels: list[list[Tensor]] = [[] for _ in range(LEVELS)]
    for index in range(count):
        image = _levelled(wear(random, KINDS[index % len(KINDS)](random))).clamp(0, 1).permute(2, 0, 1)
        for level in levels:
            level.append((image.permute(1, 2, 0) * 255).round().to(torch.uint8).reshape(-1, 3))
            image = F.avg_pool2d(image, 2)
    return torch.cat([texels for level in levels for texels in level]).to(device)


def sample_textures(
    texels: UInt8[Tensor, "texels 3"],
    count: int,
    texture: Int[Tensor, "n"],
    uv: Float[Tensor, "n 2"],
    footprint: Float[Tensor, "n"],
) -> Float[Tensor, "n 3"]:
    """Bilinear look-up in the mip level whose texels are about as large as a pixel.

    Args:
        count: Number of textures in the bank.
        uv: In tiles; the integer part does not matter.
        footprint: Width of a pixel on the surface, in tiles.
    """
    level = (footprint * SIZE).clamp(min=1).log2().round().clamp(max=LEVELS - 1)
    size = torch.exp2(LEVELS - level)
    texels_wide, tile = size.int(), size.int() ** 2  # 32 bits and masks: divisions of 64 bits took half the time
    mask = texels_wide - 1
    # Texels of all finer levels: count * SIZE^2 * (1 + 1/4 + ...)
    start = (SIZE**2 - tile) // 3 * 4 * count + texture.int() * tile
    position = uv * size[:, None] - 0.5
    corner = position.floor()
    fx, fy = (position - corner)[..., None].unbind(1)
    x, y = corner.int().unbind(-1)
    left, right = x & mask, (x + 1) & mask
    above, below = start + (y & mask) * texels_wide, start + ((y + 1) & mask) * texels_wide

    def row(first: Tensor) -> Tensor:
        one, other = (texels.index_select(0, first + column).float() for column in (left, right))
        return torch.lerp(one, other, fx)

    return torch.lerp(row(above), row(below), fy) / 255


def _levelled(image: Float[Tensor, "h w 3"]) -> Float[Tensor, "h w 3"]:
    """Mean brightness of about one half, hue kept: renderers multiply it by a tint, and its contrast by a factor."""
    mean = image.mean()
    image = image * (0.5 / mean).clamp(0.6, 1.7)
    image = image + (0.5 - image.mean())
    return 0.5 + (image - 0.5) * (_STRONGEST / image.std()).clamp(max=1)
