"""Ray caster for `Scenes`: images and exact depth, in plain torch on any device."""

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from pointmap.geometry.cameras import camera_rays
from pointmap.shapes import Bool, Float, Int, UInt8
from pointmap.train.casting import Rays, in_cone, nearest, openness, visibility
from pointmap.train.layout import NUM_OBJECTS
from pointmap.train.relief import ground_height
from pointmap.train.scenes import Scenes
from pointmap.train.shading import light, surfaces
from pointmap.train.solids import FAR

_TILE = 8  # pixels; smaller tiles meet fewer solids each, but there are more of them
_SHADOWING_LAMPS = 2
_WHITE = 0.8  # how soft the shoulder of the tone curve is
_SHOULDER = 1 - math.exp(-1 / _WHITE)


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
    rays, tiles = _camera_tiles(world_from_cam, intrinsics, size)
    anywhere = torch.ones(rays.direction.shape[:2], dtype=torch.bool, device=rays.direction.device)
    candidates = in_cone(scenes, rays, anywhere)
    distance, slot = nearest(scenes, rays, candidates)
    group_focal = intrinsics[..., 0, 0].repeat_interleave(distance.shape[1] // intrinsics.shape[1], dim=1)
    focal_px = group_focal[..., None].expand_as(distance).flatten(1)
    origin = rays.origin.expand_as(rays.direction).transpose(2, 3).flatten(1, 2)
    direction = rays.direction.transpose(2, 3).flatten(1, 2)
    seen = surfaces(scenes, origin, direction, distance.flatten(1), slot.flatten(1), focal_px, texels, num_textures)

    def grouped(vectors: Tensor) -> Tensor:
        return vectors.unflatten(1, distance.shape[1:]).transpose(2, 3)

    # Shadows are sought from a little before the surface.
    above = grouped(seen.point + 2e-3 * distance.flatten(1).clamp(max=50)[..., None] * seen.normal)
    found = distance < FAR / 2
    used = found.any(dim=-1)
    # In a tile with some sky the sky's rays go where the others do, so that they do not widen its cone.
    centre = (above * found[:, :, None]).sum(dim=-1) / found.sum(dim=-1).clamp(min=1)[..., None]
    above = torch.where(found[:, :, None], above, centre[..., None])
    visible: list[Tensor | float] = [1.0] * scenes.light.shape[1]
    for lamp in range(min(_SHADOWING_LAMPS, len(visible))):
        lit = used & (scenes.light_color[:, lamp].amax(dim=-1) > 0)[:, None]
        share = visibility(scenes, scenes.light[:, lamp], scenes.light_radius[:, lamp], above, lit)
        visible[lamp] = share.flatten(1)
    open_ = openness(scenes, above, grouped(seen.normal), used).flatten(1)
    color = light(scenes, seen, direction, visible, open_)
    glazed = (seen.clear > 0).flatten(1).any(dim=1).nonzero()[:, 0]
    if len(glazed) > 0:
        # What lies behind glass, without shadows.
        some, part = scenes[glazed], Rays(rays.origin[glazed], rays.direction[glazed])
        opaque = replace(some, active=some.active & (some.clear[:, :NUM_OBJECTS] == 0))
        behind, behind_slot = nearest(opaque, part, candidates[glazed] & opaque.active[:, None])
        beyond = surfaces(
            opaque,
            origin[glazed],
            direction[glazed],
            behind.flatten(1),
            behind_slot.flatten(1),
            focal_px[glazed],
            texels,
            num_textures,
        )
        through = light(opaque, beyond, direction[glazed], [1.0] * len(visible), 0.8)
        tinted = through * (0.4 + 0.6 * seen.albedo[glazed])
        share = seen.clear[glazed] * (~seen.sky[glazed])[..., None]
        color[glazed] += share * (tinted - color[glazed])
    color = _exposed(color, scenes.exposure)
    image = tiles.to_images(color.unflatten(1, distance.shape[1:]))
    depth = tiles.to_images(torch.where(found, distance, 0.0)[..., None])[..., 0]
    return Rendering(image, depth)


def probe_depth(
    scenes: Scenes,
    world_from_cam: Float[Tensor, "scenes 4 4"],
    intrinsics: Float[Tensor, "scenes 3 3"],
    size: tuple[int, int],
) -> Float[Tensor, "scenes h w"]:
    """Depth alone, of one view per scene; 0 in the sky."""
    rays, tiles = _camera_tiles(world_from_cam[:, None], intrinsics[:, None], size, tile=4)
    anywhere = torch.ones(rays.direction.shape[:2], dtype=torch.bool, device=rays.direction.device)
    distance, _ = nearest(scenes, rays, in_cone(scenes, rays, anywhere))
    return tiles.to_images(torch.where(distance < FAR / 2, distance, 0.0)[..., None])[:, 0, ..., 0]


def inside_object(scenes: Scenes, points: Float[Tensor, "scenes 3"], margin: float = 0.15) -> Bool[Tensor, "scenes"]:
    """Whether a point is within (the bounding box of) any object or the ground, or within `margin` metres of it."""
    offset = points[:, None] - scenes.centre[:, :NUM_OBJECTS]
    local = (scenes.object_from_world[:, :NUM_OBJECTS] @ offset[..., None])[..., 0].abs()
    near = (local < 1 + margin / scenes.half_size[:, :NUM_OBJECTS]).all(dim=-1)
    ground = ground_height(scenes.ground, points[:, :1], points[:, 2:])[:, 0]
    return (near & scenes.active).any(dim=1) | (scenes.hilly & (-points[:, 1] < ground + margin))


def first_hit(
    scenes: Scenes, origin: Float[Tensor, "scenes rays 3"], direction: Float[Tensor, "scenes rays 3"]
) -> tuple[Float[Tensor, "scenes rays"], Int[Tensor, "scenes rays"]]:
    """How many `direction`s away each ray first meets something (`FAR` in the sky), and which slot that is."""
    rays = Rays(origin.mT[:, None], direction.mT[:, None])
    distance, slot = nearest(scenes, rays, scenes.active[:, None])
    return distance[:, 0], slot[:, 0]


@dataclass(frozen=True)
class _Tiles:
    """How the pixels of images are grouped."""

    views: int
    rows: int
    columns: int
    tile: int
    size: tuple[int, int]

    def to_images(self, values: Float[Tensor, "scenes groups rays c"]) -> Float[Tensor, "scenes views h w c"]:
        """Put pixels back where they are in their images."""
        apart = values.reshape(len(values), self.views, self.rows, self.columns, self.tile, self.tile, -1)
        joined = apart.transpose(3, 4).reshape(
            len(values), self.views, self.rows * self.tile, self.columns * self.tile, -1
        )
        return joined[:, :, : self.size[0], : self.size[1]].contiguous()


def _camera_tiles(
    world_from_cam: Float[Tensor, "scenes views 4 4"],
    intrinsics: Float[Tensor, "scenes views 3 3"],
    size: tuple[int, int],
    tile: int = _TILE,
) -> tuple[Rays, _Tiles]:
    """Rays of unit depth of all views of a scene, tile by tile."""
    scenes, views = world_from_cam.shape[:2]
    tiles = _Tiles(views, -(-size[0] // tile), -(-size[1] // tile), tile, size)
    local = camera_rays(*size, intrinsics)
    padding = (0, 0, 0, tiles.columns * tile - size[1], 0, tiles.rows * tile - size[0])
    if padding[3] or padding[5]:
        local = F.pad(local.flatten(0, 1).permute(0, 3, 1, 2), (0, padding[3], 0, padding[5]), mode="replicate")
        local = local.permute(0, 2, 3, 1).unflatten(0, (scenes, views))
    local = local.unflatten(2, (tiles.rows, tile)).unflatten(4, (tiles.columns, tile))
    local = local.permute(0, 1, 2, 4, 6, 3, 5).reshape(scenes, views, -1, 3, tile * tile)
    direction = world_from_cam[:, :, None, :3, :3] @ local
    origin = world_from_cam[:, :, None, :3, 3:].expand(-1, -1, direction.shape[2], -1, -1)
    return Rays(origin.flatten(1, 2), direction.flatten(1, 2)), tiles


def _exposed(color: Float[Tensor, "scenes n 3"], exposure: Float[Tensor, "scenes"]) -> Float[Tensor, "scenes n 3"]:
    """From light to pixels in [0, 1]: exposure, a soft shoulder, and the curve of displays."""
    mean = color.clamp(max=1.5).mean(dim=(1, 2))
    gain = torch.where(exposure > 0, (exposure / mean.clamp(min=1e-3)).clamp(0.3, 3), 1.0)
    color = color * gain[:, None, None]
    shoulder = (1 - torch.exp(-color / _WHITE)) / _SHOULDER
    return shoulder.clamp(0, 1) ** (1 / 1.6)
