"""A bank of procedural textures: tileable squares with their mip levels."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from pointmap.shapes import Float, Int, UInt8
from pointmap.train.random import Random

SIZE = 128
LEVELS = 7  # 128, 64, ..., 2


def make_textures(count: int, seed: int, device: torch.device | str = "cpu") -> UInt8[Tensor, "texels 3"]:
    """All texels of all levels of all textures, in one list: level by level, in each texture by texture, row by row."""
    random = Random(seed, "cpu")
    kinds = (_noise, _bricks, _stripes, _leaves, _cells, _facade, _plain, _leaves, _noise)
    images = torch.stack([_colorize(kinds[index % len(kinds)](random), random) for index in range(count)])
    levels = [images]
    while len(levels) < LEVELS:
        levels.append(F.avg_pool2d(levels[-1], 2))
    texels = [(level.permute(0, 2, 3, 1) * 255).round().to(torch.uint8).reshape(-1, 3) for level in levels]
    return torch.cat(texels).to(device)


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


def _grid() -> tuple[Tensor, Tensor]:
    axis = (torch.arange(SIZE) + 0.5) / SIZE
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return x, y


def _fbm(random: Random, first: int, octaves: int) -> Tensor:
    """Tileable noise: random lattices, interpolated, twice as fine and about half as strong each time."""
    total = torch.zeros(SIZE, SIZE)
    gain = float(random.uniform(0.45, 0.8, 1))
    for octave in range(octaves):
        cells = min(first * 2**octave, SIZE)
        lattice = random.uniform(-1, 1, 1, 1, cells, cells).tile(3, 3)  # the middle tile has its neighbours
        fine = F.interpolate(lattice, size=(3 * SIZE, 3 * SIZE), mode="bicubic", align_corners=False)
        total += gain**octave * fine[0, 0, SIZE:-SIZE, SIZE:-SIZE]
    return total


def _noise(random: Random) -> Tensor:
    return _fbm(random, int(random.integers(1, 7, 1)), 6)


def _bricks(random: Random) -> Tensor:
    x, y = _grid()
    columns, rows = int(random.integers(1, 9, 1)), 2 * int(random.integers(1, 9, 1))
    shift = float(random.uniform(0, 1, 1) < 0.5) * 0.5
    row = (y * rows).floor()
    u, v = x * columns + shift * (row % 2), y * rows
    width = float(random.uniform(0.02, 0.15, 1))
    joint = (u % 1 < width) | (v % 1 < width * rows / columns)
    shade = random.uniform(0, 1, rows, columns)[row.long() % rows, u.floor().long() % columns]
    if random.uniform(0, 1, 1) < 0.3:  # checkers
        return ((u.floor() + row) % 2) + 0.15 * _fbm(random, 4, 5)
    return torch.where(joint, random.uniform(-0.5, 1.5, 1), shade) + 0.2 * _fbm(random, 4, 5)


def _stripes(random: Random) -> Tensor:
    x, y = _grid()
    kx, ky = random.integers(0, 8, 2).tolist()
    phase = x * kx + y * max(ky, 1 if kx == 0 else 0) + 0.15 * float(random.uniform(0, 1, 1)) * _fbm(random, 2, 3)
    wave = (2 * math.pi * phase).sin()
    sharp = float(random.log_uniform(0.5, 10, 1))
    return (wave * sharp).tanh() + 0.3 * _fbm(random, 3, 6)


def _leaves(random: Random) -> Tensor:
    """Dead leaves: many overlapping discs and rectangles, large ones below; 1/r^3-like sizes as in natural images."""
    x, y = _grid()
    image = 0.3 * _fbm(random, 2, 6)
    for radius in random.log_uniform(0.03, 0.35, 48).sort(descending=True).values.tolist():
        cx, cy, angle, aspect = random.uniform(0, 1, 4).tolist()
        dx, dy = (x - cx + 0.5) % 1 - 0.5, (y - cy + 0.5) % 1 - 0.5
        c, s = math.cos(math.pi * angle), math.sin(math.pi * angle)
        a, b = (dx * c + dy * s) / radius, (dy * c - dx * s) / (radius * (0.3 + aspect))
        inside = (a * a + b * b < 1) if aspect < 0.5 else (a.abs().maximum(b.abs()) < 1)
        image = torch.where(inside, random.uniform(-1, 1, 1) + 0.15 * a, image)
    return image + 0.1 * _fbm(random, 8, 4)


def _cells(random: Random) -> Tensor:
    """Voronoi cells: stones, cobbles, cracked ground."""
    x, y = _grid()
    count = int(random.integers(6, 60, 1))
    seeds, shades = random.uniform(0, 1, count, 2), random.uniform(0, 1, count)
    dx = (x[..., None] - seeds[:, 0] + 0.5) % 1 - 0.5
    dy = (y[..., None] - seeds[:, 1] + 0.5) % 1 - 0.5
    nearest = (dx**2 + dy**2).sqrt().topk(2, largest=False)
    edge = (nearest.values[..., 1] - nearest.values[..., 0]) * math.sqrt(count)
    return shades[nearest.indices[..., 0]] * (edge * 6).clamp(max=1) + 0.2 * _fbm(random, 4, 5)


def _facade(random: Random) -> Tensor:
    x, y = _grid()
    columns, rows = int(random.integers(2, 6, 1)), int(random.integers(2, 6, 1))
    wide, high = random.uniform(0.3, 0.75, 2).tolist()
    u, v = (x * columns) % 1 - 0.5, (y * rows) % 1 - 0.5
    window = (u.abs() < wide / 2) & (v.abs() < high / 2)
    frame = (u.abs() < wide / 2 + 0.07) & (v.abs() < high / 2 + 0.07)
    cross = window & ((u.abs() < 0.03) | (v.abs() < 0.025))
    glass = random.uniform(-1, 0.2, rows, columns)[(y * rows).long() % rows, (x * columns).long() % columns]
    image = 0.5 + 0.25 * _fbm(random, 6, 5)
    image = torch.where(frame, random.uniform(-0.5, 1.2, 1), image)
    image = torch.where(window, glass + 0.4 * v, image)
    return torch.where(cross, random.uniform(-0.3, 1.2, 1), image)


def _plain(random: Random) -> Tensor:
    return 0.15 * _fbm(random, int(random.integers(1, 4, 1)), 7)


def _colorize(pattern: Tensor, random: Random) -> Float[Tensor, "3 h w"]:
    """Colours about a mean of one half, along a random direction that is mostly brightness."""
    pattern = pattern - pattern.mean()
    strength = 0.22 / pattern.std().clamp(min=0.15)
    direction = 1 + 0.22 * random.normal(3)
    second = 0.16 * random.normal(3)[:, None, None] * 0.3 * _fbm(random, 2, 4)
    return (0.5 + strength * pattern * direction[:, None, None] + second).clamp(0, 1)
