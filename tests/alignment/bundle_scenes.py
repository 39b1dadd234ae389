"""A room seen by cameras that we chose, with matches between its views: right, noisy and wrong ones."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pointmap.geometry.cameras import camera_rays, pinhole, project_points
from pointmap.geometry.matching import PairMatches
from pointmap.geometry.transforms import invert_rigid, rigid, transform_points

_HALF_ROOM = torch.tensor([4.0, 2.5, 4.0], dtype=torch.float64)
_GRID = 8
"""Pixels between the nodes that are matched."""


@dataclass(frozen=True)
class Room:
    """Cameras in a box, and the depth of its walls in every pixel."""

    world_from_cam: Tensor
    intrinsics: Tensor
    depths: list[Tensor]

    def view(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        """Pose, intrinsics and depth map."""
        return self.world_from_cam[index], self.intrinsics[index], self.depths[index]


def turned(degrees: Tensor) -> Tensor:
    """Rotations by vectors (n, 3)."""
    x, y, z = torch.deg2rad(degrees).unbind(-1)
    zero = torch.zeros_like(x)
    return torch.linalg.matrix_exp(torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3)))


def make_room(
    views: int,
    *,
    shapes: list[tuple[int, int]] | None = None,
    focals: Tensor | None = None,
    offset: tuple[float, float] = (0.0, 0.0),
    spread: float = 1.0,
    seed: int = 0,
) -> Room:
    """Cameras on an arc in one half of the room, that look at its other half, turned this way and that.

    Args:
        spread: How far they are from each other; 0 for one place.
    """
    random = torch.Generator().manual_seed(seed)
    shapes = shapes or [(160, 224)] * views
    focals = torch.full((views,), 190.0, dtype=torch.float64) if focals is None else focals
    arc = torch.linspace(-1, 1, views, dtype=torch.float64)[torch.randperm(views, generator=random)]
    jitter = torch.empty(views, 3, dtype=torch.float64).uniform_(-1, 1, generator=random)
    centres = torch.stack([2.5 * arc, jitter[:, 0], arc.square() + 0.5 * jitter[:, 1]], dim=1) * spread
    turns = 8 * torch.randn(views, 3, generator=random, dtype=torch.float64)
    turns[:, 1] -= 30 * arc
    poses = rigid(turned(turns), centres + torch.tensor([0.0, 0.0, -2.0], dtype=torch.float64))
    middles = torch.tensor([[(w - 1) / 2 + offset[0], (h - 1) / 2 + offset[1]] for h, w in shapes]).double()
    intrinsics = pinhole(focals, middles)
    depths = [_wall(*shape, K, pose) for shape, K, pose in zip(shapes, intrinsics, poses, strict=True)]
    return Room(poses, intrinsics, depths)


def _wall(height: int, width: int, intrinsics: Tensor, world_from_cam: Tensor) -> Tensor:
    rays = camera_rays(height, width, intrinsics) @ world_from_cam[:3, :3].mT
    return ((rays.sign() * _HALF_ROOM - world_from_cam[:3, 3]) / rays).amin(-1)


def match(room: Room, i: int, j: int, *, noise: float = 0.7, outliers: float = 0.0, seed: int = 0) -> PairMatches:
    """Nodes of a grid in i that j sees, where j sees them; a part of the matches points anywhere."""
    random = torch.Generator().manual_seed(1000 * seed + 100 * i + j)
    (pose_i, K_i, depth_i), (pose_j, K_j, depth_j) = room.view(i), room.view(j)
    height, width = depth_i.shape
    y, x = torch.meshgrid(torch.arange(2, height, _GRID), torch.arange(2, width, _GRID), indexing="ij")
    points_i = (depth_i[..., None] * camera_rays(height, width, K_i))[y, x].flatten(0, 1)
    points_j = transform_points(invert_rigid(pose_j) @ pose_i, points_i)
    pixels_j = project_points(points_j, K_j)
    size_j = torch.tensor([depth_j.shape[1] - 1.0, depth_j.shape[0] - 1.0]).double()
    seen = (points_j[:, 2] > 0) & ((pixels_j >= 0) & (pixels_j <= size_j)).all(1)
    pixels_j = pixels_j + noise * torch.randn(pixels_j.shape, generator=random, dtype=torch.float64)
    anywhere = torch.rand(pixels_j.shape, generator=random, dtype=torch.float64) * size_j
    wrong = torch.rand(len(pixels_j), generator=random) < outliers
    pixels_j = torch.where(wrong[:, None], anywhere, pixels_j)
    pixels_i = torch.stack([x, y], dim=-1).flatten(0, 1).double()
    return PairMatches(i, j, pixels_i[seen], pixels_j[seen], torch.ones(int(seen.sum()), dtype=torch.float64))


def all_matches(room: Room, **settings: float) -> list[PairMatches]:
    """Of all ordered pairs."""
    views = range(len(room.depths))
    return [match(room, i, j, **settings) for i in views for j in views if i != j]


def disturbed(room: Room, *, turn: float = 8.0, shift: float = 0.15, seed: int = 1) -> Tensor:
    """Poses turned by so many degrees, shifted by a part of the median distance between cameras; the first is right."""
    random = torch.Generator().manual_seed(seed)
    views = len(room.depths)
    centres = room.world_from_cam[:, :3, 3]
    baseline = torch.pdist(centres).median()
    axes = torch.nn.functional.normalize(torch.randn(views, 3, generator=random, dtype=torch.float64), dim=1)
    ways = torch.nn.functional.normalize(torch.randn(views, 3, generator=random, dtype=torch.float64), dim=1)
    poses = rigid(turned(turn * axes) @ room.world_from_cam[:, :3, :3], centres + shift * baseline * ways)
    poses[0] = room.world_from_cam[0]
    return poses


def false_depths(room: Room, *, sigma: float = 0.2, seed: int = 2) -> list[Tensor]:
    """Depth maps with smooth errors, and a factor each."""
    random = torch.Generator().manual_seed(seed)
    maps = []
    for depth in room.depths:
        coarse = sigma * torch.randn(1, 1, 4, 5, generator=random, dtype=torch.float64)
        error = torch.nn.functional.interpolate(coarse, size=depth.shape, mode="bilinear", align_corners=True)[0, 0]
        factor = sigma * torch.randn((), generator=random, dtype=torch.float64)
        maps.append(depth * (error + factor).exp())
    return maps


def rotation_errors(found: Tensor, true: Tensor) -> Tensor:
    """Degrees, of the relative rotations of all pairs."""
    i, j = torch.triu_indices(len(true), len(true), 1)
    relative = [poses[i, :3, :3].mT @ poses[j, :3, :3] for poses in (found, true)]
    difference = relative[0] @ relative[1].mT
    return torch.rad2deg(((difference.diagonal(dim1=1, dim2=2).sum(1) - 1) / 2).clamp(-1, 1).acos())


def direction_errors(found: Tensor, true: Tensor) -> Tensor:
    """Degrees, between the directions from one camera to another, in the frame of the first, of all pairs."""
    i, j = torch.triu_indices(len(true), len(true), 1)
    found, true = (
        (poses[i, :3, :3].mT @ (poses[j, :3, 3] - poses[i, :3, 3])[..., None])[..., 0] for poses in (found, true)
    )
    return torch.rad2deg(torch.nn.functional.cosine_similarity(found, true, dim=1).clamp(-1, 1).acos())
