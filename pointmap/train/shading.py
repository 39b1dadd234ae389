"""Colours of what rays meet. Flat lists of rays per scene: (scenes, n, ...)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from pointmap.shapes import Bool, Float, Int, UInt8
from pointmap.train import relief, solids
from pointmap.train.fused import fusible
from pointmap.train.layout import BALLS, BODIES, CONES, CUT_BOXES, CYLINDERS, GABLES, NUM_OBJECTS, ROOM
from pointmap.train.textures import sample_textures

if TYPE_CHECKING:
    from pointmap.train.scenes import Scenes

_ON_FLOOR = NUM_OBJECTS + 3  # the face y = 1 of the room


@dataclass(frozen=True)
class Surfaces:
    """What rays meet; in the sky, something harmless."""

    sky: Bool[Tensor, "scenes n"]
    point: Float[Tensor, "scenes n 3"]
    normal: Float[Tensor, "scenes n 3"]
    """Unit vector towards the camera's side."""
    surface: Int[Tensor, "scenes n"]
    albedo: Float[Tensor, "scenes n 3"]
    gloss: Float[Tensor, "scenes n 1"]
    clear: Float[Tensor, "scenes n 1"]


def surfaces(
    scenes: "Scenes",
    origin: Float[Tensor, "scenes n 3"],
    direction: Float[Tensor, "scenes n 3"],
    depth: Float[Tensor, "scenes n"],
    slot: Int[Tensor, "scenes n"],
    focal_px: Float[Tensor, "scenes n"],
    texels: UInt8[Tensor, "texels 3"],
    num_textures: int,
) -> Surfaces:
    """Look up what is where the rays end."""
    sky = depth >= solids.FAR / 2
    depth = torch.where(sky, 1.0, depth)
    point = origin + depth[..., None] * direction
    geometry = torch.cat([scenes.object_from_world.flatten(2), scenes.centre, scenes.half_size], dim=-1)
    geometry = _rows(geometry, slot)
    linear, centre, half = geometry[..., :9].unflatten(-1, (3, 3)), geometry[..., 9:12], geometry[..., 12:]
    offset = point - centre
    local = (linear * offset[..., None, :]).sum(dim=-1)
    normal_local, on_hill = _local_normals(scenes, local, point, slot)
    normal = F.normalize((normal_local[..., None] * linear).sum(dim=-2), dim=-1)
    if on_hill is not None:
        normal = torch.where(on_hill[0][..., None], on_hill[1], normal)
    facing = (normal * direction).sum(dim=-1, keepdim=True)
    normal = torch.where(facing > 0, -normal, normal)

    # The dominant axis chooses the plane that the texture lies in, and the room's face.
    axis = (normal_local / half).abs().argmax(dim=-1)
    positive = local.gather(-1, axis[..., None])[..., 0] > 0
    surface = torch.where(slot == ROOM, NUM_OBJECTS + 2 * axis + positive.long(), slot)
    if on_hill is not None:
        surface = torch.where(on_hill[0], _ON_FLOOR, surface)
        axis = torch.where(on_hill[0], 1, axis)
    metric = local * half
    # Textures stand upright: v follows the local y unless the surface is level.
    u = torch.where(axis == 0, metric[..., 2], metric[..., 0])
    v = torch.where(axis == 1, metric[..., 2], metric[..., 1])
    pillar = (slot >= CYLINDERS.start) & (slot < CONES.stop) & (axis != 1)
    u = torch.where(pillar, torch.atan2(local[..., 0], local[..., 2]) * half[..., 0], u)
    material = torch.cat(
        [
            scenes.tiles_per_metre[..., None], scenes.texture_offset, scenes.tint, scenes.contrast[..., None],
            scenes.gloss[..., None], scenes.clear[..., None], scenes.texture[..., None].float(),
        ],
        dim=-1,
    )  # fmt: skip
    material = _rows(material, surface)
    tiles, tint, contrast = material[..., 0], material[..., 3:6], material[..., 6:7]
    uv = torch.stack([u, v], dim=-1) * tiles[..., None] + material[..., 1:3]
    slant = (facing[..., 0].abs() / direction.norm(dim=-1)).clamp(min=0.15)
    footprint = tiles * depth / (focal_px * slant)
    texture = sample_textures(
        texels, num_textures, material[..., 9].flatten().long(), uv.flatten(0, 1), footprint.flatten()
    ).reshape(point.shape)
    albedo = (tint * (1 + contrast * (2 * texture - 1))).clamp(0.02, 1)
    return Surfaces(sky, point, normal, surface, albedo, material[..., 7:8], material[..., 8:9])


def light(
    scenes: "Scenes",
    seen: Surfaces,
    direction: Float[Tensor, "scenes n 3"],
    visible: list[Float[Tensor, "scenes n"] | float],
    open_: Float[Tensor, "scenes n"] | float,
) -> Float[Tensor, "scenes n 3"]:
    """Light that comes back along the rays; in the sky, the sky's.

    Args:
        visible: Share of each lamp that every point sees.
        open_: Share of the ambient light that reaches it.
    """
    color = _reflected(scenes, seen, direction, visible, open_)
    if not bool(scenes.outdoor.any()):
        return color
    return torch.where(seen.sky[..., None], _heaven(scenes, direction), color)


@fusible
def _reflected(
    scenes: "Scenes", seen: Surfaces, direction: Tensor, visible: list[Tensor | float], open_: Tensor | float
) -> Tensor:
    view = F.normalize(direction, dim=-1)
    slant = -(seen.normal * view).sum(dim=-1, keepdim=True)
    up = 0.5 - 0.5 * seen.normal[..., 1:2]
    ambient = scenes.ambient[:, None, 0] * (1 - up) + scenes.ambient[:, None, 1] * up
    if isinstance(open_, Tensor):
        ambient = ambient * (1 - scenes.occlusion[:, None] * (1 - open_))[..., None]
    total = ambient + scenes.headlight[:, None, None] * slant.clamp(min=0)
    sharpness = 20 + 400 * seen.gloss
    glint = torch.zeros_like(total)
    for lamp, share in enumerate(visible):
        way = scenes.light[:, lamp, None] - seen.point
        square = (way * way).sum(dim=-1, keepdim=True)
        toward = way * square.rsqrt()
        usual = (scenes.light[:, lamp] - scenes.interest[:, :3]).square().sum(dim=-1)[:, None, None]
        fall = scenes.falloff[:, lamp, None, None]
        strength = 1 / (1 - fall + fall * (square / usual).clamp(min=0.15))
        cosine = (seen.normal * toward).sum(dim=-1, keepdim=True).clamp(min=0)
        if isinstance(share, Tensor):
            strength = strength * (1 - scenes.shadows[:, None] * (1 - share))[..., None]
        arriving = scenes.light_color[:, lamp, None] * strength
        total = total + arriving * cosine
        halfway = F.normalize(toward - view, dim=-1)
        shine = (seen.normal * halfway).sum(dim=-1, keepdim=True).clamp(min=1e-4) ** sharpness
        glint = glint + arriving * shine * (cosine > 0) * (seen.gloss * 4).clamp(max=1)
    mirrored = view + 2 * slant * seen.normal
    fresnel = (seen.gloss * (1 + 5 * (1 - slant.clamp(0, 1)) ** 5)).clamp(max=0.9)
    around = _surroundings(scenes, seen.point, mirrored, ambient)
    return seen.albedo * total * (1 - fresnel) + around * fresnel + glint


def _rows(table: Float[Tensor, "scenes rows c"], index: Int[Tensor, "scenes n"]) -> Float[Tensor, "scenes n c"]:
    start = torch.arange(len(table), device=table.device)[:, None] * table.shape[1]
    return table.flatten(0, 1).index_select(0, (start + index).flatten()).unflatten(0, index.shape)


def _local_normals(
    scenes: "Scenes", local: Tensor, point: Tensor, slot: Tensor
) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:
    """Normals in the unit frames, not normalised; and where hills are, with their normals in the world."""
    normal = solids.box_normal(local)
    normal = torch.where(((slot >= BALLS.start) & (slot < CYLINDERS.start))[..., None], local, normal)
    flat = normal.flatten(0, 1)
    flat_local, flat_slot = local.flatten(0, 1), slot.flatten()
    order = {"cylinder": CYLINDERS, "cone": CONES, "gable": GABLES, "cut": CUT_BOXES, "body": BODIES}
    for kind, slots in order.items():
        index = ((flat_slot >= slots.start) & (flat_slot < slots.stop)).nonzero()[:, 0]
        if len(index) == 0:
            continue
        here = flat_local[index]
        scene = index // slot.shape[1]
        if kind == "cylinder":
            value = solids.cylinder_normal(here)
        elif kind == "cone":
            value = solids.cone_normal(here)
        elif kind == "gable":
            value = solids.gable_normal(here)
        elif kind == "cut":
            value = solids.cut_box_normal(here, scenes.cut[scene, flat_slot[index] - slots.start])
        else:
            value = relief.body_normal(scenes.body[scene], here[..., None])[..., 0]
        flat[index] = value
    hilly = scenes.hilly.nonzero()[:, 0]
    if len(hilly) == 0:
        return normal, None
    on_hill = scenes.hilly[:, None] & (slot == ROOM)
    world = torch.zeros_like(normal)
    x, z = point[hilly, :, 0], point[hilly, :, 2]
    world[hilly] = F.normalize(relief.ground_normal(scenes.ground[hilly], x, z), dim=-1)
    return normal, (on_hill, world)


def _surroundings(scenes: "Scenes", point: Tensor, direction: Tensor, ambient: Tensor) -> Tensor:
    """What a mirror shows: the sky and the ground, or the walls of the room without anything on them."""
    up = (-direction[..., 1:2]).clamp(-1, 1)
    outside = torch.lerp(scenes.sky[:, None, 0], scenes.sky[:, None, 1], up.clamp(min=0).sqrt())
    ground = scenes.tint[:, None, _ON_FLOOR] * ambient * 1.3
    outside = torch.where(up > 0, outside, ground)
    half, centre = scenes.half_size[:, None, ROOM], scenes.centre[:, None, ROOM]
    way = (half * direction.sign() - (point - centre)) / torch.where(direction.abs() < 1e-6, 1e-6, direction)
    axis = way.argmin(dim=-1)
    face = NUM_OBJECTS + 2 * axis + (direction.gather(-1, axis[..., None])[..., 0] > 0).long()
    inside = _rows(scenes.tint, face) * (ambient + 0.25)
    return torch.where(scenes.outdoor[:, None, None], outside, inside)


@fusible
def _heaven(scenes: "Scenes", direction: Float[Tensor, "scenes n 3"]) -> Float[Tensor, "scenes n 3"]:
    """Gradient, glow around the sun, and clouds: waves bent by waves on a plane high above."""
    view = F.normalize(direction, dim=-1)
    up = (-view[..., 1:2]).clamp(0, 1)
    color = torch.lerp(scenes.sky[:, None, 0], scenes.sky[:, None, 1], up.sqrt())
    toward = F.normalize(scenes.light[:, :1], dim=-1)
    near_sun = (view * toward).sum(dim=-1, keepdim=True).clamp(min=0)
    color = color + 0.35 * scenes.light_color[:, :1] * (near_sun**40 + 0.5 * near_sun**6)
    cover, scale, first, second = (part[:, :, None] for part in scenes.clouds[:, None].unbind(-1))
    x, z = (view[..., i : i + 1] * scale * 2 / (up + 0.12) for i in (0, 2))
    total, weight = torch.zeros_like(x), 1.0
    for _ in range(4):
        bent = x + 1.2 * torch.sin(0.8 * z + first)
        total = total + weight * torch.sin(bent + second) * torch.sin(z + 0.9 * torch.sin(0.7 * x + second) + first)
        x, z, weight = 1.7 * x - 1.1 * z, 1.1 * x + 1.7 * z, 0.55 * weight
    share = (0.8 * total + 2.0 * cover - 0.9).clamp(0, 1) * (cover > 0) * (6 * up).clamp(0, 1)
    white = scenes.sky[:, None, 0].mean(dim=-1, keepdim=True) * (1.05 - 0.25 * share)
    return color + 0.9 * share * (white - color)
