"""What procedural textures are painted with: tileable noise, natural colours, stamps, cells and lettering.

A tile is a square of `SIZE` texels; coordinates (x right, y down) run from 0 to 1 and wrap around.
"""

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pointmap.shapes import Float, Int
from pointmap.train.random import Random

SIZE = 256
_WINDOWS = (8, 16, 32, 64, 128, SIZE)


@functools.cache
def grid() -> tuple[Float[Tensor, "h w"], Float[Tensor, "h w"]]:
    """Coordinates x and y of the texels' centres."""
    axis = (torch.arange(SIZE) + 0.5) / SIZE
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return x, y


def bent_grid(random: Random) -> tuple[Float[Tensor, "h w"], Float[Tensor, "h w"]]:
    """The grid; in two of three draws bent a little, as nothing is straight that was made by hand."""
    x, y = grid()
    bend = float(random.log_uniform(1e-3, 1.5e-2, 1)) * bool(random.uniform(0, 1, 1) < 0.67)
    if bend:
        x, y = x + bend * noise(random, 1.8), y + bend * noise(random, 1.8)
    return x, y


@functools.cache
def _frequencies() -> tuple[Tensor, Tensor]:
    return torch.fft.rfftfreq(SIZE, 1 / SIZE)[None], torch.fft.fftfreq(SIZE, 1 / SIZE)[:, None]


def noise(
    random: Random, slope: float, lowest: float = 1, stretch_x: float = 1, stretch_y: float = 1
) -> Float[Tensor, "h w"]:
    """Tileable noise of mean 0 and variance 1 whose amplitudes fall with frequency f as f^-slope.

    Args:
        slope: 0 is white, 1 has the spectrum of photos (Field 1987), 2 is smooth.
        lowest: In periods per tile; nothing is coarser.
        stretch_x: How much longer than high its grains are.
    """
    fx, fy = _frequencies()
    frequency = ((fx * stretch_x) ** 2 + (fy * stretch_y) ** 2).sqrt()
    gain = torch.where(frequency < lowest, 0.0, frequency.clamp(min=1e-3) ** -slope)
    field = torch.fft.irfft2(torch.fft.rfft2(random.normal(SIZE, SIZE)) * gain, s=(SIZE, SIZE))
    return (field - field.mean()) / field.std().clamp(min=1e-6)


def edge(distance: Float[Tensor, "h w"], width: float = 1 / SIZE) -> Float[Tensor, "h w"]:
    """0 where `distance` is negative, 1 where it is positive, with a ramp of `width` between."""
    return (distance / width + 0.5).clamp(0, 1)


def mix(
    below: Float[Tensor, "*#h w 3"], above: Float[Tensor, "*#h w 3"], cover: Float[Tensor, "h w"]
) -> Float[Tensor, "h w 3"]:
    return below + (above - below) * cover[..., None]


# Hue, saturation and value from..to, and how often each family is drawn.
_FAMILIES = {
    "wall": ((0.04, 0.17), (0.02, 0.22), (0.55, 1.0), 3.0),
    "stone": ((0.0, 1.0), (0.0, 0.08), (0.15, 0.9), 3.0),
    "earth": ((0.01, 0.12), (0.15, 0.6), (0.2, 0.7), 3.0),
    "wood": ((0.05, 0.11), (0.3, 0.65), (0.25, 0.8), 1.5),
    "plant": ((0.15, 0.34), (0.15, 0.55), (0.12, 0.6), 1.5),
    "metal": ((0.5, 0.7), (0.03, 0.3), (0.2, 0.8), 1.5),
    "vivid": ((0.0, 1.0), (0.45, 0.95), (0.3, 0.95), 1.0),
}


def colours(random: Random, count: int, family: str | None = None) -> Float[Tensor, "count 3"]:
    """RGB colours that go together: of one family (drawn when None), most of them near one hue."""
    if family is None:
        weights = torch.tensor([entry[-1] for entry in _FAMILIES.values()])
        drawn = torch.searchsorted(weights.cumsum(0), random.uniform(0, float(weights.sum()), 1))
        family = list(_FAMILIES)[int(drawn)]
    hues, saturations, values, _ = _FAMILIES[family]
    hue = random.uniform(*hues, 1) + 0.3 * (hues[1] - hues[0]) * random.uniform(-0.5, 0.5, count)
    return _rgb(hue, random.uniform(*saturations, count), random.uniform(*values, count))


def _rgb(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    ramps = (6 * hue[:, None] + torch.tensor([0.0, 4.0, 2.0])) % 6
    return value[:, None] * (1 - saturation[:, None] * (1 - ((ramps - 3).abs() - 1).clamp(0, 1)))


def ramp(field: Float[Tensor, "h w"], stops: Float[Tensor, "stops 3"]) -> Float[Tensor, "h w 3"]:
    """Colours of a field of variance 1: the first stop at -2, the last at 2, in equal steps between."""
    position = ((field + 2) / 4).clamp(0, 1) * (len(stops) - 1)
    index = position.long().clamp(max=len(stops) - 2)
    return torch.lerp(stops[index], stops[index + 1], (position - index)[..., None])


def relief(height: Float[Tensor, "h w"], random: Random, strength: float) -> Float[Tensor, "h w 1"]:
    """Light and shade of a bumpy surface, a factor about 1, lit from a random side."""
    angle = float(random.uniform(0, 2 * math.pi, 1))
    slope = math.cos(angle) * (height - height.roll(1, 1)) + math.sin(angle) * (height - height.roll(1, 0))
    return (1 + strength * slope / slope.std().clamp(min=1e-6)).clamp(0.4, 1.6)[..., None]


def table(values: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Entries of a random table that repeats for ever, at (fractions of) rows and columns."""
    return values[row.floor().long() % values.shape[0], column.floor().long() % values.shape[1]]


@dataclass(frozen=True)
class Stamps:
    """Small shapes in the order in which they are laid down."""

    centre: Float[Tensor, "n 2"]
    half: Float[Tensor, "n 2"]
    """Half lengths along their own axes, in tiles, at most one half."""
    angle: Float[Tensor, "n"]
    """Of the first axis, in radians."""
    shape: Int[Tensor, "n"]
    """0: ellipse, 1: rectangle, 2: leaf with two tips on the first axis."""


@dataclass(frozen=True)
class Stamped:
    """What lies on top at every texel."""

    index: Int[Tensor, "h w"]
    """Of the stamp; -1 where there is none."""
    u: Float[Tensor, "h w"]
    """Along the stamp's first axis, -1..1."""
    v: Float[Tensor, "h w"]
    """Along its second."""

    @property
    def cover(self) -> Float[Tensor, "h w"]:
        return (self.index >= 0).float()


def stamp(stamps: Stamps) -> Stamped:
    """Lay the stamps down, later ones on top of earlier ones (dead leaves, Matheron 1968)."""
    top = torch.full((SIZE * SIZE,), -1)
    reach = torch.where(stamps.shape == 1, stamps.half.norm(dim=-1), stamps.half.amax(dim=-1)) * 2 * SIZE + 2
    smaller = 0.0
    for window in _WINDOWS:  # each stamp is tested only in a window that holds it
        limit = math.inf if window == SIZE else float(window)
        chosen = ((reach > smaller) & (reach <= limit)).nonzero()[:, 0]
        smaller = limit
        if len(chosen) == 0:
            continue
        start = (stamps.centre[chosen] * SIZE - window / 2).round()
        texel = start[..., None] + torch.arange(window)
        offset = (texel + 0.5) / SIZE - stamps.centre[chosen][..., None]
        inside = _inside(stamps, chosen[:, None, None], offset[:, 0, None, :], offset[:, 1, :, None])
        texel = texel.long() % SIZE
        where = (texel[:, 1, :, None] * SIZE + texel[:, 0, None, :])[inside]
        order = chosen[:, None, None].expand_as(inside)[inside]
        top.scatter_reduce_(0, where, order, "amax")
    index = top.reshape(SIZE, SIZE)
    x, y = grid()
    owner = index.clamp(min=0)
    centre = stamps.centre[owner]
    u, v = _local(stamps, owner, (x - centre[..., 0] + 0.5) % 1 - 0.5, (y - centre[..., 1] + 0.5) % 1 - 0.5)
    return Stamped(index, u, v)


def _local(stamps: Stamps, index: Tensor, dx: Tensor, dy: Tensor) -> tuple[Tensor, Tensor]:
    cosine, sine = stamps.angle.cos()[index], stamps.angle.sin()[index]
    u = (dx * cosine + dy * sine) / stamps.half[:, 0][index]
    return u, (dy * cosine - dx * sine) / stamps.half[:, 1][index]


def _inside(stamps: Stamps, index: Tensor, dx: Tensor, dy: Tensor) -> Tensor:
    u, v = _local(stamps, index, dx, dy)
    u, v, shape = u.abs(), v.abs(), stamps.shape[index]
    distance = torch.where(shape == 0, u * u + v * v, torch.where(shape == 1, u.maximum(v), v + u * u))
    return distance < 1


@dataclass(frozen=True)
class Cells:
    """A Voronoi diagram."""

    shade: Float[Tensor, "h w"]
    """A random number of the cell, 0..1."""
    border: Float[Tensor, "h w"]
    """0 on the borders, about 1 in the middle of the cells."""


def cells(random: Random, x: Tensor, y: Tensor, rows: int, columns: int, jitter: float) -> Cells:
    """Voronoi cells of a lattice with shifted odd rows (hexagons); each point moves by up to `jitter` of its cell."""
    rows += rows % 2  # or the shifted rows would not meet at the seam
    move = jitter * random.uniform(-0.5, 0.5, rows, columns, 2)
    shades = random.uniform(0, 1, rows, columns)
    row0, first, second = (y * rows).floor(), torch.full_like(x, 9.0), torch.full_like(x, 9.0)
    shade = torch.zeros_like(x)
    for down in (-1, 0, 1):
        row = row0 + down
        shift = 0.5 * (row % 2)
        column0 = (x * columns - shift).floor()
        for right in (-1, 0, 1):
            column = column0 + right
            moved = table(move, row, column)
            dx = x * columns - (column + shift + 0.5 + moved[..., 0])
            dy = y * rows - (row + 0.5 + moved[..., 1])
            distance = dx * dx + dy * dy
            nearer = distance < first
            second = torch.where(nearer, first, second.minimum(distance))
            shade = torch.where(nearer, table(shades, row, column), shade)
            first = first.minimum(distance)
    return Cells(shade, second.sqrt() - first.sqrt())


def lettering(random: Random, column: Float[Tensor, "h w"], line: Float[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    """Ink (0..1) of text-like marks: words of glyphs made of a few strokes, in ragged lines.

    Args:
        column: Which character a texel belongs to; the fraction says where in it.
        line: Likewise for the line.
    """
    glyphs, strokes = 24, 3
    # Strokes run between points of a lattice of 3 x 5, as those of most alphabets do.
    ends = torch.stack([random.integers(0, 3, glyphs, strokes, 2), random.integers(0, 5, glyphs, strokes, 2)], dim=-1)
    ends = torch.tensor([0.12, 0.16]) + ends * torch.tensor([0.33, 0.15])
    written = random.uniform(0, 1, 31, 37) > 0.18
    length = random.uniform(0.2, 1.3, 31, 1) * 37
    written &= torch.arange(37) < length
    glyph = table(random.integers(0, glyphs, 31, 37), line, column)
    u, v = column - column.floor(), line - line.floor()
    nearest = torch.full_like(u, 9.0)
    for stroke in range(strokes):
        (x0, y0), (x1, y1) = (ends[:, stroke, end].unbind(-1) for end in (0, 1))
        dx, dy = x1 - x0, y1 - y0
        scale = 1 / (dx * dx + dy * dy).clamp(min=1e-3)
        px, py, dx, dy, scale = u - x0[glyph], v - y0[glyph], dx[glyph], dy[glyph], scale[glyph]
        along = ((px * dx + py * dy) * scale).clamp(0, 1)
        nearest = nearest.minimum((px - along * dx) ** 2 + (py - along * dy) ** 2)
    thickness = float(random.uniform(0.05, 0.11, 1))
    return edge(thickness - nearest.sqrt(), 0.08) * table(written, line, column)
