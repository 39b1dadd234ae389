"""What stands where: rooms, still lifes, streets, hills, each drawn at human scale in metres."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pointmap.shapes import Bool, Float, Int
from pointmap.train.furniture import FRONTS, ROOM_THINGS, SMALL_THINGS, SOLIDS, STATUES
from pointmap.train.items import NOTHING, Items, num_looks, place, to_solids, tops
from pointmap.train.random import Random
from pointmap.train.relief import ground_height

MAX_ITEMS = 48
NUM_LOOKS = num_looks(MAX_ITEMS)
NUM_WAVES = 9
VAST = (90.0, 45.0, 90.0)


@dataclass(frozen=True)
class Places:
    """Geometry of worlds; the fields of `Scenes` of the same name say what they are."""

    centre: Float[Tensor, "scenes objects 3"]
    half_size: Float[Tensor, "scenes objects 3"]
    rotation: Float[Tensor, "scenes objects 3 3"]
    active: Bool[Tensor, "scenes objects"]
    look: Int[Tensor, "scenes objects"]
    cut: Float[Tensor, "scenes cut_boxes 12"]
    body: Float[Tensor, "scenes 10"]
    ground: Float[Tensor, "scenes waves 4"]
    hilly: Bool[Tensor, "scenes"]
    outdoor: Bool[Tensor, "scenes"]
    room_half: Float[Tensor, "scenes 3"]
    interest: Float[Tensor, "scenes 4"]


@dataclass(frozen=True)
class _Draft:
    items: Items
    room_half: Float[Tensor, "scenes 3"]
    interest: Float[Tensor, "scenes 4"]
    outdoor: bool


def arrange(count: int, random: Random) -> Places:
    """Draw places, each arrangement as often as `SHARES` says."""
    bounds = torch.tensor([share for share, _ in SHARES.values()], device=random.device).cumsum(0)
    pick = torch.bucketize(random.uniform(0, 1, count) * bounds[-1], bounds[:-1])
    ground = _hills(count, random)
    hilly = pick == list(SHARES).index("hills")
    columns: dict[str, list[Tensor]] = {}
    for number, (_, draft_of) in enumerate(SHARES.values()):
        rows = (pick == number).nonzero()[:, 0]
        if len(rows) == 0:
            continue
        draft = draft_of(len(rows), random)
        items = _padded(draft.items)
        if draft_of is _hillside:
            items = _settled(items, ground[rows])
        parts = vars(items) | {
            "room_half": draft.room_half,
            "interest": draft.interest,
            "outdoor": torch.full((len(rows),), draft.outdoor, device=random.device),
            "rows": rows,
        }
        for name, value in parts.items():
            columns.setdefault(name, []).append(value)
    joined = {name: torch.cat(values) for name, values in columns.items()}
    order = joined.pop("rows").argsort()
    joined = {name: value[order] for name, value in joined.items()}
    solids = to_solids(Items(*(joined.pop(name) for name in Items.__dataclass_fields__)))
    return Places(**vars(solids), **joined, hilly=hilly, ground=ground, body=_bodies(count, random))


def _room(n: int, random: Random) -> _Draft:
    half = _room_half(n, random, (1.4, 4.0), (1.4, 4.0))
    furniture = _along_walls(half, random, _evenly(ROOM_THINGS), 8, 0.8)
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
        _on_top(on, random, 9, 0.8),
        _on_walls(half, random, 8),
        _scattered(half, random, 3),
    ]
    look = random.integers(0, 8, n)
    target = furniture.position[torch.arange(n, device=random.device), look] * 0.6
    extent = half[:, [0, 2]].amin(dim=1) * random.uniform(0.5, 0.9, n)
    return _Draft(Items.cat(items), half, _interest(target[:, 0], 0.75, target[:, 2], extent), False)


def _corridor(n: int, random: Random) -> _Draft:
    half = _room_half(n, random, (0.8, 1.5), (4, 12))
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
    items = [doors, lamps, _along_walls(half, random, things, 8, 0.6), _on_walls(half, random, 6)]
    z = random.uniform(-0.5, 0.5, n) * half[:, 2]
    return _Draft(Items.cat(items), half, _interest(0 * z, 1.2, z, random.uniform(1.5, 3, n)), False)


def _still_life(n: int, random: Random) -> _Draft:
    half = _room_half(n, random, (1.3, 3.5), (1.3, 3.5))
    zero = torch.zeros(n, 1, device=random.device)
    table = place(
        {"table": 4, "round_table": 2, "desk": 2, "cabinet": 1, "bench": 1},
        zero,
        0,
        zero,
        random.uniform(0, 6.3, n, 1),
        random,
    )
    names = _evenly(SMALL_THINGS) | {"hollow": 0.4, "body": 0.6, "ball": 0.3, "box": 0.3}
    things = _on_top(table, random, 12, 0.85, names)
    things.size[...] = torch.where(things.size[..., :1] > 0.3, things.size * 0.4, things.size)
    items = [table, things, _along_walls(half, random, _evenly(ROOM_THINGS), 8, 0.6), _on_walls(half, random, 6)]
    extent = table.size[:, 0, [0, 2]].amin(dim=1).clamp(max=0.5) * random.uniform(0.6, 1.1, n)
    return _Draft(Items.cat(items), half, _interest(zero[:, 0], tops(table)[:, 0] + 0.1, zero[:, 0], extent), False)


def _statue(n: int, random: Random) -> _Draft:
    half = _room_half(n, random, (1.5, 4.5), (1.5, 4.5))
    zero = torch.zeros(n, 1, device=random.device)
    pedestal = place(
        {"box": 2, "cylinder": 2, "column": 1, "round_table": 2}, zero, 0, zero, random.uniform(0, 6.3, n, 1), random
    )
    pedestal.size[...] = torch.stack(
        [random.uniform(0.25, 0.55, n, 1), random.log_uniform(0.03, 1.0, n, 1), random.uniform(0.25, 0.55, n, 1)],
        dim=-1,
    )
    statue = place(_evenly(STATUES), zero, tops(pedestal), zero, random.uniform(0, 6.3, n, 1), random)
    on = place(_evenly(SMALL_THINGS), *_around(n, random, 3, 0.35), random, chance=0.5)
    on.position[..., 1] = tops(pedestal)
    items = [statue, pedestal, on, _along_walls(half, random, _evenly(ROOM_THINGS), 8, 0.5), _on_walls(half, random, 6)]
    height = statue.size[:, 0, 1]
    centre = statue.position[:, 0, 1] + 0.5 * height
    return _Draft(Items.cat(items), half, _interest(zero[:, 0], centre, zero[:, 0], 0.7 * height), False)


def _pile(n: int, random: Random) -> _Draft:
    """Anything on anything, at any angle: not like a place, but every shape from every side."""
    half = _room_half(n, random, (1.3, 5), (1.3, 5))
    extent = random.log_uniform(0.3, 1.6, n)
    x, z = (0.5 * extent[:, None] * random.normal(n, 20) for _ in range(2))
    lift = random.uniform(0, 1, n, 20) * (random.uniform(0, 1, n, 20) < 0.4) * extent[:, None]
    many = random.uniform(0.3, 1, n, 1).expand(n, 20)
    names = _evenly(SOLIDS) | {"box": 4, "hollow": 1.5}
    items = place(names, x, lift, z, random.uniform(-3.2, 3.2, n, 20), random, chance=many, scale=1.5 * extent[:, None])
    tilted = (random.uniform(0, 1, n, 20) < 0.3)[..., None, None]
    thin = random.uniform(0, 1, n, 20) < 0.25
    items.size[..., 0] *= torch.where(thin, 0.15, 1.0)
    items = replace(items, rotation=torch.where(tilted, random.rotation(n, 20), items.rotation))
    wall = _along_walls(half, random, _evenly(ROOM_THINGS), 8, 0.4)
    return _Draft(Items.cat([items, wall]), half, _interest(0 * extent, 0.4 * extent, 0 * extent, extent), False)


def _facade(n: int, random: Random) -> _Draft:
    step = 2.0 * random.uniform(2.5, 6, n, 1)
    x = (torch.arange(3, device=random.device) - 1.0) * step + random.normal(n, 1)
    fronts = place(_evenly(FRONTS), x, 0, 0 * x, 0.03 * random.normal(n, 3), random)
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
    interest = _interest(middle, random.uniform(1.2, 2.2, n), 0 * middle, random.log_uniform(1.2, 4, n))
    return _Draft(Items.cat([fronts, front, rows, away]), _vast(n, random), interest, True)


def _street(n: int, random: Random) -> _Draft:
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
    cars = place({"car": 5, "bin": 1, "bush": 1}, *_swap(_around(n, random, 8, 1.0)), random, chance=0.6)
    cars.position[..., 0] = torch.where(random.uniform(0, 1, n, 8) < 0.5, 1.0, -1.0) * (width - 2.2)
    cars.position[..., 2] = random.uniform(-18, 18, n, 8)
    wires = place(
        {"wire": 1}, 0 * width.expand(n, 3), 4.5, random.uniform(-15, 15, n, 3), 0 * z[:, :3], random, chance=0.4
    )
    z = random.uniform(-8, 8, n)
    return _Draft(
        Items.cat([houses, row, cars, wires]),
        _vast(n, random),
        _interest(0 * z, 1.6, z, random.uniform(2.5, 5, n)),
        True,
    )


def _garden(n: int, random: Random) -> _Draft:
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
    return _Draft(Items.cat([things, rows, behind, wires]), _vast(n, random), _interest(zero, 0.8, zero, extent), True)


def _hillside(n: int, random: Random) -> _Draft:
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
    return _Draft(items, _vast(n, random), _interest(zero, 0.7, zero, extent), True)


def _outdoors(draft_of: Callable[[int, Random], _Draft]) -> Callable[[int, Random], _Draft]:
    """The same under the sky, with a garden behind instead of the room."""

    def moved(n: int, random: Random) -> _Draft:
        draft = draft_of(n, random)
        indoors = slice(-14, None) if draft_of is not _pile else slice(-8, None)
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
        return _Draft(Items.cat([draft.items, behind]), _vast(n, random), draft.interest, True)

    return moved


SHARES: dict[str, tuple[float, Callable[[int, Random], _Draft]]] = {
    "room": (0.28, _room),
    "corridor": (0.05, _corridor),
    "still_life": (0.13, _still_life),
    "still_life_outdoors": (0.03, _outdoors(_still_life)),
    "statue": (0.08, _statue),
    "statue_outdoors": (0.05, _outdoors(_statue)),
    "pile": (0.07, _pile),
    "pile_outdoors": (0.04, _outdoors(_pile)),
    "facade": (0.12, _facade),
    "street": (0.05, _street),
    "garden": (0.06, _garden),
    "hills": (0.04, _hillside),
}
"""How often each arrangement is drawn."""


def _room_half(n: int, random: Random, x: tuple[float, float], z: tuple[float, float]) -> Tensor:
    return torch.stack([random.log_uniform(*x, n), random.uniform(1.15, 1.7, n), random.log_uniform(*z, n)], dim=-1)


def _vast(n: int, random: Random) -> Tensor:
    return torch.tensor(VAST, device=random.device).expand(n, 3)


def _interest(x: Tensor, height: Tensor | float, z: Tensor, extent: Tensor) -> Tensor:
    height = torch.as_tensor(height, device=x.device).expand_as(x)
    return torch.stack([x, -height, z, extent.expand_as(x)], dim=-1)


def _evenly(things: dict[str, object]) -> dict[str, float]:
    return dict.fromkeys(things, 1.0)


def _around(n: int, random: Random, count: int, radius: float) -> tuple[Tensor, float, Tensor, Tensor]:
    """x, height, z and yaw of places in a disc."""
    angle, distance = random.uniform(0, 6.3, n, count), radius * random.uniform(0, 1, n, count).sqrt()
    return angle.sin() * distance, 0.0, angle.cos() * distance, random.uniform(-3.2, 3.2, n, count)


def _swap(places: tuple[Tensor, float, Tensor, Tensor]) -> tuple[Tensor, float, Tensor, Tensor]:
    """The same, all facing along or across z."""
    x, height, z, yaw = places
    return x, height, z, math.pi / 2 + 0.05 * yaw


def _wall_spots(half: Tensor, random: Random, count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Place number k is at wall k mod 4: x and z on the wall, what is outwards, and how long the wall is."""
    k = torch.arange(count, device=random.device)
    yaw = (k % 4) * (math.pi / 2) + torch.zeros(len(half), 1, device=random.device)
    outwards = torch.stack([yaw.sin(), yaw.cos()], dim=-1).round()
    along = outwards.flip(-1)
    flat = half[:, None, [0, 2]]
    length = (along.abs() * flat).sum(dim=-1)
    # Neighbours on one wall keep to their own stretch of it.
    stretches = max(1, count // 4)
    share = ((k // 4) + 0.5 + random.uniform(-0.2, 0.2, *yaw.shape)) / stretches * 2 - 1
    spot = outwards * flat + along * (share * length)[..., None]
    return spot[..., 0], spot[..., 1], yaw, length / stretches


def _along_walls(half: Tensor, random: Random, names: dict[str, float], count: int, chance: float) -> Items:
    x, z, yaw, length = _wall_spots(half, random, count)
    items = place(names, x, 0, z, yaw, random, chance=chance)
    items.size[..., 0] = items.size[..., 0].minimum(0.9 * length)
    limit = 2 * half[:, None, 1] - 0.1
    items.size[..., 1] = items.size[..., 1].minimum(limit)
    gap = items.size[..., 2] + random.uniform(0.0, 0.08, *x.shape)
    items.position[..., 0] -= yaw.sin() * gap
    items.position[..., 2] -= yaw.cos() * gap
    return items


def _on_walls(half: Tensor, random: Random, count: int) -> Items:
    x, z, yaw, _ = _wall_spots(half, random, count)
    names = {"picture": 3.0, "poster": 2.0, "window": 3.0, "door": 1.5, "radiator": 0.7, "board": 1.0, "pipe": 0.3}
    height = random.uniform(0.9, 1.4, *x.shape)
    items = place(names, x, height, z, yaw, random, chance=0.75)
    tall = items.size[..., 1] > 1.8
    items.position[..., 1] = torch.where(tall, 0.0, height)
    items.position[..., 0] -= yaw.sin() * items.size[..., 2]
    items.position[..., 2] -= yaw.cos() * items.size[..., 2]
    return items


def _on_top(hosts: Items, random: Random, count: int, chance: float, names: dict[str, float] | None = None) -> Items:
    n = len(hosts.thing)
    host = random.integers(0, hosts.thing.shape[1], n, count)
    row = torch.arange(n, device=random.device)[:, None]
    offset = random.uniform(-0.75, 0.75, n, count, 3) * hosts.size[row, host]
    offset[..., 1] = 0
    spot = hosts.position[row, host] + (hosts.rotation[row, host] @ offset[..., None])[..., 0]
    height = tops(hosts)[row, host]
    present = chance * ((hosts.thing[row, host] >= 0) & (height < 1.7)).float()
    yaw = random.uniform(-3.2, 3.2, n, count)
    return place(names or _evenly(SMALL_THINGS), spot[..., 0], height, spot[..., 2], yaw, random, chance=present)


def _scattered(half: Tensor, random: Random, count: int) -> Items:
    """Things on the floor, and a rug."""
    n = len(half)
    x, z = (random.uniform(-0.7, 0.7, n, count) * half[:, [axis]] for axis in (0, 2))
    yaw = random.uniform(-3.2, 3.2, n, count)
    things = place(
        {"carton": 2, "ball": 1, "basket": 2, "crates": 1, "plant": 1, "stool": 1}, x, 0, z, yaw, random, chance=0.6
    )
    rug = place({"box": 1}, x[:, :1] * 0.3, 0, z[:, :1] * 0.3, 0.1 * yaw[:, :1], random, chance=0.5, scale=4.0)
    rug.size[..., 1] = 0.015
    return Items.cat([things, rug])


def _hills(n: int, random: Random) -> Tensor:
    """Waves: the longer the higher."""
    length, heading = random.log_uniform(3.5, 60, n, NUM_WAVES), random.uniform(0, 2 * math.pi, n, NUM_WAVES)
    number = 2 * math.pi / length
    height = random.log_uniform(0.012, 0.06, n, NUM_WAVES) * length
    return torch.stack(
        [number * heading.sin(), number * heading.cos(), random.uniform(0, 6.3, n, NUM_WAVES), height], dim=-1
    )


def _settled(items: Items, ground: Tensor) -> Items:
    height = ground_height(ground, items.position[..., 0], items.position[..., 2])
    items.position[..., 1] += height - 0.05 * items.size[..., 1].clamp(max=2)
    return items


def _bodies(n: int, random: Random) -> Tensor:
    half = random.uniform(0.12, 0.5, n, 3)
    half[:, 1] = random.uniform(0.4, 0.75, n)
    rounding, twist, bend = random.uniform(0.04, 0.2, n), random.uniform(-2.0, 2.0, n), random.uniform(-0.35, 0.35, n)
    ring = (random.uniform(0, 1, n) < 0.25).float()
    ripple = random.uniform(0, 0.06, n) * (random.uniform(0, 1, n) < 0.6)
    rest = [rounding, twist, bend, ring, ripple, random.uniform(4, 10, n), random.uniform(0, 6.3, n)]
    return torch.cat([half, torch.stack(rest, dim=-1)], dim=-1)


def _padded(items: Items) -> Items:
    missing = MAX_ITEMS - items.thing.shape[1]
    assert missing >= 0
    n, device = len(items.thing), items.size.device
    nothing = Items(
        thing=torch.full((n, missing), NOTHING, device=device),
        position=torch.zeros(n, missing, 3, device=device),
        rotation=torch.eye(3, device=device).expand(n, missing, 3, 3),
        size=torch.ones(n, missing, 3, device=device),
    )
    return Items.cat([items, nothing])
