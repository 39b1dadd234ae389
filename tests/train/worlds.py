"""Hand-made worlds for the ray caster, and what is inside of what, from the definition of each shape."""

from functools import cache

import torch
from torch import Tensor

from pointmap.geometry.cameras import project_points, unproject_depth
from pointmap.geometry.transforms import invert_rigid, transform_points
from pointmap.train.habits import TRAINING, CameraSettings
from pointmap.train.layout import CUT_BOXES, KINDS
from pointmap.train.pairs import PairBatch, make_pairs
from pointmap.train.random import Random
from pointmap.train.relief import body_field, ground_height
from pointmap.train.scenes import NUM_OBJECTS, NUM_SURFACES, Scenes
from pointmap.train.textures import make_textures
from pointmap.train.things import grid

NUM_TEXTURES = 9
SLOTS = {kind: slots.start for kind, slots in KINDS.items()}
ROOM_HALF = torch.tensor([2.0, 1.5, 3.0])
"""Of the empty room: its floor is y = 0, its ceiling y = -3, its walls are x = -2 and 2, z = -3 and 3."""


@cache
def textures() -> Tensor:
    return make_textures(NUM_TEXTURES, seed=3)


@cache
def rendered_pairs(
    size: tuple[int, int] = (40, 56), count: int = 12, seed: int = 5, settings: CameraSettings = TRAINING
) -> PairBatch:
    return make_pairs(count, size, Random(seed), textures(), NUM_TEXTURES, settings=settings)


CUT = torch.tensor(grid(3, 2, 0.6, 0.7, (-1.1, 0.2), (0.2, 0.1)))
"""Six recesses in the side of a cube that looks along -z."""
BODY = torch.tensor([0.3, 0.5, 0.2, 0.1, 1.2, 0.25, 0.0, 0.03, 6.0, 0.4])
"""A block, twisted, bent and rippled."""
HILLS = torch.tensor([[0.7, 0.2, 0.3, 0.6], [-0.1, 0.4, 2.0, 1.0], [1.9, -1.1, 1.0, 0.1]])


def world(
    shape: str | None = None,
    *,
    centre: Tensor | None = None,
    half_size: Tensor | None = None,
    rotation: Tensor | None = None,
    outdoor: bool = False,
    hilly: bool = False,
) -> Scenes:
    """One grey room, or a vast plain or hills under the sky, with at most one object in it."""
    room_half = torch.tensor([90.0, 45.0, 90.0]) if outdoor else ROOM_HALF
    half_sizes = torch.ones(1, NUM_OBJECTS + 1, 3)
    half_sizes[:, -1] = room_half
    centres = torch.zeros(1, NUM_OBJECTS + 1, 3)
    centres[:, -1, 1] = -room_half[1]
    rotations = torch.eye(3).repeat(1, NUM_OBJECTS + 1, 1, 1)
    active = torch.zeros(1, NUM_OBJECTS, dtype=torch.bool)
    if shape is not None:
        slot = SLOTS[shape]
        active[:, slot] = True
        centres[:, slot], half_sizes[:, slot], rotations[:, slot] = centre, half_size, rotation
    return Scenes(
        object_from_world=rotations.mT / half_sizes[..., None],
        centre=centres,
        half_size=half_sizes,
        active=active,
        cut=CUT.expand(1, CUT_BOXES.stop - CUT_BOXES.start, 12),
        body=BODY[None],
        ground=HILLS[None],
        hilly=torch.tensor([hilly]),
        outdoor=torch.tensor([outdoor]),
        interest=torch.tensor([[0.0, -1.0, 0.0, 1.0]]),
        texture=torch.arange(NUM_SURFACES)[None] % NUM_TEXTURES,
        tiles_per_metre=torch.ones(1, NUM_SURFACES),
        texture_offset=torch.zeros(1, NUM_SURFACES, 2),
        tint=torch.full((1, NUM_SURFACES, 3), 0.5),
        contrast=torch.full((1, NUM_SURFACES), 0.5),
        gloss=torch.zeros(1, NUM_SURFACES),
        clear=torch.zeros(1, NUM_SURFACES),
        light=torch.tensor([[[0.5, -2.8, 0.3]]]),
        light_color=torch.full((1, 1, 3), 0.6),
        light_radius=torch.full((1, 1), 0.02),
        falloff=torch.zeros(1, 1),
        ambient=torch.full((1, 2, 3), 0.4),
        headlight=torch.zeros(1),
        shadows=torch.full((1,), 0.8),
        occlusion=torch.ones(1),
        exposure=torch.zeros(1),
        sky=torch.tensor([[[0.9, 0.9, 0.9], [0.3, 0.5, 0.9]]]),
        clouds=torch.zeros(1, 4),
    )


def inside(shape: str, local: Tensor, margin: float = 0.0) -> Tensor:
    """Whether points of the unit frame (..., 3) are within a unit shape, by more than `margin`."""
    x, y, z = local.unbind(-1)
    if shape == "body":
        flat = local.reshape(1, -1, 3).mT
        return (body_field(BODY[None], flat) < -margin).reshape(x.shape)
    in_cube = (local.abs() < 1 - margin).all(dim=-1)
    if shape == "cut_box":
        first, pitch, _, half = CUT.split(3)
        for column in range(3):
            for row in range(2):
                centre = first + pitch * torch.tensor([column, row, 0])
                in_cube = in_cube & ~((local - centre).abs() < half + margin).all(dim=-1)
    if shape in ("box", "cut_box"):
        return in_cube
    if shape == "ball":
        return local.norm(dim=-1) < 1 - margin
    if shape == "gable":
        return in_cube & (x.abs() < (1 + y) / 2 - margin)
    radius = 1.0 if shape == "cylinder" else (y + 1) / 2
    return (y.abs() < 1 - margin) & (x.hypot(z) < radius - margin)


def under_ground(points: Tensor) -> Tensor:
    """How deep points (n, 3) are below the surface of `HILLS`."""
    return points[:, 1] + ground_height(HILLS[None], points[None, :, 0], points[None, :, 2])[0]


def shape_of(slot: int) -> str:
    return [name for name, first in SLOTS.items() if first <= slot][-1]


def warp(batch: PairBatch) -> tuple[Tensor, Tensor, Tensor]:
    """View 1's points in view 2: nearest pixel as a flat index (pairs, h * w), depth, whether it is in the frame."""
    height, width = batch.depths.shape[-2:]
    points = unproject_depth(batch.depths[:, 0].float(), batch.intrinsics[:, 0]).flatten(1, 2)
    local = transform_points(invert_rigid(batch.first_from_second), points)
    u, v = project_points(local, batch.intrinsics[:, 1]).round().unbind(-1)
    framed = (u >= 0) & (v >= 0) & (u < width) & (v < height) & (local[..., 2] > 0) & (points[..., 2] > 0)
    index = torch.where(framed, v * width + u, 0).long()
    return index, local[..., 2], framed
