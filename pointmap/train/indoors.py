"""Arrangements with walls around them."""

import math
from dataclasses import replace

import torch

from pointmap.train.furniture import ROOM_THINGS, SMALL_THINGS
from pointmap.train.items import Items, place, tops
from pointmap.train.placing import Draft, along_walls, around, draw_room, evenly, focus, on_top, on_walls, scattered
from pointmap.train.random import Random
from pointmap.train.townscape import SOLIDS, STATUES


def room(n: int, random: Random) -> Draft:
    half = draw_room(n, random, (1.4, 4.0), (1.4, 4.0))
    furniture = along_walls(half, random, evenly(ROOM_THINGS), 8, 0.8)
    # A group in the middle: a table with chairs about it, or an armchair.
    x, z = (random.uniform(-0.35, 0.35, n, 1) * half[:, [axis]] for axis in (0, 2))
    turn = random.integers(0, 4, n, 1) * (math.pi / 2) + 0.1 * random.normal(n, 1)
    some = (random.uniform(0, 1, n, 1) < 0.75).float()
    table = place({"table": 3, "round_table": 2, "desk": 1, "sofa": 1, "bench": 1}, x, 0, z, turn, random, chance=some)
    angle = turn + torch.arange(4, device=random.device) * (math.pi / 2)
    reach = table.size[..., [0, 2]].amax(dim=-1) + random.uniform(0.0, 0.35, n, 4)
    seat_turn = angle + 0.25 * random.normal(n, 4)
    seats = place(
        {"chair": 3, "rail_chair": 2, "stool": 1, "sofa": 0.3},
        x + angle.sin() * reach, 0, z + angle.cos() * reach, seat_turn, random, chance=0.7 * some, same=True,
    )  # fmt: skip
    on = Items.cat([furniture, table])
    items = [
        furniture,
        table,
        seats,
        on_top(on, random, 9, 0.8),
        on_walls(half, random, 8),
        scattered(half, random, 3),
    ]
    look = random.integers(0, 8, n)
    target = furniture.position[torch.arange(n, device=random.device), look] * 0.6
    extent = half[:, [0, 2]].amin(dim=1) * random.uniform(0.5, 0.9, n)
    return Draft(Items.cat(items), half, focus(target[:, 0], 0.75, target[:, 2], extent), False)


def corridor(n: int, random: Random) -> Draft:
    half = draw_room(n, random, (0.8, 1.5), (4, 12))
    # Equal doors on both sides at equal distances, and a few things along the walls.
    along = (torch.arange(5, device=random.device) - 2.0) * 2 * half[:, 2:] / 5.5
    along = torch.cat([along, along], dim=1)
    side = torch.tensor([-1.0] * 5 + [1.0] * 5, device=random.device).expand(n, 10)
    doors = place(
        {"door": 4, "window": 1}, side * half[:, :1], 0, along, side * math.pi / 2, random, chance=0.8, same=True
    )
    doors.position[..., 0] -= side * doors.size[..., 2]
    lamps = place(
        {"box": 2, "cylinder": 1, "ball": 1}, 0 * along[:, :5], 0, along[:, :5], 0 * along[:, :5], random, same=True
    )
    lamps.size[..., 1] = 0.08
    lamps.position[..., 1] = 2 * half[:, None, 1] - 0.08
    things = {"cabinet": 2, "bench": 2, "plant": 2, "bin": 1, "column": 1, "radiator": 1, "pipe": 1, "shelf_1x4": 1}
    items = [doors, lamps, along_walls(half, random, things, 8, 0.6), on_walls(half, random, 6)]
    z = random.uniform(-0.5, 0.5, n) * half[:, 2]
    return Draft(Items.cat(items), half, focus(0 * z, 1.2, z, random.uniform(1.5, 3, n)), False)


def still_life(n: int, random: Random) -> Draft:
    half = draw_room(n, random, (1.3, 3.5), (1.3, 3.5))
    zero = torch.zeros(n, 1, device=random.device)
    table = place(
        {"table": 4, "round_table": 2, "desk": 2, "cabinet": 1, "bench": 1},
        zero,
        0,
        zero,
        random.uniform(0, 6.3, n, 1),
        random,
    )
    names = evenly(SMALL_THINGS) | {"hollow": 0.4, "body": 0.6, "ball": 0.3, "box": 0.3}
    things = on_top(table, random, 12, 0.85, names)
    things.size[...] = torch.where(things.size[..., :1] > 0.3, things.size * 0.4, things.size)
    items = [table, things, along_walls(half, random, evenly(ROOM_THINGS), 8, 0.6), on_walls(half, random, 6)]
    extent = table.size[:, 0, [0, 2]].amin(dim=1).clamp(max=0.5) * random.uniform(0.6, 1.1, n)
    return Draft(Items.cat(items), half, focus(zero[:, 0], tops(table)[:, 0] + 0.1, zero[:, 0], extent), False)


def statue(n: int, random: Random) -> Draft:
    half = draw_room(n, random, (1.5, 4.5), (1.5, 4.5))
    zero = torch.zeros(n, 1, device=random.device)
    pedestal = place(
        {"box": 2, "cylinder": 2, "column": 1, "round_table": 2}, zero, 0, zero, random.uniform(0, 6.3, n, 1), random
    )
    pedestal.size[...] = torch.stack(
        [random.uniform(0.25, 0.55, n, 1), random.log_uniform(0.03, 1.0, n, 1), random.uniform(0.25, 0.55, n, 1)],
        dim=-1,
    )
    statue = place(evenly(STATUES), zero, tops(pedestal), zero, random.uniform(0, 6.3, n, 1), random)
    on = place(evenly(SMALL_THINGS), *around(n, random, 3, 0.35), random, chance=0.5)
    on.position[..., 1] = tops(pedestal)
    items = [statue, pedestal, on, along_walls(half, random, evenly(ROOM_THINGS), 8, 0.5), on_walls(half, random, 6)]
    height = statue.size[:, 0, 1]
    centre = statue.position[:, 0, 1] + 0.5 * height
    return Draft(Items.cat(items), half, focus(zero[:, 0], centre, zero[:, 0], 0.7 * height), False)


def pile(n: int, random: Random) -> Draft:
    """Anything on anything, at any angle: not like a place, but every shape from every side."""
    half = draw_room(n, random, (1.3, 5), (1.3, 5))
    extent = random.log_uniform(0.3, 1.6, n)
    x, z = (0.5 * extent[:, None] * random.normal(n, 20) for _ in range(2))
    lift = random.uniform(0, 1, n, 20) * (random.uniform(0, 1, n, 20) < 0.4) * extent[:, None]
    many = random.uniform(0.3, 1, n, 1).expand(n, 20)
    names = evenly(SOLIDS) | {"box": 4, "hollow": 1.5}
    items = place(names, x, lift, z, random.uniform(-3.2, 3.2, n, 20), random, chance=many, scale=1.5 * extent[:, None])
    tilted = (random.uniform(0, 1, n, 20) < 0.3)[..., None, None]
    thin = random.uniform(0, 1, n, 20) < 0.25
    items.size[..., 0] *= torch.where(thin, 0.15, 1.0)
    items = replace(items, rotation=torch.where(tilted, random.rotation(n, 20), items.rotation))
    wall = along_walls(half, random, evenly(ROOM_THINGS), 8, 0.4)
    return Draft(Items.cat([items, wall]), half, focus(0 * extent, 0.4 * extent, 0 * extent, extent), False)
