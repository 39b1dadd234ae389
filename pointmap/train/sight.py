"""What cameras would see, from coarse depth maps and before anything is rendered."""

import torch
from torch import Tensor

from pointmap.geometry.cameras import camera_rays
from pointmap.shapes import Bool, Float
from pointmap.train.renderer import first_hit, inside_object, probe_depth
from pointmap.train.scenes import Scenes

PROBE = (9, 12)
"""Rows and columns of the coarse depth maps."""


def judge(
    scenes: Scenes,
    world_from_cam: Float[Tensor, "scenes 4 4"],
    intrinsics: Float[Tensor, "scenes 3 3"],
    probe: tuple[int, int],
    flat_ok: Bool[Tensor, "scenes"],
) -> tuple[Bool[Tensor, "scenes"], Float[Tensor, "scenes rows columns"], Float[Tensor, "scenes"]]:
    """Whether a photographer could stand here and would take this photo; what a probe of it sees, and its median depth.

    Args:
        intrinsics: In pixels of the probe.
        probe: Its rows and columns.
        flat_ok: Whether a bare wall seen head-on may fill the view.
    """
    position, half = world_from_cam[:, :3, 3], scenes.half_size[:, -1]
    within = (position[:, [0, 2]].abs() < half[:, [0, 2]] - 0.1).all(dim=-1)
    within &= (position[:, 1] < -0.1) & (position[:, 1] > -2 * half[:, 1] + 0.1)
    depth = probe_depth(scenes, world_from_cam, intrinsics, probe)
    flat = depth.flatten(1)
    seen = flat > 0
    ordered = torch.where(seen, flat, torch.inf).sort(dim=1).values
    count = seen.sum(dim=1)
    places = torch.tensor([0.0, 0.1, 0.5, 0.9], device=flat.device) * (count - 1).clamp(min=0)[:, None]
    nearest, low, median, high = ordered.gather(1, places.round().long()).unbind(1)
    # A view of one bare wall head-on teaches little: some are kept by the looseness of the bound.
    varied = flat_ok | (high > 1.03 * low)
    enough = count > 0.4 * flat.shape[1]
    fine = enough & varied & (nearest > 0.12 * median) & (median > 0.2) & (median < 40)
    return within & fine & ~inside_object(scenes, position), depth, torch.where(count > 0, median, 1.0)


def mutual_overlap(
    scenes: Scenes,
    world_from_cam: tuple[Float[Tensor, "scenes 4 4"], Float[Tensor, "scenes 4 4"]],
    depth: tuple[Float[Tensor, "scenes rows columns"], Float[Tensor, "scenes rows columns"]],
    intrinsics: tuple[Float[Tensor, "scenes 3 3"], Float[Tensor, "scenes 3 3"]],
) -> Float[Tensor, "scenes"]:
    """Share of each view's pixels whose surface the other one sees, the smaller of the two; sky is never seen."""
    rows, columns = depth[0].shape[1:]
    candidates, origins, directions = [], [], []
    for one, other in ((0, 1), (1, 0)):
        pose, other_pose = world_from_cam[one], world_from_cam[other]
        rays = camera_rays(rows, columns, intrinsics[one]).flatten(1, 2)
        points = (rays * depth[one].flatten(1)[..., None]) @ pose[:, :3, :3].mT + pose[:, None, :3, 3]
        local = (points - other_pose[:, None, :3, 3]) @ other_pose[:, :3, :3]
        pixel = local @ intrinsics[other].mT
        u, v = (pixel[..., :2] / pixel[..., 2:].clamp(min=1e-6)).unbind(-1)
        framed = (local[..., 2] > 0) & (u > -0.5) & (v > -0.5) & (u < columns - 0.5) & (v < rows - 0.5)
        candidates.append(framed & (depth[one].flatten(1) > 0))
        origins.append(other_pose[:, None, :3, 3].expand_as(points))
        directions.append(points - origins[-1])
    # Both ways at once, for small batches cost as much as large ones.
    reach, _ = first_hit(scenes, torch.cat(origins, dim=1), torch.cat(directions, dim=1))
    seen = torch.cat(candidates, dim=1) & (reach > 0.97)  # 1 where nothing is in the way
    return seen.unflatten(1, (2, -1)).float().mean(dim=2).amin(dim=1)


def probe_size(size: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of a probe of images of this height and width."""
    return (PROBE[1], PROBE[0]) if size[0] > size[1] else PROBE
