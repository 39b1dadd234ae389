"""What the solver knows and varies: cameras, similarities, focal lengths and depths, and the distances they leave."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pointmap.alignment.sampling import Sample
from pointmap.geometry.transforms import invert_rigid
from pointmap.shapes import Bool, Float, Int

BASE_SCALE = 0.5
"""Geometric mean of the groups' scales at which losses are stated: the reference's."""

_FLOOR = 1e-3
"""Distances below this part of the median distance weigh as if they had it, which keeps the weights finite."""


@dataclass(frozen=True)
class State:
    """What the solver has found so far. All float64."""

    world_from_cam: Float[Tensor, "views 4 4"]
    """Rigid."""

    world_from_group: Float[Tensor, "groups 4 4"]
    """Similarities."""

    focals: Float[Tensor, "views"]
    """Horizontal focal lengths in pixels."""

    depths: Float[Tensor, "views k"]
    """z-depths of the sampled pixels."""


@dataclass(frozen=True)
class Fixed:
    """What the caller knows and the solver keeps."""

    poses: Bool[Tensor, "views"]
    focals: Bool[Tensor, "views"]

    cameras: Int[Tensor, "views"]
    """Views with one number here have one focal length, where it is not fixed."""

    scale: bool = False
    """The known poses set the scale of the world."""


class Residuals:
    """World points of views and groups, and the weighted distances between them."""

    def __init__(self, sample: Sample, state: State) -> None:
        points_cam = state.depths[:, None] * directions(sample, state.focals)
        self.of_views: Float[Tensor, "obs 3 k"] = move(state.world_from_cam, points_cam)[sample.view_of]
        self.of_groups: Float[Tensor, "obs 3 k"] = move(state.world_from_group[sample.group_of], sample.points)
        self.differences: Float[Tensor, "obs 3 k"] = self.of_views - self.of_groups
        distances = self.differences.square().sum(1).sqrt()
        total = (sample.weights * distances).sum()
        self.loss = float(total * BASE_SCALE / mean_scale(state.world_from_group))
        """At the mean group scale `BASE_SCALE`."""
        self.floor = distance_floor(distances, sample.weights)
        self.weights: Float[Tensor, "obs k"] = sample.weights / distances.clamp_min(self.floor)
        """Of the squared distances."""


def directions(sample: Sample, focals: Float[Tensor, "views"]) -> Float[Tensor, "views 3 k"]:
    """Rays of the sampled pixels in the camera frame, z = 1."""
    slopes = sample.offsets / focals[:, None, None]
    return torch.cat([slopes, torch.ones_like(slopes[:, :1])], dim=1)


def predictions_in_cameras(sample: Sample, state: State) -> Float[Tensor, "obs 3 k"]:
    """What the groups predict, in the camera frames of the views."""
    cam_from_world = invert_rigid(state.world_from_cam)
    return move(cam_from_world[sample.view_of] @ state.world_from_group[sample.group_of], sample.points)


def move(b_from_a: Float[Tensor, "n 4 4"], points_a: Float[Tensor, "n 3 k"]) -> Float[Tensor, "n 3 k"]:
    """`transform_points` for points stored as (3, k)."""
    return torch.baddbmm(b_from_a[:, :3, 3:], b_from_a[:, :3, :3], points_a)


def along_ray(
    direction: Float[Tensor, "*#n 3 k"], points: Float[Tensor, "*n 3 k"]
) -> tuple[Float[Tensor, "*n k"], Float[Tensor, "*n k"], Float[Tensor, "*#n k"]]:
    """Depth of the nearest point of a ray, squared distance to it, and squared length of the direction."""
    length = direction.square().sum(-2)
    along = (direction * points).sum(-2) / length
    across = (along[..., None, :] * direction - points).square().sum(-2)
    return along, across, length


def distance_floor(distances: Float[Tensor, "*shape"], weights: Float[Tensor, "*shape"]) -> float:
    """The distance below which weights stop growing: a small part of the median of a few thousand."""
    stride = max(1, distances.numel() // 5000)
    few, weight = distances.flatten()[::stride], weights.flatten()[::stride]
    few = few[weight > 0]
    return max(_FLOOR * float(few.median()) if few.numel() else 0.0, 1e-30)


def mean_scale(world_from_group: Float[Tensor, "groups 4 4"]) -> Float[Tensor, ""]:
    """Geometric mean of the scales of similarities."""
    return (torch.linalg.det(world_from_group[:, :3, :3]).log() / 3).mean().exp()
