"""The kinds of procedural textures: each function paints one tile, RGB about 0..1, tileable in both directions."""

import math

import torch
from torch import Tensor

from pointmap.shapes import Float
from pointmap.train.painting import (
    SIZE,
    Stamps,
    bent_grid,
    cells,
    colours,
    edge,
    grid,
    lettering,
    mix,
    noise,
    ramp,
    relief,
    stamp,
    table,
)
from pointmap.train.random import Random

Image = Float[Tensor, "h w 3"]


def _chance(random: Random, probability: float) -> bool:
    return bool(random.uniform(0, 1, 1) < probability)


def _number(random: Random, low: float, high: float) -> float:
    return float(random.log_uniform(low, high, 1))


def _count(random: Random, low: int, high: int) -> int:
    return int(random.integers(low, high + 1, 1))


def plain(random: Random) -> Image:
    """Paint, plaster, plastic: one colour, slow changes of shade and a faint grain."""
    base = colours(random, 1, "wall" if _chance(random, 0.5) else None)
    shade = _number(random, 0.005, 0.06) * noise(random, 2) + _number(random, 0.005, 0.05) * noise(random, 0.4, 8)
    return base * (1 + shade)[..., None]


def clouds(random: Random) -> Image:
    """Noise with the spectrum of photos, a little rougher or smoother."""
    image = ramp(noise(random, _number(random, 0.8, 2), _count(random, 1, 6)), colours(random, 4))
    return image + _number(random, 0.005, 0.04) * torch.stack([noise(random, 1.2) for _ in range(3)], dim=-1)


def patches(random: Random) -> Image:
    """Noise cut at levels: camouflage, lichen, maps, peeling paint."""
    field = noise(random, _number(random, 1.0, 2.2), _count(random, 1, 4))
    levels = _count(random, 2, 6)
    step = ((field + 2) / 4 * levels).floor().clamp(0, levels - 1).long()
    stops = colours(random, levels) if _chance(random, 0.6) else torch.cat([colours(random, 1) for _ in range(levels)])
    return stops[step] * (1 + 0.08 * noise(random, 0.7))[..., None] * relief(field, random, 0.06)


def marble(random: Random) -> Image:
    """Veins: waves bent by noise."""
    x, y = grid()
    bend = _number(random, 0.1, 0.5) * noise(random, 2.2)
    wave = (2 * math.pi * (_count(random, 0, 3) * x + _count(random, 1, 3) * y + bend)).sin()
    vein = (1 - wave.abs()) ** _number(random, 1, 6)
    return ramp(4 * vein - 2 + 0.4 * noise(random, 1), colours(random, 3))


def masonry(random: Random) -> Image:
    """Bricks, tiles, pavements: rows of blocks with joints, each block with its own shade and grain."""
    x, y = bent_grid(random)
    columns, rows = _count(random, 1, 10), 2 * _count(random, 1, 9)
    shift = 0.5 if _chance(random, 0.6) else 0.0
    row = (y * rows).floor()
    u, v = x * columns + shift * (row % 2), y * rows
    joint = _number(random, 0.004, 0.02)
    inside = torch.minimum(
        (0.5 - (u - u.floor() - 0.5).abs()) / columns, (0.5 - (v - v.floor() - 0.5).abs()) / rows
    )  # distance to the nearest joint's middle, in tiles
    inside = inside - joint * (1 + 0.3 * noise(random, 0.8) * _chance(random, 0.5))
    kinds = colours(random, _count(random, 1, 5))
    block = kinds[table(random.integers(0, len(kinds), rows, columns), v, u)]
    block = block * (1 + random.uniform(0, 0.4, 1) * (table(random.uniform(-1, 1, rows, columns), v, u)))[..., None]
    block = block * (1 + _number(random, 0.01, 0.15) * noise(random, _number(random, 0.3, 1.2)))[..., None]
    joints = colours(random, 1, "stone") * (1 + 0.1 * noise(random, 0.5))[..., None]
    height = edge(inside - 0.004, 0.012) + 0.02 * noise(random, 1)
    return mix(joints, block, edge(inside)) * relief(height, random, _number(random, 0.02, 0.2))


def checkers(random: Random) -> Image:
    x, y = bent_grid(random)
    half = _count(random, 1, 6)
    u, v = (x + y, x - y) if _chance(random, 0.3) else (x, y)
    even = edge(((2 * math.pi * half * u).sin() * (2 * math.pi * half * v).sin()), 0.1)
    dark, light = colours(random, 2) if _chance(random, 0.3) else torch.cat([colours(random, 1), colours(random, 1)])
    return mix(dark, light, even) * (1 + 0.08 * noise(random, 0.8))[..., None]


def _grain(random: Random, x: Tensor, y: Tensor, offset: Tensor | float = 0.0) -> Tensor:
    """Wood cut along x: year rings as long waves, which flow around knots."""
    rings = _count(random, 3, 14)
    phase = rings * y + offset + _number(random, 0.2, 0.8) * noise(random, 2, stretch_x=_number(random, 3, 6))
    for _ in range(_count(random, 0, 4)):
        cx, cy = random.uniform(0, 1, 2).tolist()
        size = _number(random, 0.015, 0.05)
        dx, dy = ((x - cx + 0.5) % 1 - 0.5) / (2.5 * size), ((y - cy + 0.5) % 1 - 0.5) / size
        phase = phase + _number(random, 1, 4) * torch.exp(-(dx * dx + dy * dy))
    saw = phase - phase.floor()
    ring = saw * saw * edge(1 - saw, 0.3)  # late wood is dark and ends at once
    return ring + _number(random, 0.03, 0.2) * noise(random, 0.9, 4, stretch_x=16)


def wood(random: Random) -> Image:
    """One board."""
    x, y = grid()
    image = ramp(2.5 * _grain(random, x, y) - 1.5, colours(random, 3, "wood"))
    return image.transpose(0, 1) if _chance(random, 0.3) else image


def planks(random: Random) -> Image:
    """Floors, fences, crates: boards side by side, cut to length."""
    x, y = grid()
    rows, columns = _count(random, 2, 9), _count(random, 1, 3)
    shift = table(random.uniform(0, 1, rows, 1), y * rows, torch.zeros_like(x))
    u, v = x * columns + shift, y * rows
    tone = table(random.uniform(-1, 1, rows, columns), v, u)
    grain = _grain(random, x, y, offset=table(random.uniform(0, 9, rows, columns), v, u))
    image = ramp(1.8 * grain - 1.2 + _number(random, 0.1, 0.9) * tone, colours(random, 3, "wood"))
    if _chance(random, 0.25):  # painted
        image = mix(image, colours(random, 1) * (0.9 + 0.1 * grain)[..., None], torch.tensor(0.8).expand(SIZE, SIZE))
    gap = torch.minimum((0.5 - (v - v.floor() - 0.5).abs()) / rows, (0.5 - (u - u.floor() - 0.5).abs()) / columns)
    image = image * (0.25 + 0.75 * edge(gap - _number(random, 0.001, 0.006), 0.008))[..., None]
    return image.transpose(0, 1) if _chance(random, 0.4) else image


def stripes(random: Random) -> Image:
    """Stripes of several widths, soft or sharp, straight or wavy."""
    x, y = bent_grid(random)
    across = _count(random, 0, 4) * x + _count(random, 1, 4) * y
    across = across + 0.05 * random.uniform(0, 1, 1) * noise(random, 2)
    bands = _count(random, 2, 12)
    stops = colours(random, bands) if _chance(random, 0.7) else torch.cat([colours(random, 1) for _ in range(bands)])
    position = (across % 1) * bands
    low = position.long() % bands
    softness = _number(random, 0.05, 1)
    image = mix(stops[low - 1], stops[low], edge(position - position.floor() - softness / 2, softness))
    image = image * (1 + _number(random, 0.01, 0.1) * noise(random, 0.6))[..., None]
    return image.transpose(0, 1) if _chance(random, 0.5) else image


def fabric(random: Random) -> Image:
    """Plaids and weaves: threads of many colours over and under each other."""
    x, y = bent_grid(random)
    threads = 2 * _count(random, 8, 32)
    groups = _count(random, 2, 8)
    yarn = colours(random, _count(random, 2, 4))
    warp = yarn[table(random.integers(0, len(yarn), 1, groups), torch.zeros_like(x), x * groups)]
    weft = yarn[table(random.integers(0, len(yarn), groups, 1), y * groups, torch.zeros_like(x))]
    twill = float(_count(random, 0, 1))
    u, v = x * threads, y * threads
    over = ((u.floor() + v.floor() * (1 + twill)) % (2 + 2 * twill)) < (1 + twill)
    rounding = torch.where(over, 0.5 - (u - u.floor() - 0.5).abs(), 0.5 - (v - v.floor() - 0.5).abs())
    image = mix(weft, warp, over.float()) * (0.6 + 0.9 * rounding)[..., None]
    return image * (1 + 0.06 * noise(random, 0.8))[..., None]


def ornament(random: Random) -> Image:
    """Wallpaper, carpets, encaustic tiles: a mirrored motif that repeats."""
    x, y = grid()
    columns, rows = _count(random, 1, 6), _count(random, 1, 6)
    u, v = ((x * columns) % 1 - 0.5).abs(), ((y * rows) % 1 - 0.5).abs()
    if _chance(random, 0.6):
        u, v = torch.minimum(u, v), torch.maximum(u, v)
    motif = noise(random, _number(random, 1.4, 2.2), 2)
    field = motif[(v * (SIZE - 1)).long(), (u * (SIZE - 1)).long()]
    levels = _count(random, 2, 5)
    stops = colours(random, levels) if _chance(random, 0.6) else torch.cat([colours(random, 1) for _ in range(levels)])
    image = stops[((field + 1.5) / 3 * levels).floor().clamp(0, levels - 1).long()]
    return image * (1 + 0.06 * noise(random, 0.8))[..., None]


def dots(random: Random) -> Image:
    """Polka dots, pegboards, rivets, grilles."""
    x, y = bent_grid(random)
    columns = 2 * _count(random, 1, 12)
    rows = columns if _chance(random, 0.7) else 2 * _count(random, 1, 12)
    row = (y * rows).floor()
    u = x * columns + (0.5 * (row % 2) if _chance(random, 0.5) else 0.0)
    u, v = u - u.floor() - 0.5, y * rows - row - 0.5
    power = 2 if _chance(random, 0.6) else 6
    radius = float(random.uniform(0.12, 0.45, 1))
    ground, spot = torch.cat([colours(random, 1), colours(random, 1)])
    image = mix(ground, spot, edge(radius - (u.abs() ** power + v.abs() ** power) ** (1 / power), 0.1))
    return image * (1 + 0.06 * noise(random, 0.8))[..., None]


def stones(random: Random) -> Image:
    """Cobbles, flagstones, hexagonal tiles, scales, cracked mud, leather."""
    x, y = bent_grid(random)
    rows = _count(random, 2, 16)
    columns = max(1, round(rows * _number(random, 0.5, 1.2)))
    diagram = cells(random, x, y, rows, columns, jitter=float(random.uniform(0, 1, 1)))
    kinds = colours(random, _count(random, 1, 6))
    stone = kinds[(diagram.shade * len(kinds)).long().clamp(max=len(kinds) - 1)]
    grain = (diagram.shade * 57) % 1 - 0.5 + 0.3 * noise(random, 1)
    stone = stone * (1 + _number(random, 0.05, 0.4) * grain)[..., None]
    width = _number(random, 0.03, 0.2)
    dome = (diagram.border / _number(random, 0.2, 0.8)).clamp(max=1)
    image = mix(colours(random, 1, "earth"), stone, edge(diagram.border - width, 0.06))
    return image * relief(dome, random, _number(random, 0.03, 0.2))


def _scatter(random: Random, count: int, low: float, high: float, aspect: float, shape: int | None) -> Stamps:
    """Stamps anywhere, in any direction, large ones below."""
    length = random.log_uniform(low, high, count).sort(descending=True).values
    width = length * aspect * random.uniform(0.6, 1.4, count)
    shapes = random.integers(0, 3, count) if shape is None else torch.full((count,), shape)
    half = torch.stack([length, width], dim=-1).clamp(max=0.45)
    return Stamps(random.uniform(0, 1, count, 2), half, random.uniform(0, 2 * math.pi, count), shapes)


def _shaded(random: Random, stamps: Stamps, kinds: Tensor, ground: Tensor) -> Image:
    """Stamps of several colours on a ground, each brighter towards one side, with a shadow under the later ones."""
    laid = stamp(stamps)
    count = len(stamps.angle)
    own = random.uniform(-1, 1, 5, count)[:, laid.index.clamp(min=0)]
    shade = 1 + 0.25 * own[0] + 0.3 * (own[1] * laid.u + own[2] * laid.v) - 0.15 * own[3].clamp(min=0) * laid.v**2
    which = random.integers(0, len(kinds), count)[laid.index.clamp(min=0)]
    depth = laid.index.float() / count
    shadow = (depth.roll((-2, -2), (0, 1)) - depth).clamp(min=0)
    image = mix(ground, kinds[which] * shade[..., None], laid.cover)
    return image * (1 - 0.5 * (3 * shadow).clamp(max=1))[..., None]


def leaves(random: Random) -> Image:
    """Dead leaves of all sizes, flat or shaded: edges and corners as in photos of cluttered places."""
    kinds = torch.cat([colours(random, 2) for _ in range(_count(random, 1, 6))])
    ground = ramp(noise(random, 1), colours(random, 3))
    stamps = _scatter(random, _count(random, 30, 250), 0.015, _number(random, 0.06, 0.3), _number(random, 0.2, 1), None)
    image = _shaded(random, stamps, kinds, ground)
    return image * (1 + _number(random, 0.01, 0.1) * noise(random, 0.7))[..., None]


def foliage(random: Random) -> Image:
    """Leaves of plants: many of one kind over darkness, the upper ones lighter."""
    family = "plant" if _chance(random, 0.8) else "earth"
    count = _count(random, 150, 500)
    length = _number(random, 0.025, 0.09)
    stamps = _scatter(random, count, 0.7 * length, 1.3 * length, _number(random, 0.15, 0.6), 2)
    order = torch.randperm(count, generator=random.generator)
    stamps = Stamps(stamps.centre, stamps.half[order], stamps.angle, stamps.shape)
    laid = stamp(stamps)
    owner = laid.index.clamp(min=0)
    height = 0.35 + 0.65 * laid.index.float() / count
    rib = 0.15 * torch.exp(-((laid.v * 8) ** 2)) + 0.2 * random.uniform(-1, 1, count)[owner] * laid.v
    kinds = colours(random, 5, family)
    leaf = kinds[random.integers(0, 5, count)[owner]] * (height * (1 + rib))[..., None] * 1.4
    return mix(0.25 * kinds[0], leaf, laid.cover)


def grass(random: Random) -> Image:
    """Blades, fur, straw, needles: long thin stamps about one direction."""
    count = _count(random, 400, 900)
    mean, spread = random.uniform(0, math.pi, 1), random.uniform(0.1, 1.5, 1)
    half = torch.stack([random.log_uniform(0.03, 0.1, count), random.log_uniform(0.003, 0.01, count)], dim=-1)
    angle = mean + spread * random.uniform(-1, 1, count)
    stamps = Stamps(random.uniform(0, 1, count, 2), half, angle, torch.full((count,), 2))
    kinds = colours(random, 6, "plant" if _chance(random, 0.6) else "earth")
    laid = stamp(stamps)
    owner = laid.index.clamp(min=0)
    height = 0.5 + 0.5 * laid.index.float() / count
    blade = kinds[random.integers(0, 6, count)[owner]] * (height * (1 + 0.25 * laid.u))[..., None] * 1.3
    ground = 0.6 * ramp(noise(random, 0.8), kinds)
    return mix(ground, blade, laid.cover)


def gravel(random: Random) -> Image:
    """Gravel, terrazzo, asphalt, granite: small grains on or without a ground."""
    size = _number(random, 0.006, 0.035)
    count = min(1500, int(random.uniform(0.1, 1.0, 1) * 0.6 / size**2))
    shape = 0 if _chance(random, 0.5) else None
    stamps = _scatter(random, count, 0.5 * size, 1.5 * size, _number(random, 0.5, 1), shape)
    ground = colours(random, 1) * (1 + 0.1 * noise(random, 0.5))[..., None]
    return _shaded(random, stamps, colours(random, 6), ground)


def page(random: Random) -> Image:
    """Printed pages, notices, newspapers, labels: columns of text, headings, pictures."""
    x, y = grid()
    paper, ink = torch.cat([colours(random, 1, "wall"), 0.4 * colours(random, 1)])
    if _chance(random, 0.25):
        paper, ink = ink, paper
    blocks, parts = _count(random, 1, 3), _count(random, 1, 4)
    margin = float(random.uniform(0.03, 0.1, 1))
    u, v = (x * blocks) % 1, (y * parts) % 1
    inside = (u > margin) & (u < 1 - margin) & (v > margin) & (v < 1 - margin)
    column, part = (x * blocks).floor(), (y * parts).floor()
    lines = torch.round(random.log_uniform(1, 20 / parts, parts, blocks))  # few lines make a heading
    number = table(lines, part, column).clamp(min=1)
    line = v * number + 7 * part + 3 * column
    letter = u * number * parts / blocks * _number(random, 1.2, 2.0)  # glyphs are higher than wide
    text = lettering(random, letter, line) * inside
    image = mix(paper, ink, text)
    picture = inside & (table(random.uniform(0, 1, parts, blocks), part, column) < 0.25)
    return mix(image, clouds(random) if _chance(random, 0.5) else leaves(random), picture.float())


def posters(random: Random) -> Image:
    """A wall with posters, signs, shelves of labels: upright rectangles that carry text."""
    wall = plain(random)
    count = _count(random, 2, 24)
    size = random.log_uniform(0.5, 1.2, count, 2) * _number(random, 0.08, 0.3) / (count / 6) ** 0.3
    tilt = _number(random, 0.01, 0.3) * random.normal(count)
    laid = stamp(Stamps(random.uniform(0, 1, count, 2), size.clamp(max=0.34), tilt, torch.ones(count).long()))
    owner = laid.index.clamp(min=0)
    sheets = torch.cat([colours(random, 1) for _ in range(6)])
    inks = torch.cat([0.5 * colours(random, 1) for _ in range(3)] + [torch.ones(1, 3)])
    sheet, ink = sheets[random.integers(0, 6, count)[owner]], inks[random.integers(0, 4, count)[owner]]
    lines = random.integers(1, 9, count)[owner].float()
    letters = lines * (size[:, 0] / size[:, 1])[owner] * 1.6
    inside = torch.maximum(laid.u.abs(), laid.v.abs()) < 0.88
    text = lettering(random, (laid.u / 0.9 + 1) / 2 * letters + owner * 5, (laid.v / 0.9 + 1) / 2 * lines + owner * 11)
    image = mix(sheet, ink, text * inside)
    photos = random.uniform(0, 1, count)[owner] < 0.3
    image = mix(image, clouds(random), (photos & inside).float())
    return mix(wall, image, laid.cover)


def books(random: Random) -> Image:
    """Shelves of books, boxes, files: upright backs of many colours, heights and widths, some with titles."""
    x, y = grid()
    shelves, backs = _count(random, 1, 4), _count(random, 6, 20)
    v = (y * shelves + 0.5) % 1
    shelf = (y * shelves + 0.5).floor() % shelves
    # Uneven widths: a monotone map of x that keeps the ends of the tile.
    u = x * backs
    u = u + 0.3 * (2 * math.pi * (3 * x + 0.37 * shelf)).sin() + 0.2 * (2 * math.pi * (7 * x + 0.2 * shelf)).sin()
    kinds = torch.cat([colours(random, 2) for _ in range(6)])
    colour = kinds[table(random.integers(0, 12, shelves, backs), shelf, u)]
    top = 0.08 + 0.3 * table(random.uniform(0, 1, shelves, backs).square(), shelf, u)
    across = u - u.floor()
    round_back = 0.75 + 0.25 * (math.pi * across).sin()
    title = lettering(random, 14 * v, u) * (v > 0.4) * (v < 0.9)
    book = mix(colour * round_back[..., None], torch.tensor([0.9, 0.85, 0.7]), 0.8 * title)
    inside = edge(v - top, 0.01) * edge(0.94 - v, 0.01) * edge(0.48 - (across - 0.5).abs(), 0.05)
    board = edge(v - 0.95, 0.01)[..., None] * colours(random, 1, "wood")
    return mix(board + 0.06, book, inside)


def facade(random: Random) -> Image:
    """House fronts: windows with frames, bars, sills and reflections, on plaster or bricks."""
    x, y = grid()
    columns, rows = _count(random, 1, 6), _count(random, 1, 6)
    wide, high = random.uniform(0.3, 0.8, 2).tolist()
    u, v = (x * columns) % 1 - 0.5, (y * rows) % 1 - 0.5
    wall = masonry(random) if _chance(random, 0.3) else plain(random)
    ledge = edge(0.04 - (v - high / 2 - 0.08).abs(), 0.01) * edge(wide / 2 + 0.1 - u.abs(), 0.01)
    frame = edge(wide / 2 + 0.06 - u.abs(), 0.01) * edge(high / 2 + 0.06 - v.abs(), 0.01)
    window = edge(wide / 2 - u.abs(), 0.01) * edge(high / 2 - v.abs(), 0.01)
    bars = _count(random, 1, 4)
    across = ((v / high + 0.5) * bars) % 1
    bar = torch.maximum(edge(0.02 - u.abs(), 0.01), edge(0.04 - (across - 0.5).abs(), 0.02))
    lit = table(random.uniform(0, 1, rows, columns), y * rows, x * columns)
    reflection = 0.5 * (0.4 + lit + 0.5 * v) * (1 + 0.2 * noise(random, 1.5))
    glass = colours(random, 1, "metal") * reflection[..., None]
    curtain = edge(lit - 0.75, 0.01) * edge(u.abs() - wide * 0.3, 0.02)
    glass = mix(glass, colours(random, 1, "wall") * (0.8 + 0.2 * (60 * u).sin())[..., None], curtain)
    trim = colours(random, 1, "wall" if _chance(random, 0.7) else None)
    image = mix(mix(wall, trim * 0.8, ledge), trim, frame)
    return mix(mix(image, glass, window), trim, window * bar)


def metal(random: Random) -> Image:
    """Brushed or corrugated sheets with rust."""
    field = noise(random, 0.5, 2, stretch_x=_number(random, 4, 16))
    image = ramp(field, colours(random, 3, "metal"))
    if _chance(random, 0.4):
        _, y = grid()
        image = image * (0.7 + 0.3 * (2 * math.pi * _count(random, 4, 20) * y).sin())[..., None]
    rust = edge(noise(random, 1.2) - _number(random, 0.8, 2.5), 0.3)
    image = mix(image, ramp(noise(random, 0.7), colours(random, 3, "earth")), rust)
    return image.transpose(0, 1) if _chance(random, 0.5) else image


KINDS = (
    leaves, masonry, plain, clouds, planks, posters, stones, fabric, foliage, page, facade, stripes,
    wood, gravel, ornament, grass, patches, books, leaves, checkers, marble, plain, dots, metal, plain,
)  # fmt: skip
"""Ordered so that the first few, which is all that a small bank has, differ."""


def wear(random: Random, image: Image) -> Image:
    """What happens to surfaces: stains, streaks of rain, scratches, uneven light, a patch of something else."""
    if _chance(random, 0.25):
        stain = edge(noise(random, _number(random, 1.3, 2.2)) - random.uniform(0.3, 2, 1), _number(random, 0.1, 2))
        image = image * (1 - random.uniform(0.1, 0.6, 1) * stain * (1 + 0.3 * noise(random, 0.8)))[..., None]
    if _chance(random, 0.15):
        streak = noise(random, 1, 2, stretch_y=_number(random, 4, 12))
        image = image * (1 - _number(random, 0.03, 0.2) * streak.clamp(min=0))[..., None]
    if _chance(random, 0.15):
        count = _count(random, 5, 80)
        half = torch.stack([random.log_uniform(0.02, 0.3, count), random.uniform(0.001, 0.004, count)], dim=-1)
        angle = random.uniform(0, math.pi, 1) + random.uniform(0, 1, 1) * random.normal(count)
        scratch = stamp(Stamps(random.uniform(0, 1, count, 2), half, angle, torch.full((count,), 2)))
        image = mix(image, colours(random, 1), 0.6 * scratch.cover)
    if _chance(random, 0.25):
        image = image * (1 + _number(random, 0.03, 0.2) * noise(random, 2.5))[..., None]
    if _chance(random, 0.12):
        other = KINDS[_count(random, 0, len(KINDS) - 1)](random)
        image = mix(image, other, edge(noise(random, _number(random, 1.3, 2)) - random.uniform(0, 1, 1), 0.05))
    return image * (1 + _number(random, 0.003, 0.04) * noise(random, 0.3))[..., None]
