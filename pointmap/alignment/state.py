"""What the solver knows and varies: cameras, similarities, focal lengths and depths."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pointmap.alignment.sampling import Sample
from pointmap.geometry.transforms import invert_rigid
from pointmap.shapes import Bool, Float, Int

BASE_SCALE = 0.5
"""Geometric mean of the groups' scales at which losses are stated: the reference's."""


@dataclass(frozen=True)
class State:
    """What the solver has found so far."""

    world_from_cam: Float[Tensor, "views 4 4"]
    """Rigid."""

    world_from_group: Float[Tensor, "groups 4 4"]
    """Similarities."""

    focals: Float[Tensor, "views"]
    """Horizontal focal lengths in pixels."""

    depths: Float[Tensor, "views k"]
    """z-depths of the sampled pixels; 0 where there is none."""


@dataclass(frozen=True)
class Fixed:
    """What the caller knows and the solver keeps."""

    poses: Bool[Tensor, "views"]
    focals: Bool[Tensor, "views"]

    cameras: Int[Tensor, "views"]
    """Views with one number here have one focal length, where it is not fixed."""

    scale: bool = False
    """The scale of the world is known."""


def cam_from_group(sample: Sample, state: State) -> Float[Tensor, "obs 4 4"]:
    """What takes each observation's points to the camera frame of its view."""
    cam_from_world = invert_rigid(state.world_from_cam)
    return cam_from_world[sample.view_of] @ state.world_from_group[sample.group_of]


def move(b_from_a: Float[Tensor, "n 4 4"], points_a: Float[Tensor, "n 3 k"]) -> Float[Tensor, "n 3 k"]:
    """`transform_points` for points stored as (3, k)."""
    return torch.baddbmm(b_from_a[:, :3, 3:], b_from_a[:, :3, :3], points_a)


def mean_scale(world_from_group: Float[Tensor, "groups 4 4"], weights: Float[Tensor, "groups"]) -> Float[Tensor, ""]:
    """Geometric mean of the scales of the similarities, each counting as much as its group."""
    logs = torch.linalg.det(world_from_group[:, :3, :3]).log() / 3
    return ((weights * logs).sum() / weights.sum()).exp()
