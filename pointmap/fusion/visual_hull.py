"""What masks alone say of an object: the part of space that all of them see as the object."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from pointmap.errors import InputError
from pointmap.geometry.cameras import project_points
from pointmap.geometry.sampling import sample
from pointmap.geometry.transforms import transform_points
from pointmap.shapes import Bool, Float

_COARSE = 48
"""Voxels along each side of the grid that finds the object's bounds."""
_WRONG = 0.05
"""Share of the masks that may miss a part of the object."""


def hull_bounds(
    masks: Sequence[Bool[np.ndarray, "_ _"]],
    intrinsics: Float[Tensor, "views 3 3"],
    cam_from_world: Float[Tensor, "views 4 4"],
) -> Float[Tensor, "2 3"]:
    """Lowest and highest coordinates of the visual hull, with a margin.

    Raises:
        InputError: Fewer than two masks show something, or no point of space lies in them all.
    """
    shown = [view for view, mask in enumerate(masks) if mask.any()]
    if len(shown) < 2:
        raise InputError(f"{len(shown)} of {len(masks)} masks show an object; a hull needs two or more.")
    centres, reach = _extents([masks[view] for view in shown], intrinsics[shown])
    centre = _meeting_point(centres, cam_from_world[shown])
    depth = transform_points(cam_from_world[shown], centre.expand(len(shown), 1, 3))[:, 0, 2]
    radii = reach.to(depth) * depth.clamp(min=0)
    half = 1.5 * float(radii[radii < 3 * radii.median()].max())
    if not half > 0:
        raise InputError("The masks' objects lie behind the cameras: poses and masks do not belong together.")
    distances = signed_distances(masks, intrinsics.device)
    step = 2 * half / (_COARSE - 1)
    grid = centre - half + step * voxel_grid((_COARSE,) * 3, centre.device)
    # A thin object could fall between the points of a coarse grid.
    inside = hull_field(grid, distances, intrinsics, cam_from_world) > -step / 2
    if not bool(inside.any()):
        raise InputError("No point of space lies in all masks: poses and masks do not belong together.")
    found = grid[inside]
    return torch.stack([found.amin(dim=0) - 1.5 * step, found.amax(dim=0) + 1.5 * step])


def hull_field(
    points: Float[Tensor, "n 3"],
    distances: Sequence[Float[Tensor, "_ _"]],
    intrinsics: Float[Tensor, "views 3 3"],
    cam_from_world: Float[Tensor, "views 4 4"],
) -> Float[Tensor, "n"]:
    """About how deep points are inside the visual hull, in scene units; negative outside it.

    The least over the views, after leaving out a few: a single mask that misses a part does not cut it off. Views that
    do not have a point say nothing about it; a point that no view has is outside.

    Args:
        distances: See `signed_distances`.
    """
    wrong = int(_WRONG * len(distances))
    least = torch.full((wrong + 1, len(points)), torch.inf, device=points.device)
    for distance, K, camera in zip(distances, intrinsics, cam_from_world, strict=True):
        local = transform_points(camera, points)
        pixels = torch.where(local[:, 2:] > 0, project_points(local, K), -1e6)
        values, within = sample(distance, pixels[None, :, 0], pixels[None, :, 1])
        deep = torch.where(within[0], values[0] * local[:, 2] / K[0, 0], torch.inf)
        least = torch.cat([least, deep[None]]).topk(wrong + 1, dim=0, largest=False).values
    return torch.where(least[-1].isfinite(), least[-1], torch.where(least[0].isfinite(), least[0], -1.0))


def signed_distances(masks: Sequence[Bool[np.ndarray, "_ _"]], device: torch.device) -> list[Float[Tensor, "_ _"]]:
    """For every mask the distance of its pixels to its border, in pixels: positive inside, negative outside.

    Objects go on beyond the photo, so the photo's border is none.
    """
    from scipy.ndimage import distance_transform_edt

    found = []
    for mask in masks:
        if not mask.any() or mask.all():
            values = np.full(mask.shape, float(max(mask.shape)) * (1 if mask.all() else -1))
        else:
            # The border runs half-way between pixels.
            values = np.where(mask, distance_transform_edt(mask) - 0.5, 0.5 - distance_transform_edt(~mask))
        found.append(torch.from_numpy(values.astype(np.float32)).to(device))
    return found


def voxel_grid(shape: tuple[int, int, int], device: torch.device) -> Float[Tensor, "n 3"]:
    """Indices (i, j, k) of all voxels, the last running fastest."""
    axes = [torch.arange(length, dtype=torch.float32, device=device) for length in shape]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, 3)


def _extents(
    masks: Sequence[Bool[np.ndarray, "_ _"]], intrinsics: Float[Tensor, "views 3 3"]
) -> tuple[Float[Tensor, "views 3"], Float[Tensor, "views"]]:
    """Ray of depth 1 to the middle of every mask, and how far from it the mask reaches at that depth."""
    rays, reach = [], []
    for mask, K in zip(masks, intrinsics, strict=True):
        ends = []
        for axis in (1, 0):
            there = np.flatnonzero(mask.any(axis=1 - axis))
            ends.append((float(there[0]), float(there[-1])))
        focal, centre = torch.stack([K[0, 0], K[1, 1]]), K[:2, 2]
        low, high = ((torch.tensor([ends[0][i], ends[1][i]]).to(K) - centre) / focal for i in (0, 1))
        rays.append(torch.cat([(low + high) / 2, torch.ones(1).to(K)]))
        reach.append((high - low).norm() / 2)
    return torch.stack(rays), torch.stack(reach)


def _meeting_point(rays: Float[Tensor, "views 3"], cam_from_world: Float[Tensor, "views 4 4"]) -> Float[Tensor, "3"]:
    """The point nearest to rays of all cameras, in the world: the sum of squared distances is least."""
    rotation, offset = cam_from_world[:, :3, :3], cam_from_world[:, :3, 3]
    directions = torch.nn.functional.normalize((rotation.mT @ rays[..., None])[..., 0], dim=-1)
    centres = -(rotation.mT @ offset[..., None])[..., 0]
    across = torch.eye(3).to(directions) - directions[:, :, None] * directions[:, None]
    return torch.linalg.lstsq(across.sum(dim=0), (across @ centres[..., None]).sum(dim=0)).solution[:, 0]
