"""Depth of every pixel once cameras and similarities are known, and the loss over all pixels."""

import torch
from torch import Tensor

from pointmap.alignment.problem import Problem
from pointmap.alignment.state import along_ray, distance_floor, move
from pointmap.geometry.cameras import camera_rays
from pointmap.geometry.similarity import invert_similarity
from pointmap.shapes import Float

_ROUNDS = 8


def dense_depth(
    problem: Problem,
    view: int,
    intrinsics: Float[Tensor, "3 3"],
    world_from_cam: Float[Tensor, "4 4"],
    world_from_group: Float[Tensor, "groups 4 4"],
) -> tuple[Float[Tensor, "h w"], float]:
    """z-depths of a view with the smallest weighted sum of distances to what all groups predict.

    Returns:
        Depths (0 where no group says anything, or where they would be behind the camera), and the view's part of the
        objective in world units.
    """
    height, width = problem.shapes[view]
    shown = (problem.view_of == view).nonzero()[:, 0].tolist()
    cam_from_world = invert_similarity(world_from_cam)
    directions = camera_rays(height, width, intrinsics).reshape(-1, 3).mT.float().contiguous()
    along, across, weights = [], [], []
    for o in shown:
        cam_from_group = (cam_from_world @ world_from_group[problem.group_of[o]]).float()
        points = problem.points[o].reshape(-1, 3).mT.contiguous()
        near, off, length = along_ray(directions, move(cam_from_group[None], points[None])[0])
        along.append(near)
        across.append(off)
        weights.append(problem.weights[o].reshape(-1) * problem.side_scale[o].float())
    nearest, off_ray, weight = torch.stack(along), torch.stack(across), torch.stack(weights)
    depth = (weight * nearest).sum(0) / weight.sum(0).clamp_min(1e-30)
    distances = (length * (depth - nearest).square() + off_ray).sqrt()
    floor = distance_floor(distances, weight)
    for _ in range(_ROUNDS):
        share = weight / distances.clamp_min(floor)
        depth = (share * nearest).sum(0) / share.sum(0).clamp_min(1e-30)
        distances = (length * (depth - nearest).square() + off_ray).sqrt()
    depth = depth.clamp_min(0)
    distances = (length * (depth - nearest).square() + off_ray).sqrt()
    loss = float((weight.double() * distances).sum())
    return depth.reshape(height, width), loss
