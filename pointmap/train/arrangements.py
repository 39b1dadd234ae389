"""What stands where: rooms, still lifes, streets, hills, each drawn at human scale in metres."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pointmap.shapes import Bool, Float, Int
from pointmap.train.indoors import corridor, pile, room, statue, still_life
from pointmap.train.items import NOTHING, Items, num_looks, to_solids
from pointmap.train.outdoors import facade, garden, hillside, outdoors, street
from pointmap.train.placing import Draft
from pointmap.train.random import Random
from pointmap.train.relief import ground_height

MAX_ITEMS = 48
NUM_LOOKS = num_looks(MAX_ITEMS)
NUM_WAVES = 9


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
        if draft_of is hillside:
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


SHARES: dict[str, tuple[float, Callable[[int, Random], Draft]]] = {
    "room": (0.28, room),
    "corridor": (0.05, corridor),
    "still_life": (0.13, still_life),
    "still_life_outdoors": (0.03, outdoors(still_life)),
    "statue": (0.08, statue),
    "statue_outdoors": (0.05, outdoors(statue)),
    "pile": (0.07, pile),
    "pile_outdoors": (0.04, outdoors(pile)),
    "facade": (0.12, facade),
    "street": (0.05, street),
    "garden": (0.06, garden),
    "hills": (0.04, hillside),
}
"""How often each arrangement is drawn."""


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
