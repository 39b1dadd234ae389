"""A depth map as small planes, one per pixel: what a pixel says of the surface around its point."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from pointmap.geometry.cameras import camera_rays
from pointmap.shapes import Bool, Float

_MAX_STEP = 0.05
"""Neighbours whose depths differ by more than this share may be on two surfaces."""
_MAX_FOLD = 0.02
"""They are, if inverse depth does not go on in the same way on either side."""
_REACH = 2
"""Pixels on each side over which slopes are averaged."""
_LEAST_COSINE = 0.2
"""Of a plane and its pixel's ray. More grazing ones are turned towards the camera, for they reach too far."""


@dataclass(frozen=True)
class DepthPlanes:
    """Planes in the camera frame: `normals . x + offsets` is how far x is in front of the pixel's surface."""

    normals: Float[Tensor, "h w 3"]
    """Unit, towards the camera; 0 where depth is unknown."""
    offsets: Float[Tensor, "h w"]
    points: Float[Tensor, "h w 3"]
    """Of the pixel centres, in the camera frame; 0 where depth is unknown."""
    cosines: Float[Tensor, "h w"]
    """Of the angle between normal and ray; 0 where depth is unknown."""
    known: Bool[Tensor, "h w"]


def depth_planes(depth: Float[Tensor, "h w"], intrinsics: Float[Tensor, "3 3"]) -> DepthPlanes:
    """Tangent planes of a depth map that never lean on the other side of a depth edge.

    The inverse depth of a plane is affine in the pixel, so its two slopes and its value give the plane. Slopes are
    means over a small window, of differences between neighbours on one surface.

    Args:
        depth: z-depth, in scene units; 0 where unknown.
        intrinsics: Pinhole K without skew, in pixels of the map.
    """
    known = depth > 0
    inverse = torch.where(known, 1 / depth.clamp(min=1e-30), 0.0)
    slope_v = _slope(inverse)
    slope_u = _slope(inverse.mT).mT
    rays = camera_rays(*depth.shape, intrinsics)
    # 1 / z = inverse + slope_u (u - u0) + slope_v (v - v0), times z: a plane a X + b Y + c Z = 1.
    a, b = slope_u * intrinsics[0, 0], slope_v * intrinsics[1, 1]
    c = inverse - a * rays[..., 0] - b * rays[..., 1]
    normals = -torch.stack([a, b, c], dim=-1)
    length = normals.norm(dim=-1)
    ray_length = rays.norm(dim=-1)
    # The ray meets the plane at depth 1 / inverse: normals . ray = -inverse.
    cosines = inverse / (length * ray_length).clamp(min=1e-30)
    normals = normals / length.clamp(min=1e-30)[..., None]
    lift = (_LEAST_COSINE - cosines).clamp(min=0)
    normals = normals - (lift / ray_length)[..., None] * rays
    normals = normals / normals.norm(dim=-1, keepdim=True).clamp(min=1e-30) * known[..., None]
    points = depth[..., None] * rays
    return DepthPlanes(normals, -(normals * points).sum(dim=-1), points, cosines * known, known)


def _slope(inverse: Float[Tensor, "n m"]) -> Float[Tensor, "n m"]:
    """Change of inverse depth from row to row, the mean of a window's differences within surfaces; 0 without any."""
    step = inverse[1:] - inverse[:-1]
    nearest = torch.maximum(inverse[1:], inverse[:-1])
    usable = (inverse[1:] > 0) & (inverse[:-1] > 0)
    # A steep step is a slope if the one before or behind it is the same.
    steady = torch.zeros_like(usable)
    same = (step[1:] - step[:-1]).abs() < _MAX_FOLD * nearest[1:]
    steady[1:] |= same & usable[:-1]
    steady[:-1] |= same & usable[1:]
    usable &= (step.abs() < _MAX_STEP * nearest) | steady
    weights = usable.to(step.dtype)
    size = (2 * _REACH, 2 * _REACH + 1)
    padding = (_REACH, _REACH)
    # Between n rows are n - 1 steps; with this padding the window of row i holds those before and behind it.
    stacked = torch.stack([step * weights, weights])[:, None]
    sums = avg_pool2d(stacked, size, stride=1, padding=padding)
    return torch.where(sums[1] > 0, sums[0] / sums[1].clamp(min=1e-6), 0.0)[0]
