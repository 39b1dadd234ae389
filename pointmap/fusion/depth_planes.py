"""A depth map as small planes: what its pixels say of the surface around their points, at the scale of voxels."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from pointmap.geometry.cameras import camera_rays
from pointmap.shapes import Float

_MAX_STEP = 0.05
"""Pixels whose depths differ by more than this share may be on two surfaces."""
_MAX_FOLD = 0.02
"""Neighbours are, if inverse depth does not go on in the same way on either side."""
_REACH = 2
"""Cells on each side over which slopes are averaged."""
_LEAST_COSINE = 0.2
"""Of a plane and its ray. More grazing ones are turned towards the camera, for they reach too far."""


_STRIP = 1 << 16
"""Pixels that are averaged together: as many as a processor's cache holds."""


@dataclass(frozen=True)
class DepthPlanes:
    """One plane per cell of pixels, in the camera frame. All is 0 where depth is unknown."""

    points: Float[Tensor, "h w 3"]
    """On the planes, within the cells."""
    normals: Float[Tensor, "h w 3"]
    """Unit, towards the camera."""
    weights: Float[Tensor, "h w"]
    """Mean weight of the pixels that are on the plane, times the cosine of its slant."""
    colors: Float[Tensor, "h w 3"] | None
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
    strips = [
        _cells_of(depth[i : i + rows], weights[i : i + rows], None if colors is None else colors[i : i + rows], cell)
        for i in range(0, len(depth), rows)
    ]
    cells = torch.cat(strips)
    inverse, shift_u, shift_v, weights = cells[..., :4].unbind(dim=-1)
    rays = camera_rays(*inverse.shape, K)
    rays[..., 0] += shift_u / K[0, 0]
    rays[..., 1] += shift_v / K[1, 1]
    known = inverse > 0
    # 1 / z = inverse + slope_u (u - u0) + slope_v (v - v0), times z: a plane a X + b Y + c Z = 1.
    a, b = _slope(inverse.mT).mT * K[0, 0], _slope(inverse) * K[1, 1]
    normals = -torch.stack([a, b, inverse - a * rays[..., 0] - b * rays[..., 1]], dim=-1)
    length, ray_length = normals.norm(dim=-1), rays.norm(dim=-1)
    # On the ray, z = 1 / inverse is on the plane: normals . ray = -inverse.
    cosines = inverse / (length * ray_length).clamp(min=1e-30)
    normals = normals / length.clamp(min=1e-30)[..., None]
    normals = normals - ((_LEAST_COSINE - cosines).clamp(min=0) / ray_length)[..., None] * rays
    normals = normals / normals.norm(dim=-1, keepdim=True) * known[..., None]
    points = torch.where(known, 1 / inverse.clamp(min=1e-30), 0.0)[..., None] * rays
    return DepthPlanes(points, normals, weights * cosines, None if colors is None else cells[..., 4:], K)


def _cells_of(
    depth: Float[Tensor, "h w"], weights: Float[Tensor, "h w"], colors: Tensor | None, cell: int
) -> Float[Tensor, "a b values"]:
    """What the pixels of each cell say that are on one surface with its middle: the mean of their inverse depths, where
    their middle is, in cells from the cell's (u, v), the sum of their weights by the number of all pixels, and their
    mean colour in grey levels."""
    known = (depth > 0) & (depth < torch.inf) & (weights > 0) & (weights < torch.inf)
    pixels = _by_cell(torch.where(known, 1 / depth, 0.0), cell)
    weights = _by_cell(torch.where(known, weights, 0.0), cell)
    reference = pixels[:, cell // 2, :, cell // 2]
    if not bool((reference > 0).all()):
        reference = torch.where(reference > 0, reference, pixels.amax(dim=1).amax(dim=-1))
    # Again around the mean, for the middle itself may be off.
    for _ in range(1 if cell == 1 else 2):
        around = reference[:, None, :, None]
        share = weights * ((pixels - around).abs() <= _MAX_STEP * around)
        total = _sum(share)
        norm = total.clamp(min=1e-30)
        reference = _sum(share * pixels) / norm
    places = (torch.arange(cell, device=depth.device) + 0.5) / cell - 0.5
    shift_u = (share.sum(dim=1) * places).sum(dim=-1) / norm
    shift_v = (share.sum(dim=3) * places[:, None]).sum(dim=1) / norm
    values = [reference, shift_u, shift_v, total / cell**2]
    for channel in () if colors is None else colors.unbind(dim=-1):
        levels = channel.float() if channel.dtype == torch.uint8 else channel.nan_to_num().clamp(0, 1) * 255.0
        values.append(_sum(share * _by_cell(levels, cell)) / norm)
    return torch.stack(values, dim=-1)


def _by_cell(values: Float[Tensor, "h w"], cell: int) -> Float[Tensor, "a cell b cell"]:
    """Pixels by cell; 0 beyond the border."""
    height, width = values.shape
    if height % cell or width % cell:
        values = pad(values, (0, -width % cell, 0, -height % cell))
    return values.unflatten(1, (-1, cell)).unflatten(0, (-1, cell))


def _sum(values: Float[Tensor, "a cell b cell"]) -> Float[Tensor, "a b"]:
    """Over the pixels of each cell."""
    return values.sum(dim=1).sum(dim=-1)


def _slope(inverse: Float[Tensor, "n m"]) -> Float[Tensor, "n m"]:
    """Change of inverse depth from row to row: the mean of the differences around that are on the same surface; 0 without
    any."""
    step = inverse[1:] - inverse[:-1]
    nearest = torch.maximum(inverse[1:], inverse[:-1])
    usable = (inverse[1:] > 0) & (inverse[:-1] > 0)
    # A steep step is a slope if the one before or behind it is the same.
    steady = torch.zeros_like(usable)
    same = (step[1:] - step[:-1]).abs() < _MAX_FOLD * nearest[1:]
    steady[1:] |= same & usable[:-1]
    steady[:-1] |= same & usable[1:]
    usable &= (step.abs() < _MAX_STEP * nearest) | steady
    steps = torch.stack([step * usable, usable.to(step.dtype)])
    below, above = pad(steps, (0, 0, 0, 1)), pad(steps, (0, 0, 1, 0))
    along = below + above
    for reach in range(1, _REACH):
        along += _moved(below, inverse, (reach, 0)) + _moved(above, inverse, (-reach, 0))
    total = along.clone()
    for reach in range(1, _REACH + 1):
        total += _moved(along, inverse, (0, reach)) + _moved(along, inverse, (0, -reach))
    return total[0] / total[1].clamp(min=1)


def _moved(
    values: Float[Tensor, "2 n m"], inverse: Float[Tensor, "n m"], move: tuple[int, int]
) -> Float[Tensor, "2 n m"]:
    """What is so many rows and columns on, where it is on the same surface; else 0."""
    rows, columns = move
    padding = (max(0, -columns), max(0, columns), max(0, -rows), max(0, rows))
    moved = pad(torch.cat([values, inverse[None]]), padding)
    height, width = inverse.shape
    moved = moved[:, max(0, rows) :, max(0, columns) :][:, :height, :width]
    return moved[:2] * ((moved[2] - inverse).abs() <= _MAX_STEP * inverse)
