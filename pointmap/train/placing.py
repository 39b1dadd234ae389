"""Where things go: along walls, on them, on tables, around."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from pointmap.shapes import Float
from pointmap.train.furniture import SMALL_THINGS
from pointmap.train.items import Items, place, tops
from pointmap.train.random import Random

VAST = (90.0, 45.0, 90.0)
"""Half size of the world outdoors, metres."""


@dataclass(frozen=True)
class Draft:
    items: Items
    room_half: Float[Tensor, "scenes 3"]
    interest: Float[Tensor, "scenes 4"]
    outdoor: bool


def draw_room(n: int, random: Random, x: tuple[float, float], z: tuple[float, float]) -> Tensor:
    return torch.stack([random.log_uniform(*x, n), random.uniform(1.15, 1.7, n), random.log_uniform(*z, n)], dim=-1)


def vast(n: int, random: Random) -> Tensor:
    return torch.tensor(VAST, device=random.device).expand(n, 3)


def focus(x: Tensor, height: Tensor | float, z: Tensor, extent: Tensor) -> Tensor:
    height = torch.as_tensor(height, device=x.device).expand_as(x)
    return torch.stack([x, -height, z, extent.expand_as(x)], dim=-1)


def evenly(things: Iterable[str]) -> dict[str, float]:
    return dict.fromkeys(things, 1.0)


def around(n: int, random: Random, count: int, radius: float) -> tuple[Tensor, float, Tensor, Tensor]:
    """x, height, z and yaw of places in a disc."""
    angle, distance = random.uniform(0, 6.3, n, count), radius * random.uniform(0, 1, n, count).sqrt()
    return angle.sin() * distance, 0.0, angle.cos() * distance, random.uniform(-3.2, 3.2, n, count)


def along_street(places: tuple[Tensor, float, Tensor, Tensor]) -> tuple[Tensor, float, Tensor, Tensor]:
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


def along_walls(half: Tensor, random: Random, names: Mapping[str, float], count: int, chance: float) -> Items:
    x, z, yaw, length = _wall_spots(half, random, count)
    items = place(names, x, 0, z, yaw, random, chance=chance)
    items.size[..., 0] = items.size[..., 0].minimum(0.9 * length)
    limit = 2 * half[:, None, 1] - 0.1
    items.size[..., 1] = items.size[..., 1].minimum(limit)
    gap = items.size[..., 2] + random.uniform(0.0, 0.08, *x.shape)
    items.position[..., 0] -= yaw.sin() * gap
    items.position[..., 2] -= yaw.cos() * gap
    return items


def on_walls(half: Tensor, random: Random, count: int) -> Items:
    x, z, yaw, _ = _wall_spots(half, random, count)
    names = {"picture": 3.0, "poster": 2.0, "window": 3.0, "door": 1.5, "radiator": 0.7, "board": 1.0, "pipe": 0.3}
    height = random.uniform(0.9, 1.4, *x.shape)
    items = place(names, x, height, z, yaw, random, chance=0.75)
    tall = items.size[..., 1] > 1.8
    items.position[..., 1] = torch.where(tall, 0.0, height)
    items.position[..., 0] -= yaw.sin() * items.size[..., 2]
    items.position[..., 2] -= yaw.cos() * items.size[..., 2]
    return items


def on_top(hosts: Items, random: Random, count: int, chance: float, names: Mapping[str, float] | None = None) -> Items:
    n = len(hosts.thing)
    host = random.integers(0, hosts.thing.shape[1], n, count)
    row = torch.arange(n, device=random.device)[:, None]
    offset = random.uniform(-0.75, 0.75, n, count, 3) * hosts.size[row, host]
    offset[..., 1] = 0
    spot = hosts.position[row, host] + (hosts.rotation[row, host] @ offset[..., None])[..., 0]
    height = tops(hosts)[row, host]
    present = chance * ((hosts.thing[row, host] >= 0) & (height < 1.7)).float()
    yaw = random.uniform(-3.2, 3.2, n, count)
    return place(names or evenly(SMALL_THINGS), spot[..., 0], height, spot[..., 2], yaw, random, chance=present)


def scattered(half: Tensor, random: Random, count: int) -> Items:
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
