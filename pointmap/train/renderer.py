"""Ray caster for `Scenes`: images and exact depth, in plain torch on any device."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pointmap.geometry.cameras import camera_rays
from pointmap.shapes import Bool, Float, Int, UInt8
from pointmap.train.scenes import BALLS, BOXES, CONES, CYLINDERS, NUM_OBJECTS, ROOM, Scenes
from pointmap.train.textures import sample_textures

_FAR = 1e9


@dataclass(frozen=True)
class Rendering:
    """Photos of scenes, with what no photo tells."""

    images: Float[Tensor, "scenes views h w 3"]
    """RGB in [0, 1]."""
    depths: Float[Tensor, "scenes views h w"]
    """z-depth in metres; 0 in the sky."""


def render(
    scenes: Scenes,
    world_from_cam: Float[Tensor, "scenes views 4 4"],
    intrinsics: Float[Tensor, "scenes views 3 3"],
    size: tuple[int, int],
    texels: UInt8[Tensor, "texels 3"],
    num_textures: int,
) -> Rendering:
    """Cast one ray through the centre of every pixel.

    Args:
        size: Height and width.
        texels: The bank of `make_textures`.
    """
    height, width = size
    origin, direction = _world_rays(world_from_cam, intrinsics, size)
    depth, slot = first_hit(scenes, origin, direction)
    focal_px = intrinsics[..., 0, 0].repeat_interleave(height * width, dim=1)
    color, sky = _shade(scenes, origin, direction, depth, slot, focal_px, texels, num_textures)
    shape = (*world_from_cam.shape[:2], height, width)
    depth = torch.where(sky, 0.0, depth)
    return Rendering(color.reshape(*shape, 3), depth.reshape(shape))


def probe_depth(
    scenes: Scenes,
    world_from_cam: Float[Tensor, "scenes 4 4"],
    intrinsics: Float[Tensor, "scenes 3 3"],
    size: tuple[int, int],
) -> Float[Tensor, "scenes h w"]:
    """Depth alone, of one view per scene; 0 in the sky."""
    origin, direction = _world_rays(world_from_cam[:, None], intrinsics[:, None], size)
    depth, slot = first_hit(scenes, origin, direction)
    return torch.where(_is_sky(scenes, origin, direction, depth, slot), 0.0, depth).reshape(-1, *size)


def inside_object(scenes: Scenes, points: Float[Tensor, "scenes 3"], margin: float = 0.15) -> Bool[Tensor, "scenes"]:
    """Whether a point is within (the bounding box of) any object, or within `margin` metres of it."""
    offset = points[:, None] - scenes.centre[:, :NUM_OBJECTS]
    local = (scenes.object_from_world[:, :NUM_OBJECTS] @ offset[..., None])[..., 0].abs()
    near = (local < 1 + margin / scenes.half_size[:, :NUM_OBJECTS]).all(dim=-1)
    return (near & scenes.active).any(dim=1)


def first_hit(
    scenes: Scenes, origin: Float[Tensor, "scenes rays 3"], direction: Float[Tensor, "scenes rays 3"]
) -> tuple[Float[Tensor, "scenes rays"], Int[Tensor, "scenes rays"]]:
    """How many `direction`s away each ray first meets something, and which slot that is."""
    objects, room = _slot_distances(scenes, origin, direction)
    distance, slot = objects.min(dim=1)
    behind = room < distance
    return torch.where(behind, room, distance), torch.where(behind, ROOM, slot)


def _world_rays(world_from_cam: Tensor, intrinsics: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Origins and directions of unit depth of all rays of all views of a scene, (scenes, rays, 3)."""
    rays = camera_rays(*size, intrinsics).flatten(2, 3)
    direction = rays @ world_from_cam[..., :3, :3].mT
    origin = world_from_cam[..., None, :3, 3].expand_as(direction)
    return origin.flatten(1, 2), direction.flatten(1, 2)


def _slot_distances(scenes: Scenes, origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """Distance to every object (scenes, objects, rays), _FAR where it is missed; and to the room's walls."""
    linear = scenes.object_from_world
    flat = linear.flatten(1, 2)  # one matrix product takes all rays to all unit frames
    shift = (linear @ scenes.centre[..., None]).flatten(1, 2)
    o = (flat @ origin.mT - shift).unflatten(1, (-1, 3))  # scenes, slots, 3, rays
    d = (flat @ direction.mT).unflatten(1, (-1, 3))
    near, _ = _slabs(o[:, BOXES], d[:, BOXES])
    _, room = _slabs(o[:, ROOM:], d[:, ROOM:])
    ball = _ball(o[:, BALLS], d[:, BALLS])
    cylinder = _cylinder(o[:, CYLINDERS], d[:, CYLINDERS])
    cone = _cone(o[:, CONES], d[:, CONES])
    objects = torch.cat([near, ball, cylinder, cone], dim=1)
    return objects.masked_fill(~scenes.active[..., None] | (objects < 1e-4), _FAR), room[:, 0]


def _slabs(o: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
    """Entry into the unit cube (_FAR where it is missed) and exit from it."""
    inverse = 1 / torch.where(d.abs() < 1e-9, 1e-9, d)
    middle, half = -o * inverse, inverse.abs()
    near, far = (middle - half).amax(dim=2), (middle + half).amin(dim=2)
    return torch.where(near < far, near, _FAR), far


def _roots(a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Whether a t^2 + 2 b t + c has roots, and the two of them."""
    discriminant = b * b - a * c
    root = discriminant.clamp(min=0).sqrt()
    inverse = 1 / torch.where(a.abs() < 1e-9, 1e-9, a)
    return discriminant > 0, (-b - root) * inverse, (-b + root) * inverse


def _ball(o: Tensor, d: Tensor) -> Tensor:
    hit, near, _ = _roots((d * d).sum(dim=2), (o * d).sum(dim=2), (o * o).sum(dim=2) - 1)
    return torch.where(hit, near, _FAR)


def _cylinder(o: Tensor, d: Tensor) -> Tensor:
    """Radius 1 about the y axis, between y = -1 and 1: where the slab and the infinite cylinder are both entered."""
    (ox, oy, oz), (dx, dy, dz) = o.unbind(2), d.unbind(2)
    hit, near, far = _roots(dx * dx + dz * dz, ox * dx + oz * dz, ox * ox + oz * oz - 1)
    inverse = 1 / torch.where(dy.abs() < 1e-9, 1e-9, dy)
    middle, half = -oy * inverse, inverse.abs()
    entry, exit = near.maximum(middle - half), far.minimum(middle + half)
    return torch.where(hit & (entry < exit), entry, _FAR)


def _cone(o: Tensor, d: Tensor) -> Tensor:
    """Apex at y = -1, base of radius 1 at y = 1 (y points down)."""
    (ox, oy, oz), (dx, dy, dz) = o.unbind(2), d.unbind(2)
    height, slope = (oy + 1) / 2, dy / 2
    a, b = dx * dx + dz * dz - slope * slope, ox * dx + oz * dz - height * slope
    hit, first, second = _roots(a, b, ox * ox + oz * oz - height * height)
    best = torch.full_like(oy, _FAR)
    for distance in (first, second):
        y = oy + distance * dy
        best = torch.where(hit & (y > -1) & (y < 1) & (distance > 1e-4), best.minimum(distance), best)
    base = (1 - oy) / torch.where(dy.abs() < 1e-9, 1e-9, dy)
    x, z = ox + base * dx, oz + base * dz
    return torch.where((x * x + z * z < 1) & (base > 1e-4), best.minimum(base), best)


def _is_sky(scenes: Scenes, origin: Tensor, direction: Tensor, depth: Tensor, slot: Tensor) -> Tensor:
    """Outdoors, all of the room but its floor (world y = 0) is sky."""
    height = origin[..., 1] + depth * direction[..., 1]
    return scenes.outdoor[:, None] & (slot == ROOM) & (height < -0.01)


def _shade(
    scenes: Scenes,
    origin: Tensor,
    direction: Tensor,
    depth: Tensor,
    slot: Tensor,
    focal_px: Tensor,
    texels: Tensor,
    num_textures: int,
) -> tuple[Tensor, Tensor]:
    """Colours (scenes, rays, 3), and where the sky is."""
    rows = torch.arange(len(scenes), device=depth.device)[:, None]
    linear = scenes.object_from_world[rows, slot]
    point = origin + depth[..., None] * direction
    local = (linear @ (point - scenes.centre[rows, slot])[..., None])[..., 0]
    normal_local = _unit_normal(local, slot)
    normal = F.normalize((normal_local[..., None, :] @ linear)[..., 0, :], dim=-1)
    facing = (normal * direction).sum(dim=-1, keepdim=True)
    normal = torch.where(facing > 0, -normal, normal)

    # The dominant axis chooses the plane that the texture lies in, and the room's face.
    axis = (normal_local / scenes.half_size[rows, slot]).abs().argmax(dim=-1)
    side = local.gather(-1, axis[..., None])[..., 0] > 0
    surface = torch.where(slot == ROOM, NUM_OBJECTS + 2 * axis + side.long(), slot)
    metric = local * scenes.half_size[rows, slot]
    # Textures stand upright: v follows the local y unless the surface is level.
    u = torch.where(axis == 0, metric[..., 2], metric[..., 0])
    v = torch.where(axis == 1, metric[..., 2], metric[..., 1])
    tiles = scenes.tiles_per_metre[rows, surface]
    uv = torch.stack([u, v], dim=-1) * tiles[..., None] + scenes.texture_offset[rows, surface]
    length = direction.norm(dim=-1)
    slant = (facing[..., 0].abs() / length).clamp(min=0.15)
    footprint = tiles * depth / (focal_px * slant)
    texture = sample_textures(
        texels, num_textures, scenes.texture[rows, surface].flatten(), uv.flatten(0, 1), footprint.flatten()
    ).reshape(*depth.shape, 3)
    tint, contrast = scenes.tint[rows, surface], scenes.contrast[rows, surface]
    albedo = (tint * (1 + contrast[..., None] * (2 * texture - 1))).clamp(0.02, 1)

    to_light = scenes.light[:, None] - point
    cosine = (normal * F.normalize(to_light, dim=-1)).sum(dim=-1).clamp(min=0)
    above = point + 2e-3 * depth[..., None] * normal
    blocked, _ = _slot_distances(scenes, above, scenes.light[:, None] - above)
    shadow = scenes.shadows[:, None] * (blocked.amin(dim=1) < 1)
    direct = (cosine * (1 - shadow))[..., None] * scenes.light_color[:, None]
    up = 0.5 - 0.5 * normal[..., 1:2]
    ambient = scenes.ambient[:, None, 0] * (1 - up) + scenes.ambient[:, None, 1] * up
    head = scenes.headlight[:, None, None] * slant[..., None]
    color = albedo * (direct + ambient + head)

    sky = _is_sky(scenes, origin, direction, depth, slot)
    elevation = (-direction[..., 1:2] / length[..., None]).clamp(0, 1).sqrt()
    heaven = scenes.sky[:, None, 0] * (1 - elevation) + scenes.sky[:, None, 1] * elevation
    color = torch.where(sky[..., None], heaven, color)
    return color.clamp(0, 1) ** (1 / 1.6), sky


def _unit_normal(local: Tensor, slot: Tensor) -> Tensor:
    """Outward normal of the unit shapes at a point of their surface, not normalised."""
    largest = local.abs() >= local.abs().amax(dim=-1, keepdim=True)
    box = torch.where(largest, local.sign(), 0.0)
    radial = local * torch.tensor([1.0, 0.0, 1.0], device=local.device)
    radius = radial.norm(dim=-1, keepdim=True)
    down = torch.tensor([0.0, 1.0, 0.0], device=local.device) * local[..., 1:2].sign()
    cylinder = torch.where(local[..., 1:2].abs() > 0.9999, down, radial)
    flank = torch.stack([local[..., 0], -radius[..., 0] / 2, local[..., 2]], dim=-1)
    cone = torch.where(local[..., 1:2] > 0.9999, down, flank)
    slot = slot[..., None]
    curved = torch.where(slot < BALLS.stop, local, torch.where(slot < CYLINDERS.stop, cylinder, cone))
    return torch.where((slot < BOXES.stop) | (slot == ROOM), box, curved)
