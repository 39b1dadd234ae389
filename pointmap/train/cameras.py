"""Cameras in `Scenes`: where people stand, where they go for the next photo, and what both photos share."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from pointmap.geometry.cameras import camera_rays, pinhole
from pointmap.geometry.transforms import rigid
from pointmap.shapes import Bool, Float, Int
from pointmap.train.habits import CameraSettings, choose, draw
from pointmap.train.random import Random, axis_rotation
from pointmap.train.renderer import first_hit
from pointmap.train.scenes import Scenes
from pointmap.train.sight import judge, mutual_overlap, probe_size

_SHAKE_DEG = 3.0  # how level a hand holds a camera


@dataclass(frozen=True)
class Plans:
    """What photographers intend: everything about a pair but the places where the photos are taken."""

    focal: Float[Tensor, "plans views"]
    """In long sides of the image. Pairs have two views, tours have more."""
    shift: Float[Tensor, "plans views 2"]
    """Of the principal point from the middle, in widths and heights of the image."""
    roll_rad: Float[Tensor, "plans views"]
    viewpoint: Int[Tensor, "plans"]
    """Index into the settings' table; so is `motion`."""
    motion: Int[Tensor, "plans"]
    apart: Bool[Tensor, "plans"]
    """Whether the two photos are to have nothing in common."""

    def __len__(self) -> int:
        return len(self.focal)

    def __getitem__(self, index: Tensor | slice) -> "Plans":
        """Some of the plans."""
        return Plans(**{field.name: getattr(self, field.name)[index] for field in fields(self)})

    def intrinsics(self, size: tuple[int, int]) -> Float[Tensor, "plans views 3 3"]:
        """Of all photos, in pixels of images of height and width `size`."""
        return scaled_intrinsics(self.focal, size, self.shift)


@dataclass(frozen=True)
class CameraPairs:
    """Cameras that a scene will be photographed from."""

    plans: Plans
    world_from_cam: Float[Tensor, "pairs 2 4 4"]
    depth: Float[Tensor, "pairs 2"]
    """Median z-depth of the surfaces in each view, in metres."""
    overlap: Float[Tensor, "pairs"]
    """Share of each view that the other sees, the smaller of the two."""

    def __len__(self) -> int:
        return len(self.overlap)

    def __getitem__(self, index: Tensor | slice) -> "CameraPairs":
        """Some of the pairs."""
        return CameraPairs(self.plans[index], self.world_from_cam[index], self.depth[index], self.overlap[index])

    @staticmethod
    def cat(parts: "Sequence[CameraPairs]") -> "CameraPairs":
        """All pairs of several draws."""
        plans = {field.name: torch.cat([getattr(part.plans, field.name) for part in parts]) for field in fields(Plans)}
        return CameraPairs(
            Plans(**plans),
            torch.cat([part.world_from_cam for part in parts]),
            torch.cat([part.depth for part in parts]),
            torch.cat([part.overlap for part in parts]),
        )


def sample_plans(count: int, random: Random, settings: CameraSettings, views: int = 2) -> Plans:
    """Draw lenses, rolls and habits."""
    lens = choose(tuple(lens.share for lens in settings.lenses), random, count)
    fov = torch.deg2rad(draw(tuple(lens.fov_deg for lens in settings.lenses), lens, random))
    zoomed = random.uniform(0, 1, count, 1) < settings.zoomed
    ratio = random.log_uniform(1 / settings.zoom, settings.zoom, count, views)
    ratio = torch.where(zoomed, ratio / ratio[:, :1], 1.0).clamp(1 / settings.zoom, settings.zoom)
    shift = random.uniform(-settings.shift, settings.shift, count, views, 2)
    kind = choose(tuple(roll.share for roll in settings.rolls), random, count)
    common = draw(tuple(roll.common_deg for roll in settings.rolls), kind, random) * _sign(random, count)
    relative = draw(tuple(roll.relative_deg for roll in settings.rolls), kind, random) * _sign(random, count)
    turned = random.uniform(0, 1, count, views) < 0.5  # of many photos a half, of two the second one
    turned[:, 0], turned[:, 1:2] = False, True
    roll = common[:, None] + relative[:, None] * turned + _SHAKE_DEG * random.normal(count, views)
    return Plans(
        focal=0.5 / torch.tan(fov / 2)[:, None] * ratio,
        shift=shift * (random.uniform(0, 1, count, 1, 1) < settings.off_centre),
        roll_rad=torch.deg2rad(roll),
        viewpoint=choose(tuple(viewpoint.share for viewpoint in settings.viewpoints), random, count),
        motion=choose(tuple(motion.share for motion in settings.motions), random, count),
        apart=random.uniform(0, 1, count) < settings.apart,
    )


def sample_cameras(
    scenes: Scenes, plans: Plans, random: Random, size: tuple[int, int], settings: CameraSettings
) -> tuple[CameraPairs, Int[Tensor, "pairs"]]:
    """Try to carry out one plan in every scene.

    Returns:
        The pairs that a photographer could have taken, and of which scenes they are.
    """
    index = torch.arange(len(scenes), device=random.device)
    level, reach = first_cameras(scenes, plans, random, settings)
    first = rolled(level, plans.roll_rad[:, 0])
    probe = probe_size(size)
    K_first, K_second = plans.intrinsics(probe).unbind(1)
    flat_ok = _planned("facade", plans, settings)
    good, depth, median = judge(scenes, first, K_first, probe, flat_ok)
    good = good & (median > 0.3 * reach)  # nobody takes a photo of what stands in the way
    # What is already bad is not looked at any further: probing is most of the cost.
    keep = _some(good)
    possible, index, scenes, plans, level, first = (
        good[keep],
        index[keep],
        scenes[keep],
        plans[keep],
        level[keep],
        first[keep],
    )
    K_first, K_second, depth, median = K_first[keep], K_second[keep], depth[keep], median[keep]
    moved = next_cameras(level, first, depth, median, K_first, plans.motion, random, settings)
    if settings.apart > 0:
        elsewhere = _elsewhere(scenes, plans, level, random, settings)
        moved = torch.where(plans.apart[:, None, None], elsewhere, moved)
    second = rolled(moved, plans.roll_rad[:, 1])
    turned = (first[:, :3, 2] * second[:, :3, 2]).sum(dim=1) < math.cos(math.radians(settings.max_turn_deg))
    good, second_depth, second_median = judge(scenes, second, K_second, probe, flat_ok[keep])
    ratio = second_median / median
    good = good & possible & (plans.apart | (~turned & (ratio < 4) & (ratio > 1 / 4)))
    overlap = mutual_overlap(scenes, (first, second), (depth, second_depth), (K_first, K_second))
    good = good & torch.where(plans.apart, overlap == 0, overlap >= settings.min_overlap)
    keep = good.nonzero()[:, 0]
    pairs = CameraPairs(
        plans, torch.stack([first, second], dim=1), torch.stack([median, second_median], dim=1), overlap
    )
    return pairs[keep], index[keep]


def first_cameras(
    scenes: Scenes, plans: Plans, random: Random, settings: CameraSettings
) -> tuple[Float[Tensor, "scenes 4 4"], Float[Tensor, "scenes"]]:
    """Poses `world_from_cam` of cameras at the planned viewpoints, not yet rolled; and how far their targets are."""
    count = len(scenes)
    position, target = _places(scenes, plans, random, settings)
    facade, close_up = _planned("facade", plans, settings), _planned("close_up", plans, settings)
    # Facades are looked for straight ahead, or it would be the ground that is found.
    ahead = torch.where(facade, position[:, 1], target[:, 1])
    scout = look_at(position, torch.stack([target[:, 0], ahead, target[:, 2]], dim=-1))
    # One ray and two beside it tell how far the nearest surface is, and how it is turned.
    fan = torch.tensor([[0.0, 0.0, 1.0], [0.04, 0.0, 1.0], [0.0, 0.04, 1.0]], device=random.device)
    direction = fan @ scout[:, :3, :3].mT
    reach, _ = first_hit(scenes, position[:, None].expand_as(direction), direction)
    hit, right, below = (position[:, None] + reach[..., None] * direction).unbind(1)
    near = hit - (hit - position) * random.log_uniform(0.15, 0.5, count)[:, None]
    normal = F.normalize(torch.linalg.cross(below - hit, right - hit), dim=-1)
    facade = facade & (normal[:, 1].abs() < 0.5)
    normal = F.normalize(normal * _vector((1.0, 0.0, 1.0), random), dim=-1)
    frontal = hit + normal * (reach[:, 0] * random.uniform(0.5, 1.1, count))[:, None]
    wobble = 0.05 * random.normal(count, 3)
    sight = torch.where(facade[:, None], (wobble - normal) * reach[:, :1], hit - position)
    sight = torch.where((close_up | facade)[:, None], sight, target - position)
    position = torch.where(close_up[:, None], near, torch.where(facade[:, None], frontal, position))
    return look_at(position, position + sight), sight.norm(dim=-1)


def _places(scenes: Scenes, plans: Plans, random: Random, settings: CameraSettings) -> tuple[Tensor, Tensor]:
    """Where photographers stand, and what they look at."""
    count, focal = len(scenes), plans.focal[:, 0]
    centre, extent = scenes.interest[:, :3], scenes.interest[:, 3]
    half = scenes.half_size[:, -1]
    from_above, from_below = (_planned(name, plans, settings) for name in ("from_above", "from_below"))
    # From far enough to see some of what is of interest; the wider the lens, the nearer one stands.
    azimuth = random.uniform(-math.pi, math.pi, count)
    distance = extent * focal.clamp(min=0.7) * random.log_uniform(0.8, 3.0, count)
    rise = 1.2 * random.uniform(0, 1, count).square()  # mostly from the side
    rise = torch.where(from_above, random.uniform(0.6, 4.0, count), rise)
    rise = torch.where(from_below, random.uniform(-0.3, 0.1, count), rise)
    # Higher up one need not stand as far away.
    level = distance / (1 + rise.clamp(min=0).square()).sqrt()
    around = centre + torch.stack([azimuth.cos() * level, -level * rise, azimuth.sin() * level], dim=-1)
    # Or anywhere that is not too far off, at the height of hands and eyes.
    off = random.uniform(-0.9, 0.9, count, 3) * half.clamp(max=8) - centre
    anywhere = centre + off * ((1 + 3 * extent) / off.norm(dim=-1)).clamp(max=1)[:, None]
    anywhere[:, 1] = -random.uniform(0.7, 1.9, count)
    scouting = _planned("facade", plans, settings) | _planned("close_up", plans, settings)
    standing = _planned("standing", plans, settings) | (scouting & (random.uniform(0, 1, count) < 0.5))
    position = torch.where(standing[:, None], anywhere, around)
    inner = half[:, [0, 2]] - 0.25
    walls = torch.maximum(torch.minimum(position[:, [0, 2]], inner), -inner)
    height = torch.maximum(position[:, 1], -1.8 * half[:, 1]).clamp(max=-0.12)
    position = torch.stack([walls[:, 0], height, walls[:, 1]], dim=-1)
    target = centre + random.normal(count, 3) * extent[:, None] * _vector((0.3, 0.2, 0.3), random)
    up = torch.where(from_below, random.uniform(0.2, 0.8, count), 0.0)
    return position, target + (up * (target - position).norm(dim=-1))[:, None] * _vector((0.0, -1.0, 0.0), random)


def next_cameras(
    level: Float[Tensor, "scenes 4 4"],
    rolled_first: Float[Tensor, "scenes 4 4"],
    depth: Float[Tensor, "scenes rows columns"],
    median: Float[Tensor, "scenes"],
    intrinsics: Float[Tensor, "scenes 3 3"],
    motion: Int[Tensor, "scenes"],
    random: Random,
    settings: CameraSettings,
    side: Float[Tensor, "scenes"] | None = None,
) -> Float[Tensor, "scenes 4 4"]:
    """Poses after a motion, not rolled.

    Args:
        level: Poses before it, not rolled.
        rolled_first: The same as the photo was taken; depth and intrinsics are of this view.
        motion: Index into the settings' table.
        side: 1 or -1, to the left or to the right, for a walk that goes on in one direction; drawn by default.
    """
    count, rows, columns = depth.shape
    table = settings.motions
    side = _sign(random, count) if side is None else side
    index = torch.arange(count, device=random.device)
    row = random.integers(rows // 4, rows - rows // 4, count)
    column = random.integers(columns // 4, columns - columns // 4, count)
    ray = camera_rays(rows, columns, intrinsics)[index, row, column]
    reach = depth[index, row, column]
    reach = torch.where(reach > 0, reach, median)
    pivot = _apply(rolled_first[:, :3, :3], ray * reach[:, None]) + rolled_first[:, :3, 3]

    def scaled(values: tuple[float, ...]) -> Tensor:
        return torch.tensor(values, device=random.device)[motion] * random.normal(count)

    # About the vertical through the pivot, then up or down on the sphere around it.
    angle = torch.deg2rad(draw(tuple(row.orbit_deg for row in table), motion, random))
    climb = scaled(tuple(row.lift for row in table)) * angle
    rotation, position = level[:, :3, :3], level[:, :3, 3]
    right = F.normalize(
        torch.linalg.cross(_vector((0.0, 1.0, 0.0), random).expand(count, 3), rotation[:, :, 2]), dim=-1
    )
    turn = axis_rotation(1, side * angle) @ _about(right, climb)
    distance = scaled(tuple(row.approach for row in table)).exp()
    position = pivot + _apply(turn, position - pivot) * distance[:, None]
    rotation = turn @ rotation
    # Then a few steps on the ground, facing as before.
    ahead = F.normalize(torch.linalg.cross(right, _vector((0.0, 1.0, 0.0), random).expand(count, 3)), dim=-1)
    sideways = draw(tuple(row.sideways for row in table), motion, random) * side
    forward = draw(tuple(row.forward for row in table), motion, random) * _sign(random, count)
    wander = torch.tensor([row.wander for row in table], device=random.device)[motion]
    wander = wander[:, None] * random.normal(count, 3) * _vector((1.0, 0.4, 1.0), random)
    step = right * sideways[:, None] + ahead * forward[:, None] + wander
    position = position + median[:, None] * step
    pan = torch.deg2rad(draw(tuple(row.pan_deg for row in table), motion, random)) * side
    aim = torch.deg2rad(torch.stack([scaled(tuple(row.aim_deg for row in table)) for _ in range(2)], dim=1))
    rotation = axis_rotation(1, pan) @ rotation @ axis_rotation(1, aim[:, 0]) @ axis_rotation(0, aim[:, 1])
    return rigid(rotation, position)


def scaled_intrinsics(
    focal: Float[Tensor, "*batch"], size: tuple[int, int], shift: Float[Tensor, "*batch 2"] | None = None
) -> Float[Tensor, "*batch 3 3"]:
    """Pinhole K in pixels of images of height and width `size`.

    Args:
        focal: In long sides of the image.
        shift: Of the principal point from the middle, to the right and down, in widths and heights of the image.
    """
    height, width = size
    centre = torch.tensor([(width - 1) / 2, (height - 1) / 2], device=focal.device).expand(*focal.shape, 2)
    if shift is not None:
        centre = centre + shift * torch.tensor([width, height], device=focal.device)
    return pinhole(focal * max(size), centre)


def look_at(
    position: Float[Tensor, "*batch 3"],
    target: Float[Tensor, "*batch 3"],
    roll_rad: Float[Tensor, "*batch"] | None = None,
) -> Float[Tensor, "*batch 4 4"]:
    """Pose `world_from_cam` of a camera with its x axis level, then rolled about its line of sight."""
    forward = F.normalize(target - position, dim=-1)
    down = torch.tensor([0.0, 1.0, 0.0], device=position.device).expand_as(forward)
    # Straight up or down no x axis is more level than another: take the one nearest to where it would be.
    along = torch.tensor([0.0, 0.0, 1e-4], device=position.device)
    right = F.normalize(torch.linalg.cross(down + along, forward), dim=-1)
    level = rigid(torch.stack([right, torch.linalg.cross(forward, right), forward], dim=-1), position)
    return level if roll_rad is None else rolled(level, roll_rad)


def rolled(
    world_from_cam: Float[Tensor, "*batch 4 4"], roll_rad: Float[Tensor, "*batch"]
) -> Float[Tensor, "*batch 4 4"]:
    """The same camera after turning it about its line of sight, clockwise seen from behind it."""
    return rigid(world_from_cam[..., :3, :3] @ axis_rotation(2, roll_rad), world_from_cam[..., :3, 3])


def _elsewhere(scenes: Scenes, plans: Plans, level: Tensor, random: Random, settings: CameraSettings) -> Tensor:
    """Cameras at another viewpoint of the same scene, or at the same one with the photographer turned round."""
    other = look_at(*_places(scenes, plans, random, settings))
    about = axis_rotation(1, random.uniform(1.4, math.pi, len(scenes)) * _sign(random, len(scenes)))
    turned = rigid(about @ level[:, :3, :3], level[:, :3, 3])
    return torch.where((random.uniform(0, 1, len(scenes)) < 0.5)[:, None, None], turned, other)


def _planned(name: str, plans: Plans, settings: CameraSettings) -> Tensor:
    """Which plans are for this viewpoint."""
    rows = [index for index, viewpoint in enumerate(settings.viewpoints) if viewpoint.name == name]
    return plans.viewpoint == (rows[0] if rows else -1)


def _some(good: Tensor) -> Tensor:
    """Indices of what is good, or of the first where nothing is: nobody need cope with empty batches."""
    keep = good.nonzero()[:, 0]
    return keep if len(keep) > 0 else torch.zeros_like(good[:1], dtype=torch.long)


def _sign(random: Random, count: int) -> Tensor:
    return torch.where(random.uniform(0, 1, count) < 0.5, -1.0, 1.0)


def _vector(values: tuple[float, float, float], random: Random) -> Tensor:
    return torch.tensor(values, device=random.device)


def _apply(rotation: Tensor, vector: Tensor) -> Tensor:
    return (rotation @ vector[..., None])[..., 0]


def _about(axis: Tensor, angle_rad: Tensor) -> Tensor:
    """Rotation about unit axes (Rodrigues)."""
    x, y, z = axis.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3))
    sine, cosine = angle_rad.sin()[:, None, None], angle_rad.cos()[:, None, None]
    return torch.eye(3, device=axis.device) + sine * cross + (1 - cosine) * (cross @ cross)
