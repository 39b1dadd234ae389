"""A depth map as small planes: what its pixels say of the surface around their points, at the scale of voxels."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from pointmap.shapes import Float

_MAX_STEP = 0.05
"""Pixels whose depths differ by more than this share may be on two surfaces."""
_MAX_FOLD = 0.02
"""Neighbours are, if inverse depth does not go on in the same way on either side."""
_REACH = 2
"""Cells on each side over which slopes are averaged."""
_MAX_SLANT = 1.0
"""Tangent of the angle between normal and ray. More grazing planes are turned to the camera, for at the rims of round
things they reach too far. Of 0.001 to 5 the best on procedural and real depth, with and without noise."""


_TINY = 1e-30
_STRIP = 1 << 16
"""Pixels that are averaged together: as many as a processor's cache holds."""


@dataclass(frozen=True)
class DepthPlanes:
    """One plane per cell of pixels, in the camera frame. Points, normals and weights are 0 where depth is unknown."""

    points: Float[Tensor, "3 h w"]
    """On the planes, within the cells."""
    normals: Float[Tensor, "3 h w"]
    """Unit, towards the camera."""
    weights: Float[Tensor, "h w"]
    """Mean weight of the pixels that are on the plane, times the cosine of its slant."""
    colors: Float[Tensor, "3 h w"] | None
    """Their mean colour, in grey levels."""
    intrinsics: Float[Tensor, "3 3"]
    """In cells."""


def depth_planes(
    depth: Float[Tensor, "h w"],
    intrinsics: Float[Tensor, "3 3"],
    weights: Float[Tensor, "h w"],
    colors: Tensor | None = None,
    cell: int = 1,
) -> DepthPlanes:
    """Tangent planes of a depth map that mix nothing from the two sides of a depth edge.

    The inverse depth of a plane is affine in the pixel. So its mean over a cell is the plane's at the mean pixel, and
    with the two slopes, which are differences between neighbouring cells, it gives the plane.

    Args:
        depth: z-depth, in scene units; unknown where it is not positive and finite.
        intrinsics: Pinhole K without skew, in pixels of the map.
        weights: Of the pixels; where they are not positive and finite, pixels are as unknown.
        colors: (h, w, 3) of the pixels, uint8 or floats in [0, 1].
        cell: Pixels along the side of a cell.
    """
    K = intrinsics.clone()
    K[:2] /= cell
    K[:2, 2] += 0.5 / cell - 0.5
    rows = max(1, _STRIP // (depth.shape[1] * cell)) * cell if depth.device.type == "cpu" else len(depth)
    strips = [slice(start, start + rows) for start in range(0, len(depth), rows)]
    cells = torch.cat(
        [_cells_of(depth[i], weights[i], None if colors is None else colors[i], cell) for i in strips], dim=1
    )
    inverse, shift_u, shift_v, weights = cells[:4]
    fx, fy, cx, cy = (float(K[i, j]) for i, j in ((0, 0), (1, 1), (0, 2), (1, 2)))
    height, width = inverse.shape
    ray_x = (torch.arange(width, device=depth.device) + shift_u - cx) / fx
    ray_y = (torch.arange(height, device=depth.device)[:, None] + shift_v - cy) / fy
    # 1 / z = inverse + slope_u (u - u0) + slope_v (v - v0), times z: a plane a X + b Y + c Z = 1.
    a, b = _slope(inverse, 1) * fx, _slope(inverse, 0) * fy
    c = inverse - a * ray_x - b * ray_y
    # Along the ray, (a, b, c) is `inverse` by the ray's length, whatever the slopes; across it, it is the slant.
    ray_squared = 1 + ray_x**2 + ray_y**2
    along = inverse**2 / ray_squared
    slant = ((a**2 + b**2 + c**2 - along).clamp(min=0) / along.clamp(min=_TINY)).sqrt()
    part = _MAX_SLANT / slant.clamp(min=_MAX_SLANT)
    rest = (1 - part) * inverse / ray_squared
    normals = torch.stack([part * a + rest * ray_x, part * b + rest * ray_y, part * c + rest])
    normals *= -1 / (normals[0] ** 2 + normals[1] ** 2 + normals[2] ** 2).sqrt().clamp(min=_TINY)
    depths = torch.where(inverse > 0, 1 / inverse, 0.0)
    points = torch.stack([ray_x * depths, ray_y * depths, depths])
    cosines = (1 + slant**2).rsqrt()
    return DepthPlanes(points, normals, weights * cosines, None if colors is None else cells[4:], K)


def _cells_of(
    depth: Float[Tensor, "h w"], weights: Float[Tensor, "h w"], colors: Tensor | None, cell: int
) -> Float[Tensor, "values a b"]:
    """What the pixels of each cell say that are on one surface with its middle: the mean of their inverse depths, where
    their middle is, in cells from the cell's (u, v), the sum of their weights by the number of all pixels, and their
    mean colour in grey levels."""
    known = (depth > 0) & (depth < torch.inf) & (weights > 0) & (weights < torch.inf)
    pixels = _by_cell(torch.where(known, 1 / depth, 0.0), cell)
    weights = _by_cell(torch.where(known, weights, 0.0), cell)
    reference = pixels[cell // 2 * (cell + 1)]
    if not bool((reference > 0).all()):
        reference = torch.where(reference > 0, reference, pixels.amax(dim=0))
    # Again around the mean, for the middle itself may be off.
    for _ in range(1 if cell == 1 else 2):
        share = weights * ((pixels - reference).abs() <= _MAX_STEP * reference)
        total = share.sum(dim=0)
        norm = 1 / total.clamp(min=_TINY)
        reference = (share * pixels).sum(dim=0) * norm
    places = (torch.arange(cell, device=depth.device) + 0.5) / cell - 0.5
    share *= norm
    shift_v = (share.unflatten(0, (cell, cell)).sum(dim=1) * places[:, None, None]).sum(dim=0)
    shift_u = (share.unflatten(0, (cell, cell)).sum(dim=0) * places[:, None, None]).sum(dim=0)
    values = [reference, shift_u, shift_v, total / cell**2]
    for channel in () if colors is None else colors.unbind(dim=-1):
        levels = channel.float() if channel.dtype == torch.uint8 else channel.float().nan_to_num().clamp(0, 1) * 255
        values.append((share * _by_cell(levels, cell)).sum(dim=0))
    return torch.stack(values)


def _by_cell(values: Float[Tensor, "h w"], cell: int) -> Float[Tensor, "pixels a b"]:
    """All first pixels of the cells, all second ones, and so on, row by row of a cell; 0 beyond the border."""
    height, width = values.shape
    values = pad(values, (0, -width % cell, 0, -height % cell))
    return values.unflatten(1, (-1, cell)).unflatten(0, (-1, cell)).permute(1, 3, 0, 2).flatten(0, 1)


def _slope(inverse: Float[Tensor, "n m"], dim: int) -> Float[Tensor, "n m"]:
    """Change of inverse depth along a dimension: the mean of those around within the surface; 0 without any."""
    count = inverse.shape[dim]
    if count == 1:
        return torch.zeros_like(inverse)
    ahead, behind = inverse.narrow(dim, 1, count - 1), inverse.narrow(dim, 0, count - 1)
    step = ahead - behind
    nearest = torch.maximum(ahead, behind)
    usable = torch.minimum(ahead, behind) > 0
    # A steep step is a slope if the one before or behind it is the same.
    same = step.diff(dim=dim).abs_() < _MAX_FOLD * nearest.narrow(dim, 1, count - 2)
    steady = torch.zeros_like(usable)
    steady.narrow(dim, 1, count - 2).logical_or_(same & usable.narrow(dim, 0, count - 2))
    steady.narrow(dim, 0, count - 2).logical_or_(same & usable.narrow(dim, 1, count - 2))
    usable &= (step.abs() < _MAX_STEP * nearest) | steady
    steps = torch.stack([step * usable, usable.to(step.dtype)])
    # To the next cell and from the one before.
    total = torch.zeros(2, *inverse.shape, dtype=inverse.dtype, device=inverse.device)
    total.narrow(dim + 1, 0, count - 1).add_(steps)
    total.narrow(dim + 1, 1, count - 1).add_(steps)
    for across in (dim, 1 - dim):
        own = total.clone()
        for reach in range(1, (_REACH if across == dim else _REACH + 1)):
            _share(own, total, inverse, across, reach)
    return total[0] / total[1].clamp_(min=1)


def _share(
    own: Float[Tensor, "2 n m"], total: Float[Tensor, "2 n m"], inverse: Float[Tensor, "n m"], dim: int, reach: int
) -> None:
    """Add to the total of each cell what those have that are so far from it, on both sides, if on the same surface."""
    count = inverse.shape[dim] - reach
    if count <= 0:
        return
    first, last = inverse.narrow(dim, 0, count), inverse.narrow(dim, reach, count)
    near = ((first - last).abs() <= _MAX_STEP * torch.minimum(first, last)).to(inverse.dtype)
    total.narrow(dim + 1, 0, count).addcmul_(own.narrow(dim + 1, reach, count), near)
    total.narrow(dim + 1, reach, count).addcmul_(own.narrow(dim + 1, 0, count), near)
