"""The unknowns of the yardstick: the parameters of `AlignmentObjective`, as plain tensors."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pointmap.alignment import Alignment
from pointmap.alignment.objective import signed_expm1

BASE_SCALE = 0.5
FOCAL_RATE = 20.0


@dataclass(frozen=True)
class Unknowns:
    """The parameters, as in `AlignmentObjective`."""

    group_poses: Tensor
    """(G, 8) quaternion (x, y, z, w), signed log1p of translation / scale, log scale."""
    view_poses: Tensor
    """(N, 7) quaternion and signed log1p of the translation."""
    log_focals: Tensor
    """(N, 1) 20 log(focal in pixels)."""
    log_depths: list[Tensor]
    """N vectors (h * w)."""

    @classmethod
    def of(
        cls, world_from_cam: np.ndarray, world_from_group: np.ndarray, focals: np.ndarray, depths: list[np.ndarray]
    ) -> "Unknowns":
        """From poses (N, 4, 4), similarities (G, 4, 4), focal lengths (N,) and N maps of positive depths.

        The world is scaled to the mean group scale 0.5.
        """
        scale = np.cbrt(np.linalg.det(world_from_group[:, :3, :3]))[:, None]
        world = BASE_SCALE / np.exp(np.log(scale).mean())
        group_turns, group_places = world_from_group[:, :3, :3] / scale[..., None], world_from_group[:, :3, 3] / scale
        group_poses = [_quaternion(group_turns), _log1p(group_places), np.log(scale)]
        view_poses = [_quaternion(world_from_cam[:, :3, :3]), _log1p(world * world_from_cam[:, :3, 3])]
        return cls(
            torch.from_numpy(np.concatenate(group_poses, axis=1)).float(),
            torch.from_numpy(np.concatenate(view_poses, axis=1)).float(),
            torch.from_numpy(FOCAL_RATE * np.log(focals)[:, None]).float(),
            [torch.from_numpy(np.log(world * depth).ravel()).float() for depth in depths],
        )

    @classmethod
    def start(cls, found: Alignment, first_views: Sequence[int]) -> "Unknowns":
        """From an alignment, e.g. `align(..., refine="none")`.

        A group that it left out begins at the camera of its first view, a view at the first one's.
        """
        world_from_cam, world_from_group = found.world_from_cam.copy(), found.world_from_group.copy()
        world_from_cam[~found.registered] = world_from_cam[found.registered][0]
        left_out = np.isnan(world_from_group[:, 0, 0])
        scale = np.exp(np.log(np.linalg.det(world_from_group[~left_out, :3, :3])).mean() / 3)
        world_from_group[left_out] = world_from_cam[np.array(first_views)[left_out]]
        world_from_group[left_out, :3, :3] *= scale
        depths = [np.nan_to_num(depth, nan=scale).clip(1e-6 * scale) for depth in found.depths]
        return cls.of(world_from_cam, world_from_group, found.intrinsics[:, 0, 0], depths)

    def trainable(self) -> "Unknowns":
        """A copy with gradients, all 0."""
        group_poses, view_poses, log_focals, *log_depths = (value.clone().requires_grad_() for value in self.all())
        for value in (group_poses, view_poses, log_focals, *log_depths):
            value.grad = torch.zeros_like(value)
        return Unknowns(group_poses, view_poses, log_focals, log_depths)

    def all(self) -> list[Tensor]:
        """Every parameter."""
        return [self.group_poses, self.view_poses, self.log_focals, *self.log_depths]


@dataclass(frozen=True)
class Outcome:
    """What the steps found."""

    losses: list[float]
    """Before each step, and after the last."""
    world_from_cam: np.ndarray
    focals: np.ndarray
    depths: list[np.ndarray]
    """(h * w,) each."""
    cpu_seconds: float
    """Of the steps alone."""
    wall_seconds: float

    @classmethod
    @torch.no_grad()
    def of(cls, at: Unknowns, losses: list[float], cpu_seconds: float, wall_seconds: float) -> "Outcome":
        """Cameras and depths of the unknowns."""
        world_from_cam = torch.eye(4).repeat(len(at.view_poses), 1, 1)
        world_from_cam[:, :3, :3] = rotation_matrix(at.view_poses[:, :4])
        world_from_cam[:, :3, 3] = signed_expm1(at.view_poses[:, 4:7])
        focals = (at.log_focals[:, 0] / FOCAL_RATE).exp()
        depths = [depth.exp().numpy() for depth in at.log_depths]
        return cls(losses, world_from_cam.numpy(), focals.numpy(), depths, cpu_seconds, wall_seconds)


def rotation_matrix(quaternion: Tensor) -> Tensor:
    """(..., 3, 3) of (..., 4) quaternions (x, y, z, w) of any length."""
    x, y, z, w = (quaternion / quaternion.norm(dim=-1, keepdim=True)).unbind(-1)
    skew = torch.stack([torch.zeros_like(x), -z, y, z, torch.zeros_like(x), -x, -y, x, torch.zeros_like(x)], -1)
    skew = skew.unflatten(-1, (3, 3))
    return torch.eye(3, dtype=x.dtype) + 2 * (w[..., None, None] * skew + skew @ skew)


def _quaternion(rotation: np.ndarray) -> np.ndarray:
    from scipy.spatial.transform import Rotation

    return Rotation.from_matrix(rotation).as_quat()


def _log1p(x: np.ndarray) -> np.ndarray:
    return np.sign(x) * np.log1p(np.abs(x))
