"""Arrangements under the sky."""

import math
from collections.abc import Callable

import torch

from pointmap.train.indoors import pile
from pointmap.train.items import NOTHING, Items, place
from pointmap.train.placing import Draft, along_street, around, evenly, focus, vast
from pointmap.train.random import Random
from pointmap.train.townscape import FRONTS


def facade(n: int, random: Random) -> Draft:
    step = 2.0 * random.uniform(2.5, 6, n, 1)
    x = (torch.arange(3, device=random.device) - 1.0) * step + random.normal(n, 1)
    fronts = place(evenly(FRONTS), x, 0, 0 * x, 0.03 * random.normal(n, 3), random)
    fronts.size[..., 0] = step * random.uniform(0.42, 0.5, n, 3)
    setback = random.uniform(0, 0.6, n, 3) * (random.uniform(0, 1, n, 3) < 0.6)
    fronts.position[..., 2] = fronts.size[..., 2] + setback
    near = {
        "column": 2,
        "steps": 2,
        "bench": 2,
        "bin": 2,
        "lamp_post": 1,
        "bush": 2,
        "plant": 2,
        "sign": 2,
        "crates": 2,
        "rail": 1,
        "fence": 1,
    }
    spots = torch.sort(random.uniform(-8, 8, n, 8), dim=1).values
    front = place(near, spots, 0, -random.uniform(0.3, 1.2, n, 8), 0.2 * random.normal(n, 8), random, chance=0.7)
    row = torch.linspace(-6, 6, 5, device=random.device).expand(n, 5)
    rows = place(
        {"column": 2, "bollard": 2, "tree": 1, "lamp_post": 1, "car": 1},
        row,
        0,
        0 * row - random.uniform(0.8, 5, n, 1),
        0 * row,
        random,
        chance=0.6,
        same=True,
    )
    away = place(
        {"tree": 3, "house": 3, "car": 2, "fence": 1},
        random.uniform(-15, 15, n, 5),
        0,
        -random.uniform(14, 25, n, 5),
        math.pi + 0 * setback[:, :1].expand(n, 5),
        random,
    )
    middle = random.uniform(-4, 4, n)
    interest = focus(middle, random.uniform(1.2, 2.2, n), 0 * middle, random.log_uniform(1.2, 4, n))
    return Draft(Items.cat([fronts, front, rows, away]), vast(n, random), interest, True)


def street(n: int, random: Random) -> Draft:
    width = random.uniform(3.5, 8, n, 1)
    slots = torch.arange(10, device=random.device)
    side = torch.where(slots % 2 == 0, 1.0, -1.0).expand(n, 10)
    z = ((slots // 2) - 2.0) * 11 + random.normal(n, 10)
    houses = place(dict.fromkeys(FRONTS, 1.0) | {"house": 4}, 0 * z, 0, z, side * math.pi / 2, random, chance=0.9)
    houses.size[..., 0] = houses.size[..., 0].clamp(max=5.3)
    houses.position[..., 0] = side * (width + houses.size[..., 2] + random.uniform(0, 1, n, 10))
    slots = torch.arange(12, device=random.device)
    side = torch.where(slots % 2 == 0, 1.0, -1.0)
    z = ((slots // 2) - 2.5) * random.uniform(4, 8, n, 1)
    row = place(
        {"tree": 2, "lamp_post": 2, "bollard": 1, "conifer": 1},
        side * (width - 1),
        0,
        z,
        0 * z,
        random,
        chance=0.8,
        same=True,
    )
    cars = place({"car": 5, "bin": 1, "bush": 1}, *along_street(around(n, random, 8, 1.0)), random, chance=0.6)
    cars.position[..., 0] = torch.where(random.uniform(0, 1, n, 8) < 0.5, 1.0, -1.0) * (width - 2.2)
    cars.position[..., 2] = random.uniform(-18, 18, n, 8)
    wires = place(
        {"wire": 1}, 0 * width.expand(n, 3), 4.5, random.uniform(-15, 15, n, 3), 0 * z[:, :3], random, chance=0.4
    )
    z = random.uniform(-8, 8, n)
    return Draft(
        Items.cat([houses, row, cars, wires]),
        vast(n, random),
        focus(0 * z, 1.6, z, random.uniform(2.5, 5, n)),
        True,
    )


def garden(n: int, random: Random) -> Draft:
    """Thin things: fences, rails, lattices, poles, wires; and what stands between them."""
    names = {
        "fence": 3,
        "rail": 2,
        "lattice": 2,
        "sign": 1,
        "lamp_post": 1,
        "bench": 1,
        "tree": 1,
        "bush": 2,
        "rail_chair": 2,
        "table": 1,
        "column": 1,
        "rock": 1,
        "steps": 1,
    }
    extent = random.log_uniform(1.2, 4, n)
    x, z = (0.6 * extent[:, None] * random.normal(n, 14) for _ in range(2))
    quarter = random.integers(0, 4, n, 14) * (math.pi / 2)
    things = place(names, x, 0, z, quarter, random, chance=0.8)
    row = torch.linspace(-1, 1, 7, device=random.device) * extent[:, None] * 1.5
    rows = place(
        {"bollard": 1, "column": 1, "rail_chair": 1, "lattice": 1, "plant": 1, "sign": 1},
        row,
        0,
        0 * row + extent[:, None],
        0 * row,
        random,
        chance=0.8,
        same=True,
    )
    behind = place(
        {"house": 2, "tree": 3, "conifer": 2, "front_5x2": 2, "car": 1},
        random.uniform(-12, 12, n, 6),
        0,
        random.uniform(6, 14, n, 6),
        0 * x[:, :6],
        random,
    )
    wires = place(
        {"wire": 1},
        0 * x[:, :3],
        random.uniform(2.2, 5, n, 3),
        random.uniform(-2, 4, n, 3),
        0.1 * x[:, :3],
        random,
        chance=0.5,
    )
    zero = torch.zeros(n, device=random.device)
    return Draft(Items.cat([things, rows, behind, wires]), vast(n, random), focus(zero, 0.8, zero, extent), True)


def hillside(n: int, random: Random) -> Draft:
    extent = random.log_uniform(2, 7, n)
    x, z = (extent[:, None] * random.normal(n, 22) for _ in range(2))
    far = torch.arange(22, device=random.device) > 12
    x, z = torch.where(far, 5 * x, x), torch.where(far, 5 * z, z)
    names = {
        "tree": 2,
        "conifer": 2,
        "rock": 5,
        "bush": 4,
        "fence": 2,
        "house": 1,
        "sign": 0.5,
        "bench": 0.5,
        "figure": 0.5,
    }
    items = place(names, x, 0, z, random.uniform(-3, 3, n, 22), random, chance=0.8)
    zero = torch.zeros(n, device=random.device)
    return Draft(items, vast(n, random), focus(zero, 0.7, zero, extent), True)


def outdoors(draft_of: Callable[[int, Random], Draft]) -> Callable[[int, Random], Draft]:
    """The same under the sky, with a garden behind instead of the room."""

    def moved(n: int, random: Random) -> Draft:
        draft = draft_of(n, random)
        indoors = slice(-14, None) if draft_of is not pile else slice(-8, None)
        draft.items.thing[:, indoors] = NOTHING
        azimuth, distance = random.uniform(0, 6.3, n, 10), random.uniform(4, 14, n, 10)
        names = {
            "tree": 3,
            "bush": 3,
            "house": 2,
            "fence": 2,
            "car": 1,
            "conifer": 1,
            "lamp_post": 1,
            "column": 1,
            "rock": 2,
        }
        x, z = azimuth.sin() * distance, azimuth.cos() * distance
        behind = place(names, x, 0, z, azimuth, random, chance=0.8)
        near = behind.size[..., [0, 2]].amax(dim=-1)
        behind.position[..., [0, 2]] *= ((distance + near) / distance)[..., None]
        return Draft(Items.cat([draft.items, behind]), vast(n, random), draft.interest, True)

    return moved
