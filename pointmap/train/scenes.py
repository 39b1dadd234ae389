"""Random worlds: rooms and grounds with boxes, balls, cylinders and cones on them.

World frame: y points down, the floor is y = 0, units are metres. Every surface is an affine image of a unit shape, so
that rays are intersected in closed form and every depth, pose and focal length is exact.
"""

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from pointmap.shapes import Bool, Float, Int
from pointmap.train.random import Random

BOXES, BALLS, CYLINDERS, CONES = slice(0, 7), slice(7, 11), slice(11, 14), slice(14, 16)
NUM_OBJECTS = 16
ROOM = NUM_OBJECTS
"""The slot after the objects is the room: a box seen from inside. Outdoors it is vast and only its floor is there."""
NUM_SURFACES = NUM_OBJECTS + 6
"""Objects have one material each, the room one for each of its six faces."""


@dataclass(frozen=True)
class Scenes:
    """A batch of worlds."""

    object_from_world: Float[Tensor, "scenes slots 3 3"]
    """Linear part of the map to each slot's unit frame."""
    centre: Float[Tensor, "scenes slots 3"]
    half_size: Float[Tensor, "scenes slots 3"]
    active: Bool[Tensor, "scenes objects"]
    outdoor: Bool[Tensor, "scenes"]
    interest: Float[Tensor, "scenes 4"]
    """Centre and radius of what a photographer would look at."""
    texture: Int[Tensor, "scenes surfaces"]
    tiles_per_metre: Float[Tensor, "scenes surfaces"]
    texture_offset: Float[Tensor, "scenes surfaces 2"]
    tint: Float[Tensor, "scenes surfaces 3"]
    contrast: Float[Tensor, "scenes surfaces"]
    light: Float[Tensor, "scenes 3"]
    """Where the lamp or the sun is."""
    light_color: Float[Tensor, "scenes 3"]
    ambient: Float[Tensor, "scenes 2 3"]
    """Light from below and from above."""
    headlight: Float[Tensor, "scenes"]
    shadows: Float[Tensor, "scenes"]
    """How dark shadows are; 0: none."""
    sky: Float[Tensor, "scenes 2 3"]
    """Colours of the horizon and the zenith."""

    def __len__(self) -> int:
        return len(self.centre)

    def __getitem__(self, index: Tensor | slice) -> "Scenes":
        """Some of the worlds."""
        return Scenes(**{field.name: getattr(self, field.name)[index] for field in fields(self)})


def sample_scenes(count: int, random: Random, num_textures: int) -> Scenes:
    """Draw worlds: 45 % rooms, 25 % outdoors, 30 % a still life in either, for photos around an object."""
    kind = random.uniform(0, 1, count)
    still_life, outdoor = kind < 0.3, (kind >= 0.75) | (kind < 0.1)
    room_half = torch.stack(
        [random.log_uniform(1.3, 5, count), random.uniform(1.1, 2.0, count), random.log_uniform(1.3, 5, count)], dim=-1
    )
    vast = torch.tensor([90.0, 45.0, 90.0], device=random.device)
    room_half = torch.where(outdoor[:, None], vast, room_half)
    # Where things stand, in units that suit the place: rooms, streets, table tops.
    extent = torch.where(outdoor, random.log_uniform(3, 14, count), room_half[:, [0, 2]].amin(dim=-1))
    extent = torch.where(still_life, random.log_uniform(0.25, 1.2, count), extent)
    objects = _sample_objects(count, random, room_half, extent, outdoor & ~still_life, still_life)
    half_size = torch.cat([objects["half_size"], room_half[:, None]], dim=1)
    room_centre = torch.zeros_like(room_half)
    room_centre[:, 1] = -room_half[:, 1]
    rotation = torch.cat([objects["rotation"], torch.eye(3, device=random.device).expand(count, 1, 3, 3)], dim=1)
    interest_height = torch.where(still_life, -0.5 * extent, -0.9)
    interest = torch.stack(
        [objects["cluster"][:, 0], interest_height.expand(count), objects["cluster"][:, 1], extent], dim=-1
    )
    return Scenes(
        object_from_world=rotation.mT / half_size[..., None],
        centre=torch.cat([objects["centre"], room_centre[:, None]], dim=1),
        half_size=half_size,
        active=objects["active"],
        outdoor=outdoor,
        interest=interest,
        **_sample_materials(count, random, extent, outdoor, num_textures),
        **_sample_light(count, random, room_half, outdoor),
    )


def _sample_objects(
    count: int, random: Random, room_half: Tensor, extent: Tensor, street: Tensor, still_life: Tensor
) -> dict[str, Tensor]:
    shape = (count, NUM_OBJECTS)
    size = extent[:, None] * random.log_uniform(0.07, 0.4, *shape)
    half_size = size[..., None] * random.log_uniform(0.5, 1.8, *shape, 3)
    thin = random.uniform(0, 1, *shape) < 0.25
    axis = random.integers(0, 3, *shape)
    slab = torch.nn.functional.one_hot(axis, 3).bool()
    slab = torch.where(random.uniform(0, 1, *shape)[..., None] < 0.5, slab, ~slab)  # a plate or a pole
    half_size = torch.where(thin[..., None] & slab, half_size * 0.15, half_size)
    tall = street & (random.uniform(0, 1, count) < 0.7)  # houses
    grow = torch.tensor([1.2, 2.5, 1.2], device=random.device)
    half_size = torch.where(tall[:, None, None], half_size * grow, half_size)
    upright = random.uniform(0, 1, *shape) < 0.75
    rotation = torch.where(upright[..., None, None], random.yaw(*shape), random.rotation(*shape))
    # Outdoors and in rooms things spread, often in clusters; a still life is one pile.
    cluster = random.uniform(-0.4, 0.4, count, 2) * (room_half[:, [0, 2]] - extent[:, None]).clamp(min=0, max=4)
    spread = torch.where(still_life, extent * 0.6, extent * random.uniform(0.5, 1.1, count))
    position = cluster[:, None] + random.normal(*shape, 2) * 0.6 * spread[:, None, None]
    grid_yaw = (random.uniform(0, 1, count) < 0.5)[:, None] & upright  # furniture and houses stand along the walls
    rotation = torch.where(grid_yaw[..., None, None], torch.eye(3, device=random.device), rotation)
    limit = (room_half[:, None, [0, 2]] - 0.3 * half_size[..., [0, 2]]).clamp(min=0.1)
    position = torch.maximum(torch.minimum(position, limit), -limit)
    reach = (rotation[..., 1, :].abs() * half_size).sum(dim=-1)  # half height of the turned box
    stacked = random.uniform(0, 1, *shape) < torch.where(still_life, 0.6, 0.2)[:, None]
    lift = torch.where(stacked, random.uniform(0, 1, *shape) * extent[:, None].clamp(max=3), 0.0)
    centre = torch.stack([position[..., 0], -reach - lift, position[..., 1]], dim=-1)
    active = random.uniform(0, 1, *shape) < random.uniform(0.3, 1.0, count)[:, None]
    return {"half_size": half_size, "rotation": rotation, "centre": centre, "active": active, "cluster": cluster}


def _sample_materials(
    count: int, random: Random, extent: Tensor, outdoor: Tensor, num_textures: int
) -> dict[str, Tensor]:
    shape = (count, NUM_SURFACES)
    base = random.uniform(0, 1, *shape, 3)
    grey = base.mean(dim=-1, keepdim=True)
    saturation = random.uniform(0, 0.8, count, 1, 1) * random.uniform(0.2, 1, *shape, 1)
    tint = (grey + (base - grey) * saturation) * 0.75 + 0.15
    # Wide walls carry wide patterns; a tile is between a tenth and three times the size of the place.
    metres = extent[:, None] * random.log_uniform(0.2, 2.5, *shape)
    metres = torch.cat([metres[:, :NUM_OBJECTS], metres[:, NUM_OBJECTS:].clamp(min=0.5) * 1.5], dim=1)
    return {
        "texture": random.integers(0, num_textures, *shape),
        "tiles_per_metre": 1 / metres,
        "texture_offset": random.uniform(0, 1, *shape, 2),
        "tint": tint,
        "contrast": random.uniform(0.3, 1.2, *shape),
    }


def _sample_light(count: int, random: Random, room_half: Tensor, outdoor: Tensor) -> dict[str, Tensor]:
    lamp = random.uniform(-0.8, 0.8, count, 3) * room_half
    lamp[:, 1] = -room_half[:, 1] * random.uniform(1.2, 1.9, count)
    azimuth, elevation = random.uniform(0, 2 * math.pi, count), random.uniform(0.25, 1.4, count)
    sun = 1e3 * torch.stack(
        [azimuth.cos() * elevation.cos(), -elevation.sin(), azimuth.sin() * elevation.cos()], dim=-1
    )
    warmth = random.normal(count, 1) * 0.08 * torch.tensor([1.0, 0.0, -1.0], device=random.device)
    ambient = random.uniform(0.25, 0.6, count, 1, 1) * torch.tensor([[0.75], [1.15]], device=random.device)
    horizon = random.uniform(0.6, 1.0, count, 3).sort(dim=-1).values
    zenith = horizon * random.uniform(0.4, 1.0, count, 1) * torch.tensor([0.6, 0.8, 1.0], device=random.device)
    return {
        "light": torch.where(outdoor[:, None], sun, lamp),
        "light_color": random.uniform(0.3, 0.9, count, 1) * (1 + warmth),
        "ambient": ambient * (1 - 0.5 * warmth)[:, None],
        "headlight": random.uniform(0, 0.4, count) * (random.uniform(0, 1, count) < 0.3),
        "shadows": random.uniform(0.5, 1.0, count) * (random.uniform(0, 1, count) < 0.75),
        "sky": torch.stack([horizon, zenith], dim=1),
    }
