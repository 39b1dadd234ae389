"""A bank of procedural textures: tileable squares with their mip levels."""

import torch
import torch.nn.functional as F
from torch import Tensor

from pointmap.shapes import Float, Int, UInt8
from pointmap.train.painting import SIZE
from pointmap.train.patterns import KINDS, wear
from pointmap.train.random import Random

LEVELS = 8  # 256, 128, ..., 2
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
    level = (footprint * SIZE).clamp(min=1).log2().round().clamp(max=LEVELS - 1).long()
    size = SIZE >> level
    # Texels of all finer levels: count * SIZE^2 * (1 + 1/4 + ...)
    start = (count * SIZE**2 * 4 - count * 4 * size**2) // 3 + texture * size**2
    position = (uv - uv.floor()) * size[:, None] - 0.5
    corner = position.floor()
    (fx, fy), (x0, y0) = (position - corner).unbind(-1), corner.long().unbind(-1)
    x1, y1 = (x0 + 1) % size, (y0 + 1) % size
    x0, y0 = x0 % size, y0 % size
    total = torch.zeros(len(uv), 3, device=uv.device)
    for y, weight_y in ((y0, 1 - fy), (y1, fy)):
        for x, weight_x in ((x0, 1 - fx), (x1, fx)):
            total += texels[start + y * size + x].float() * (weight_x * weight_y)[:, None]
    return total / 255


def _levelled(image: Float[Tensor, "h w 3"]) -> Float[Tensor, "h w 3"]:
    """Mean brightness of about one half, hue kept: renderers multiply it by a tint, and its contrast by a factor."""
    mean = image.mean()
    image = image * (0.5 / mean).clamp(0.6, 1.7)
    image = image + (0.5 - image.mean())
    return 0.5 + (image - 0.5) * (_STRONGEST / image.std()).clamp(max=1)
