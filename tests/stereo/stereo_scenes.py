"""Photos of surfaces that we chose, with exact cameras and depths: a wall, a ball before it, a step in the wall."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pointmap.geometry.cameras import camera_rays
from pointmap.geometry.transforms import rigid

BALL_CENTRE, BALL_RADIUS = torch.tensor([0.1, 0.0, 2.6]), 0.5


@dataclass
class Photos:
    images: list[Tensor]
    intrinsics: Tensor
    world_from_cam: Tensor
    depths: list[Tensor]

    def cameras(self) -> tuple[Tensor, Tensor]:
        return self.intrinsics, self.world_from_cam


def take_photos(
    *,
    shapes: list[tuple[int, int]],
    spacing: float = 0.25,
    slant: float = 0.3,
    ball: bool = False,
    step: float = 0.0,
    plain_right_of: float = math.inf,
    seed: int = 0,
) -> Photos:
    """One photo per shape, from a row of places that look at (0, 0, 3); the wall's depth there is 3, x right, y down.

    Args:
        spacing: Between neighbouring cameras.
        slant: Change of the wall's z per unit of x.
        ball: Hang a ball before the wall.
        step: The wall is so much nearer where x < 0.
        plain_right_of: The wall has no texture where x is larger.
    """
    waves, phases = _waves(seed)
    images, intrinsics, poses, depths = [], [], [], []
    for index, (height, width) in enumerate(shapes):
        K = torch.tensor(
            [
                [1.1 * max(height, width), 0, width / 2 + 3.3],
                [0, 1.05 * max(height, width), height / 2 - 2.2],
                [0, 0, 1],
            ]
        )
        x = spacing * (index - (len(shapes) - 1) / 2)
        angle = math.atan2(x, 3.0)
        turn = torch.tensor([[math.cos(angle), 0, -math.sin(angle)], [0, 1, 0], [math.sin(angle), 0, math.cos(angle)]])
        pose = rigid(turn, torch.tensor([x, 0.08 * (index % 2), 0.0]))
        rays = camera_rays(height, width, K) @ turn.mT
        depth = _wall(pose[:3, 3], rays, slant, 0.0)
        if step:
            nearer = _wall(pose[:3, 3], rays, slant, -step)
            depth = torch.where((pose[:3, 3] + rays * nearer[..., None])[..., 0] < 0, nearer, depth)
        if ball:
            depth = torch.minimum(depth, _ball(pose[:3, 3], rays))
        points = pose[:3, 3] + rays * depth[..., None]
        texture = 0.5 + 0.09 * torch.sin(points @ waves + phases).reshape(height, width, 3, -1).sum(-1)
        texture[points[..., 0] > plain_right_of] = 0.5
        images.append((texture.clamp(0, 1) * 255).round().to(torch.uint8))
        intrinsics.append(K)
        poses.append(pose)
        depths.append(depth)
    return Photos(images, torch.stack(intrinsics), torch.stack(poses), depths)


def bent(depths: list[Tensor], size: float = 0.15) -> list[Tensor]:
    """Depth maps with smooth errors of up to `size`, different in each."""
    result = []
    for index, depth in enumerate(depths):
        y, x = torch.meshgrid(*[torch.linspace(-1, 1, n) for n in depth.shape], indexing="ij")
        result.append(depth * torch.exp(size * torch.sin(2.5 * x + index) * torch.cos(2 * y - index)))
    return result


def errors(found: Tensor, true: Tensor) -> Tensor:
    return (found / true - 1).abs()


def _waves(seed: int) -> tuple[Tensor, Tensor]:
    """Wave vectors (3, 3 * 12) and phases: of long and short waves, the shortest some pixels long."""
    generator = torch.Generator().manual_seed(seed)
    directions = torch.nn.functional.normalize(torch.randn(3, 36, generator=generator), dim=0)
    frequencies = torch.exp(torch.empty(36).uniform_(math.log(4), math.log(45), generator=generator))
    return directions * frequencies, torch.empty(36).uniform_(0, 6.28, generator=generator)


def _wall(origin: Tensor, rays: Tensor, slant: float, offset: float) -> Tensor:
    """z-depth to the plane z = 3 + offset + slant * x."""
    normal = torch.tensor([-slant, 0.0, 1.0])
    return (3 + offset - origin @ normal) / (rays @ normal)


def _ball(origin: Tensor, rays: Tensor) -> Tensor:
    """z-depth to the ball; infinite beside it."""
    across = origin - BALL_CENTRE
    a, b, c = rays.square().sum(-1), rays @ across, across @ across - BALL_RADIUS**2
    root = b.square() - a * c
    return torch.where(root > 0, (-b - root.clamp_min(0).sqrt()) / a, torch.inf)
