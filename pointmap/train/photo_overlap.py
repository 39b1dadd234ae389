"""How much posed photos share of what they see."""

import torch
import torch.nn.functional as F
from torch import Tensor

from pointmap.geometry.cameras import unproject_depth
from pointmap.geometry.transforms import invert_rigid, transform_points
from pointmap.shapes import Float

_GRID = (48, 64)
_STRIDE = 4
_SAME_SURFACE = 0.1
"""Relative difference of depth up to which two photos show the same point; generous, for the maps are coarse."""


def pair_overlaps(
    depths: list[Float[Tensor, "h w"]],
    intrinsics: Float[Tensor, "photos 3 3"],
    cam_from_world: Float[Tensor, "photos 4 4"],
) -> Float[Tensor, "photos photos"]:
    """Share of each photo's known surfaces that the other one sees, the smaller of the two.

    Where depth is missing in one of them: how far their lines of sight are from being a field of view apart.

    Args:
        depths: z-depth, NaN where unknown.
    """
    if not depths:
        return torch.zeros(0, 0)
    coarse = torch.cat([F.interpolate(depth[None, None], _GRID, mode="nearest-exact")[0] for depth in depths])
    rows, columns = (
        torch.tensor([side / depth.shape[axis] for depth in depths]) for axis, side in ((0, _GRID[0]), (1, _GRID[1]))
    )
    scaled = intrinsics.clone()
    for axis, scale in ((0, columns), (1, rows)):
        scaled[:, axis] *= scale[:, None]
        scaled[:, axis, 2] += (scale - 1) / 2
    world_from_cam = invert_rigid(cam_from_world)
    shares = torch.stack([_seen(coarse, scaled, cam_from_world, world_from_cam, index) for index in range(len(depths))])
    shares = torch.minimum(shares, shares.mT)
    sight = world_from_cam[:, :3, 2]
    angles = (sight @ sight.mT).clamp(-1, 1).acos()
    fields = 2 * torch.atan(_GRID[1] / 2 / scaled[:, 0, 0])
    guesses = (1 - angles / torch.minimum(fields[:, None], fields)).clamp(min=0)
    return torch.where(shares.isfinite(), shares, guesses)


def _seen(
    depths: Tensor, intrinsics: Tensor, cam_from_world: Tensor, world_from_cam: Tensor, index: int
) -> Float[Tensor, "photos"]:
    """Share of one photo's known pixels that each photo sees; NaN where one of the two knows none."""
    height, width = depths.shape[1:]
    points = unproject_depth(depths[index], intrinsics[index])[::_STRIDE, ::_STRIDE].flatten(0, 1)
    points = points[points[:, 2].isfinite()]
    points = transform_points(world_from_cam[index], points)
    local = transform_points(cam_from_world, points.expand(len(depths), -1, -1))
    projected = local @ intrinsics.mT
    x, y = (projected[..., :2] / projected[..., 2:].clamp(min=1e-6)).round().clamp(-1, 1e4).long().unbind(-1)
    framed = (local[..., 2] > 0) & (x >= 0) & (y >= 0) & (x < width) & (y < height)
    there = depths.flatten(1).gather(1, y.clamp(0, height - 1) * width + x.clamp(0, width - 1))
    # Where the other photo's depth has a hole, the point is taken for seen.
    same = ((there - local[..., 2]).abs() < _SAME_SURFACE * local[..., 2]) | there.isnan()
    share = (framed & same).float().mean(dim=1)
    return torch.where(depths.flatten(1).isfinite().any(dim=1), share, torch.nan)
