"""Points that hang in front of what a surer photo sees: they cannot be there, or it would not see past them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from pointmap.geometry.cameras import project_points
from pointmap.geometry.transforms import invert_rigid, transform_points
from pointmap.shapes import Float


def clear_free_space(
    points_world: Sequence[Float[Tensor, "_ _ 3"]],
    confidences: Sequence[Float[Tensor, "_ _"]],
    intrinsics: Float[Tensor, "views 3 3"],
    world_from_cam: Float[Tensor, "views 4 4"],
    *,
    tolerance: float = 0.001,
) -> list[Float[Tensor, "_ _"]]:
    """Confidences with 0 where a point is contradicted, as in the clean-up of DUSt3R's point clouds.

    Views are taken in order, and a point that is already contradicted contradicts no others.

    Args:
        points_world: Pointmap of every view.
        intrinsics: In pixels of the pointmaps.
        tolerance: How far in front a point must be, as a share of the depth that the other view sees.
    """
    cleared = [confidence.clone() for confidence in confidences]
    cam_from_world = invert_rigid(world_from_cam)
    depths = [_points_in(cam, points)[:, 2] for cam, points in zip(cam_from_world, points_world, strict=True)]
    for i, points in enumerate(points_world):
        mine = cleared[i].flatten()
        for j, surer in enumerate(cleared):
            if i == j:
                continue
            height, width = surer.shape
            local = _points_in(cam_from_world[j], points)
            u, v = (
                torch.nan_to_num(project_points(local, intrinsics[j]), nan=-1).round().clamp(-1, 1e6).long().unbind(-1)
            )
            seen = (local[:, 2] > 0) & (u >= 0) & (v >= 0) & (u < width) & (v < height)
            pixel = v.clamp(0, height - 1) * width + u.clamp(0, width - 1)
            in_front = local[:, 2] < (1 - tolerance) * depths[j][pixel]
            mine[seen & in_front & (mine < surer.flatten()[pixel])] = 0
        cleared[i] = mine.reshape(cleared[i].shape)
    return cleared


def _points_in(b_from_world: Float[Tensor, "4 4"], points_world: Float[Tensor, "h w 3"]) -> Float[Tensor, "n 3"]:
    return transform_points(b_from_world, points_world.flatten(0, 1))
