"""How well posed depth maps agree."""

from collections.abc import Sequence

import torch
from torch import Tensor

from pointmap.geometry.cameras import project_points, unproject_depth
from pointmap.geometry.sampling import sample
from pointmap.geometry.transforms import invert_rigid, transform_points
from pointmap.shapes import Bool, Float


def disagreement(
    depths: Sequence[Float[Tensor, "_ _"]],
    intrinsics: Float[Tensor, "views 3 3"],
    world_from_cam: Float[Tensor, "views 4 4"],
) -> float:
    """How far points of one depth map typically lie from the surfaces of others; 0 where no two meet.

    Args:
        depths: z-depth; 0 where unknown.
        intrinsics: In pixels of these.

    Returns:
        The median, in scene units.
    """
    cam_from_world = invert_rigid(world_from_cam)
    found = []
    for i, depth in enumerate(depths):
        step = max(1, int((int((depth > 0).sum()) / 1000) ** 0.5))
        thin = torch.zeros_like(depth, dtype=torch.bool)
        thin[::step, ::step] = True
        chosen = thin & (depth > 0)
        points = transform_points(world_from_cam[i], unproject_depth(depth, intrinsics[i])[chosen])
        nearest = (world_from_cam[:, :3, 3] - world_from_cam[i, :3, 3]).norm(dim=-1).argsort()[1:5]
        for j in nearest.tolist() if len(points) else []:
            distance, known = behind(points, depths[j], intrinsics[j], cam_from_world[j])
            found.append(distance[known].abs())
    values = torch.cat(found) if found else torch.zeros(0)
    return float(values.median()) if len(values) else 0.0


def behind(
    points: Float[Tensor, "n 3"], depth: Float[Tensor, "h w"], K: Float[Tensor, "3 3"], camera: Float[Tensor, "4 4"]
) -> tuple[Float[Tensor, "n"], Bool[Tensor, "n"]]:
    """How far points are behind the surface of a depth map, along its axis, and where that is known."""
    local = transform_points(camera, points)
    pixels = torch.where(local[:, 2:] > 0, project_points(local, K), -1e6)
    u, v = pixels[None, :, 0], pixels[None, :, 1]
    known, within = sample((depth > 0).float(), u, v)
    value, _ = sample(depth, u, v)
    # Between a known and an unknown pixel a mean would be neither.
    return local[:, 2] - value[0], within[0] & (known[0] > 0.999)
