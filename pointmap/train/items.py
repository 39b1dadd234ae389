"""From things that stand somewhere to solids in the slots of a scene."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from pointmap.shapes import Bool, Float, Int
from pointmap.train.furniture import ROOM_THINGS, SMALL_THINGS, WALL_THINGS
from pointmap.train.layout import CUT_BOXES, KINDS, NUM_OBJECTS
from pointmap.train.random import Random, axis_rotation
from pointmap.train.things import Part
from pointmap.train.townscape import FRONTS, SOLIDS, STATUES, STREET_THINGS, WIRE

MATERIALS_PER_ITEM = 4
THINGS = ROOM_THINGS | WALL_THINGS | SMALL_THINGS | STATUES | STREET_THINGS | FRONTS | SOLIDS | WIRE
NAMES = tuple(THINGS)
NOTHING = -1


@dataclass(frozen=True)
class Items:
    """Things in scenes; `thing` indexes `NAMES`, `NOTHING` where there is none."""

    thing: Int[Tensor, "scenes items"]
    position: Float[Tensor, "scenes items 3"]
    """x, height of the underside above the floor, z."""
    rotation: Float[Tensor, "scenes items 3 3"]
    """About the middle of the thing."""
    size: Float[Tensor, "scenes items 3"]
    """Half width, height, half depth, metres."""

    @staticmethod
    def cat(parts: "list[Items]") -> "Items":
        """All of them in one scene."""
        return Items(*(torch.cat([getattr(p, name) for p in parts], dim=1) for name in Items.__dataclass_fields__))


@dataclass(frozen=True)
class Solids:
    """What fills the slots of scenes."""

    centre: Float[Tensor, "scenes objects 3"]
    half_size: Float[Tensor, "scenes objects 3"]
    rotation: Float[Tensor, "scenes objects 3 3"]
    active: Bool[Tensor, "scenes objects"]
    look: Int[Tensor, "scenes objects"]
    """Solids of one look are made of the same material."""
    cut: Float[Tensor, "scenes cut_boxes 12"]


def place(
    names: Mapping[str, float],
    x: Float[Tensor, "scenes items"],
    height: Float[Tensor, "scenes items"] | float,
    z: Float[Tensor, "scenes items"],
    yaw: Float[Tensor, "scenes items"],
    random: Random,
    *,
    chance: float | Float[Tensor, "scenes items"] = 1.0,
    scale: float | Float[Tensor, "scenes items"] = 1.0,
    same: bool = False,
) -> Items:
    """Draw a thing for every place.

    Args:
        names: Which things, and how often each.
        yaw: What a thing's back, +z, is turned to about the vertical.
        chance: Of there being anything.
        scale: Of all sizes.
        same: Whether all places of a scene get equal things.
    """
    shape = x.shape
    drawn = (shape[0], 1) if same else shape
    index = torch.tensor([NAMES.index(name) for name in names], device=random.device)
    bounds = torch.tensor(list(names.values()), device=random.device).cumsum(0)
    pick = torch.bucketize(random.uniform(0, 1, *drawn) * bounds[-1], bounds[:-1])
    thing = index[pick].expand(shape)
    low, high = _sizes(random.device)[thing].unbind(-1)
    mix = random.uniform(0, 1, *drawn, 3).expand(*shape, 3)
    size = low * (high / low) ** mix * torch.as_tensor(scale, device=random.device).expand(shape)[..., None]
    present = random.uniform(0, 1, *shape) < chance
    height = torch.as_tensor(height, device=random.device).expand(shape)
    return Items(
        thing=torch.where(present, thing, NOTHING),
        position=torch.stack([x, height, z], dim=-1),
        rotation=axis_rotation(1, yaw),
        size=size,
    )


def tops(items: Items) -> Float[Tensor, "scenes items"]:
    """Heights of the surfaces on which other things can stand."""
    share = torch.tensor([thing.top for thing in THINGS.values()], device=items.size.device)[items.thing.clamp(min=0)]
    return items.position[..., 1] + share * items.size[..., 1]


def to_solids(items: Items) -> Solids:
    """All solids of all items, in the slots of their kinds; what finds no slot is left out."""
    device = items.size.device
    table = _table(device)
    thing = items.thing.clamp(min=0)
    scenes, count = thing.shape
    parts = {name: value[thing].flatten(1, 2) for name, value in table.items()}  # scenes, items * rows, ...
    rows = table["half"].shape[1]

    def per_part(value: Tensor) -> Tensor:
        return value.repeat_interleave(rows, dim=1)

    size, rotation = per_part(items.size), per_part(items.rotation)
    # From heights above the thing's underside to y downwards about its middle.
    offset = parts["centre"] * size
    offset[..., 1] = 0.5 * size[..., 1] - offset[..., 1]
    middle = items.position * torch.tensor([1.0, -1.0, 1.0], device=device)
    middle[..., 1] -= 0.5 * items.size[..., 1]
    centre = per_part(middle) + (rotation @ offset[..., None])[..., 0]
    turn = parts["turn"]
    half = (turn.mT.abs() @ (parts["half"] * size)[..., None])[..., 0]
    active = parts["present"] & per_part(items.thing >= 0)
    shared = torch.arange(count, device=device)[:, None] * MATERIALS_PER_ITEM
    own = count * MATERIALS_PER_ITEM + torch.arange(count * rows, device=device).reshape(count, rows)
    material = table["material"][thing]
    look = torch.where(material >= 0, shared + material.clamp(min=0), own).flatten(1)

    columns = {"centre": centre, "half_size": half, "rotation": rotation @ turn, "look": look, "active": active}
    filled: dict[str, list[Tensor]] = {name: [] for name in (*columns, "cut")}
    kind_of = parts["kind"]
    for number, slots in enumerate(KINDS.values()):
        wanted = active & (kind_of == number)
        order = wanted.int().argsort(dim=1, descending=True, stable=True)[:, : slots.stop - slots.start]
        row = torch.arange(scenes, device=device)[:, None]
        for name, value in columns.items():
            chosen = (wanted if name == "active" else value)[row, order]
            filled[name].append(chosen)
        if slots == CUT_BOXES:
            filled["cut"].append(parts["cut"][row, order])
    solids = Solids(**{name: torch.cat(value, dim=1) for name, value in filled.items()})
    assert solids.centre.shape[1] == NUM_OBJECTS
    # A body is round: its slot is one ball.
    body = list(KINDS).index("body")
    slots = list(KINDS.values())[body]
    solids.half_size[:, slots] = solids.half_size[:, slots].mean(dim=-1, keepdim=True)
    return solids


def num_looks(num_items: int) -> int:
    """How many materials `to_solids` tells apart at most."""
    return num_items * (MATERIALS_PER_ITEM + max(len(thing.parts) for thing in THINGS.values()))


@cache
def _sizes(device: torch.device) -> Float[Tensor, "things 3 2"]:
    return torch.tensor([thing.size for thing in THINGS.values()], device=device)


@cache
def _table(device: torch.device) -> dict[str, Tensor]:
    rows = max(len(thing.parts) for thing in THINGS.values())
    padded = [(*thing.parts, *[None] * (rows - len(thing.parts))) for thing in THINGS.values()]
    kinds = list(KINDS)
    empty = Part("box", (0, 0, 0), (1, 1, 1))
    half_turn = torch.pi / 2
    turns = {
        "none": torch.eye(3),
        "x": axis_rotation(2, torch.tensor(-half_turn)).round(),
        "z": axis_rotation(0, torch.tensor(half_turn)).round(),
    }

    def column(name: str) -> Tensor:
        return torch.tensor([[getattr(part or empty, name) for part in parts] for parts in padded], device=device)

    return {
        "centre": column("centre"),
        "half": column("half"),
        "material": column("material"),
        "cut": column("cut"),
        "kind": torch.tensor([[kinds.index((p or empty).kind) for p in parts] for parts in padded], device=device),
        "turn": torch.stack([torch.stack([turns[(p or empty).turn] for p in parts]) for parts in padded]).to(device),
        "present": torch.tensor([[p is not None for p in parts] for parts in padded], device=device),
    }
