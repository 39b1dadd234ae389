"""Random camera pairs in `Scenes`: like the photos that people take of one place, with known overlap."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from pointmap.geometry.cameras import camera_rays, pinhole
from pointmap.geometry.transforms import invert_rigid, rigid
from pointmap.shapes import Bool, Float, UInt8
from pointmap.train.random import Random, axis_rotation
from pointmap.train.renderer import first_hit, inside_object, probe_depth, render
from pointmap.train.scenes import Scenes, sample_scenes

PROBE = (9, 12)
"""Rows and columns of the coarse depth maps by which cameras are judged before anything is rendered."""


@dataclass(frozen=True)
class PairBatch:
    """Rendered pairs with exact geometry."""

    images: UInt8[Tensor, "pairs 2 h w 3"]
    depths: Float[Tensor, "pairs 2 h w"]
    """z-depth in metres, 0 in the sky; float16."""
    intrinsics: Float[Tensor, "pairs 2 3 3"]
    first_from_second: Float[Tensor, "pairs 4 4"]
    overlap: Float[Tensor, "pairs"]
    """Share of each view that the other sees, the smaller of the two."""

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: Tensor | slice) -> "PairBatch":
        """Some of the pairs."""
        return PairBatch(**{field.name: getattr(self, field.name)[index] for field in fields(self)})

    def to(self, device: torch.device | str) -> "PairBatch":
        """The same on another device."""
        return PairBatch(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})

    @staticmethod
    def cat(batches: "Sequence[PairBatch]") -> "PairBatch":
        """All pairs of several batches of one image size."""
        names = [field.name for field in fields(PairBatch)]
        return PairBatch(**{name: torch.cat([getattr(batch, name) for batch in batches]) for name in names})


@dataclass(frozen=True)
class CameraPairs:
    """Cameras that a scene will be photographed from."""

    world_from_cam: Float[Tensor, "scenes 2 4 4"]
    focal: Float[Tensor, "scenes 2"]
    """In long sides of the image."""
    overlap: Float[Tensor, "scenes"]
    good: Bool[Tensor, "scenes"]

    def __getitem__(self, index: Tensor | slice) -> "CameraPairs":
        return CameraPairs(**{field.name: getattr(self, field.name)[index] for field in fields(self)})


def make_pairs(
    count: int,
    size: tuple[int, int],
    random: Random,
    texels: UInt8[Tensor, "texels 3"],
    num_textures: int,
    *,
    min_overlap: float = 0.15,
    chunk: int = 4,
) -> PairBatch:
    """Render `count` pairs, each in a world of its own.

    Args:
        size: Height and width.
        chunk: Worlds that are rendered together; few keep the CPU's cache warm, many keep a GPU busy.
    """
    scenes, cameras, found = [], [], 0
    while found < count:
        candidates = sample_scenes(max(2 * count, 16), random, num_textures)
        trial = sample_cameras(candidates, random, size, min_overlap)
        index = trial.good.nonzero()[:, 0][: count - found]
        scenes.append(candidates[index])
        cameras.append(trial[index])
        found += len(index)
    parts = []
    for some_scenes, some_cameras in zip(scenes, cameras, strict=True):
        for start in range(0, len(some_scenes), chunk):
            part = slice(start, start + chunk)
            parts.append(_photograph(some_scenes[part], some_cameras[part], size, texels, num_textures))
    return PairBatch.cat(parts)


def _photograph(
    scenes: Scenes, cameras: CameraPairs, size: tuple[int, int], texels: Tensor, num_textures: int
) -> PairBatch:
    intrinsics = scaled_intrinsics(cameras.focal, size)
    rendering = render(scenes, cameras.world_from_cam, intrinsics, size, texels, num_textures)
    first, second = cameras.world_from_cam.unbind(1)
    return PairBatch(
        images=(rendering.images * 255).round().to(torch.uint8),
        depths=rendering.depths.half(),
        intrinsics=intrinsics,
        first_from_second=invert_rigid(first) @ second,
        overlap=cameras.overlap,
    )


def sample_cameras(scenes: Scenes, random: Random, size: tuple[int, int], min_overlap: float) -> CameraPairs:
    """Draw two cameras in every scene; `good` says which pairs a photographer could have taken."""
    count = len(scenes)
    focal = random.log_uniform(0.45, 1.9, count)  # 96 to 30 degrees over the long side
    second_focal = torch.where(random.uniform(0, 1, count) < 0.8, focal, focal * random.log_uniform(0.75, 1.3, count))
    first = _first_camera(scenes, random, focal)
    probe = (PROBE[1], PROBE[0]) if size[0] > size[1] else PROBE
    K_first, K_second = (scaled_intrinsics(value, probe) for value in (focal, second_focal))
    depth = probe_depth(scenes, first, K_first, probe)
    good, median = _judge(depth)
    second = _second_camera(random, first, depth, median, K_first)
    second_depth = probe_depth(scenes, second, K_second, probe)
    good_second, second_median = _judge(second_depth)
    overlap = torch.minimum(
        _seen_share(scenes, first, second, depth, K_first, K_second, probe),
        _seen_share(scenes, second, first, second_depth, K_second, K_first, probe),
    )
    for camera in (first, second):
        position = camera[:, :3, 3]
        half = scenes.half_size[:, -1]
        within = (position[:, [0, 2]].abs() < half[:, [0, 2]] - 0.1).all(dim=-1)
        within &= (position[:, 1] < -0.1) & (position[:, 1] > -2 * half[:, 1] + 0.1)
        good = good & within & ~inside_object(scenes, position)
    ratio = second_median / median
    good = good & good_second & (overlap >= min_overlap) & (ratio < 3) & (ratio > 1 / 3)
    return CameraPairs(torch.stack([first, second], dim=1), torch.stack([focal, second_focal], dim=1), overlap, good)


def scaled_intrinsics(focal: Float[Tensor, "*batch"], size: tuple[int, int]) -> Float[Tensor, "*batch 3 3"]:
    """Pinhole K in pixels, principal point in the middle, from focal lengths in long sides."""
    height, width = size
    centre = torch.tensor([(width - 1) / 2, (height - 1) / 2], device=focal.device).expand(*focal.shape, 2)
    return pinhole(focal * max(size), centre)


def look_at(
    position: Float[Tensor, "*batch 3"], target: Float[Tensor, "*batch 3"], roll_rad: Float[Tensor, "*batch"]
) -> Float[Tensor, "*batch 4 4"]:
    """Pose `world_from_cam` of a camera with its x axis level, then rolled about its line of sight."""
    forward = F.normalize(target - position, dim=-1)
    down = torch.tensor([0.0, 1.0, 0.0], device=position.device).expand_as(forward)
    right = F.normalize(torch.linalg.cross(down, forward), dim=-1)
    level = torch.stack([right, torch.linalg.cross(forward, right), forward], dim=-1)
    return rigid(level @ axis_rotation(2, roll_rad), position)


def _first_camera(scenes: Scenes, random: Random, focal: Tensor) -> Tensor:
    count = len(scenes)
    centre, extent = scenes.interest[:, :3], scenes.interest[:, 3]
    # Around the interest, from far enough to see some of it; the wider the lens, the nearer one stands.
    azimuth = random.uniform(-math.pi, math.pi, count)
    distance = extent * focal.clamp(min=0.7) * random.log_uniform(0.8, 3.0, count)
    around = torch.stack([azimuth.cos() * distance, torch.zeros_like(distance), azimuth.sin() * distance], dim=-1)
    elevation = random.uniform(0, 1, count).square() * 1.2  # mostly from the side
    around[:, 1] = -distance * elevation
    around = centre + around
    # Or anywhere in the room at the height of hands and eyes.
    half = scenes.half_size[:, -1].clamp(max=8)
    anywhere = random.uniform(-0.9, 0.9, count, 3) * half
    anywhere[:, 1] = -random.uniform(0.7, 1.9, count)
    inner = scenes.half_size[:, -1, [0, 2]] - 0.25
    clamped = torch.maximum(torch.minimum(around[:, [0, 2]], inner), -inner)
    around = torch.stack([clamped[:, 0], around[:, 1], clamped[:, 1]], dim=-1)
    around[:, 1] = torch.maximum(around[:, 1], -1.8 * scenes.half_size[:, -1, 1]).clamp(max=-0.12)
    position = torch.where((random.uniform(0, 1, count) < 0.7)[:, None], around, anywhere)
    target = centre + random.normal(count, 3) * extent[:, None] * torch.tensor([0.3, 0.2, 0.3], device=centre.device)
    roll = random.normal(count) * torch.where(random.uniform(0, 1, count) < 0.1, 0.8, 0.06)
    return look_at(position, target, roll)


def _second_camera(random: Random, first: Tensor, depth: Tensor, median: Tensor, K: Tensor) -> Tensor:
    """Three quarters orbit something that the first camera sees; the others move and turn freely."""
    count, rows, columns = depth.shape
    rays = camera_rays(rows, columns, K)
    row = random.integers(rows // 4, rows - rows // 4, count)
    column = random.integers(columns // 4, columns - columns // 4, count)
    index = torch.arange(count, device=depth.device)
    at = torch.where(depth[index, row, column] > 0, depth[index, row, column], median)
    pivot_cam = rays[index, row, column] * at[:, None]
    # Small angles are the most frequent, as in photos taken while walking.
    angle = (random.uniform(0, 1, count).clamp(min=1e-6).log() * -math.radians(30)).clamp(max=1.4)
    yaw = angle * random.uniform(-1, 1, count).sign()
    pitch = random.normal(count) * 0.35 * angle
    tilt = axis_rotation(0, random.normal(count) * 0.03)
    world_pivot = first[:, :3, :3] @ pivot_cam[..., None] + first[:, :3, 3:]
    turn = axis_rotation(1, yaw)
    right = F.normalize(torch.linalg.cross(first[:, :3, 2], first[:, :3, 3] - world_pivot[..., 0]), dim=-1)
    lift = torch.linalg.cross(right, first[:, :3, 3] - world_pivot[..., 0]) * pitch.tanh()[:, None]
    offset = (turn @ (first[:, :3, 3:] - world_pivot))[..., 0] + (turn @ lift[..., None])[..., 0]
    offset = offset * (random.normal(count) * 0.18).exp()[:, None]
    position = world_pivot[..., 0] + offset
    orbit_rotation = turn @ first[:, :3, :3] @ axis_rotation(0, -pitch) @ tilt
    free = random.uniform(0, 1, count) < 0.25
    step = random.normal(count, 3) * 0.22 * median[:, None] * torch.tensor([1.0, 0.4, 1.0], device=depth.device)
    position = torch.where(free[:, None], first[:, :3, 3] + (first[:, :3, :3] @ step[..., None])[..., 0], position)
    free_yaw = axis_rotation(1, random.normal(count) * 0.25)
    rotation = torch.where(free[:, None, None], free_yaw @ first[:, :3, :3] @ tilt, orbit_rotation)
    shake = axis_rotation(2, random.normal(count) * 0.05) @ axis_rotation(1, random.normal(count) * 0.06)
    return rigid(rotation @ shake, position)


def _judge(depth: Tensor) -> tuple[Tensor, Tensor]:
    """Whether a view shows enough, from neither too near nor too far; and its median depth."""
    flat = depth.flatten(1)
    seen = flat > 0
    median = torch.where(seen, flat, torch.nan).nanmedian(dim=1).values.nan_to_num(1.0)
    nearest = torch.where(seen, flat, torch.inf).amin(dim=1)
    spread = torch.where(seen, flat, torch.nan)
    # A view of one bare wall head-on teaches little: some are kept by the looseness of the bound.
    varied = torch.nanquantile(spread, 0.9, dim=1) > 1.03 * torch.nanquantile(spread, 0.1, dim=1)
    good = (seen.float().mean(dim=1) > 0.45) & (nearest > 0.12 * median) & (median > 0.25) & (median < 40) & varied
    return good, median


def _seen_share(
    scenes: Scenes, one: Tensor, other: Tensor, depth: Tensor, K_one: Tensor, K_other: Tensor, probe: tuple[int, int]
) -> Tensor:
    """Share of the probe points of one view that the other sees."""
    rows, columns = probe
    rays = camera_rays(rows, columns, K_one).flatten(1, 2)
    points = (rays * depth.flatten(1)[..., None]) @ one[:, :3, :3].mT + one[:, None, :3, 3]
    local = (points - other[:, None, :3, 3]) @ other[:, :3, :3]
    pixel = local @ K_other.mT
    uv = pixel[..., :2] / pixel[..., 2:].clamp(min=1e-6)
    framed = (local[..., 2] > 0) & (uv > -0.5).all(dim=-1) & (uv[..., 0] < columns - 0.5) & (uv[..., 1] < rows - 0.5)
    origin = other[:, None, :3, 3].expand_as(points)
    reach, _ = first_hit(scenes, origin, points - origin)  # 1 where nothing is in the way
    return (framed & (reach > 0.97) & (depth.flatten(1) > 0)).float().mean(dim=1)
