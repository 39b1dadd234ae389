"""Relative poses of all pairs of photos against the truth, independent of the world frame and its scale."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pointmap.geometry.transforms import invert_rigid
from pointmap.shapes import Bool, Float

_NO_BASELINE = 1e-6
"""Relative to the largest distance of two cameras: nearer ones count as in one place, which gives no direction."""


@dataclass(frozen=True)
class PoseErrors:
    """Errors of relative poses over the unordered pairs of photos whose true poses are known."""

    rotation_deg: Float[Tensor, "pairs"]
    """Angle between the estimated and the true relative rotation, in [0, 180]; 180 where a photo is missing."""

    direction_deg: Float[Tensor, "pairs"]
    """Angle between the estimated and the true direction to the later photo's camera as the earlier photo sees it, in
    [0, 180]. Not folded: a reversed direction counts 180. So do a missing photo and an estimate that puts both cameras
    in one place. Where the true cameras are in one place any direction is right, 0."""

    def rra(self, threshold_deg: float) -> float:
        """Relative rotation accuracy: share of pairs with a rotation error below; NaN without pairs."""
        return _share_below(self.rotation_deg, threshold_deg)

    def rta(self, threshold_deg: float) -> float:
        """Relative translation accuracy: share of pairs with a direction error below; NaN without pairs."""
        return _share_below(self.direction_deg, threshold_deg)

    def auc(self, largest_deg: int = 30) -> float:
        """Mean over thresholds 1, 2, ... `largest_deg` of the share of pairs with both errors below; NaN if none."""
        worse = torch.maximum(self.rotation_deg, self.direction_deg)
        return sum(_share_below(worse, threshold) for threshold in range(1, largest_deg + 1)) / largest_deg


def pose_errors(
    world_from_cam: Float[Tensor, "views 4 4"], true_world_from_cam: Float[Tensor, "views 4 4"]
) -> PoseErrors:
    """Compare all pairs of estimated cameras with the truth.

    Args:
        world_from_cam: Estimated poses, in any world frame and scale; NaN for a missing photo.
        true_world_from_cam: True poses; photos that are NaN here are left out.
    """
    known = is_known(true_world_from_cam)
    estimated, true = world_from_cam[known].double(), true_world_from_cam[known].double()
    first, second = torch.triu_indices(len(true), len(true), offset=1, device=true.device)

    estimated_relative = invert_rigid(estimated[first]) @ estimated[second]
    true_relative = invert_rigid(true[first]) @ true[second]
    rotation = _rotation_angle(estimated_relative[:, :3, :3], true_relative[:, :3, :3])
    direction = _direction_angle(estimated_relative[:, :3, 3], true_relative[:, :3, 3])

    missing = ~is_known(estimated)
    lost = missing[first] | missing[second]
    return PoseErrors(rotation.masked_fill(lost, 180.0), direction.masked_fill(lost, 180.0))


def is_known(world_from_cam: Float[Tensor, "views 4 4"]) -> Bool[Tensor, "views"]:
    """True where a pose has no NaN."""
    return world_from_cam.isfinite().all(dim=-1).all(dim=-1)


def _share_below(errors: Float[Tensor, "pairs"], threshold: float) -> float:
    return (errors < threshold).double().mean().item()


def _rotation_angle(a: Float[Tensor, "pairs 3 3"], b: Float[Tensor, "pairs 3 3"]) -> Float[Tensor, "pairs"]:
    # |A - B| = 2 sqrt(2) sin(angle / 2) keeps its digits at small angles, which the trace loses.
    chord = torch.linalg.matrix_norm(a - b) / (2 * 2**0.5)
    return torch.rad2deg(2 * torch.asin(chord.clamp(max=1.0)))


def _direction_angle(estimated: Float[Tensor, "pairs 3"], true: Float[Tensor, "pairs 3"]) -> Float[Tensor, "pairs"]:
    estimated_length = torch.linalg.norm(estimated, dim=-1, keepdim=True)
    true_length = torch.linalg.norm(true, dim=-1, keepdim=True)
    a, b = estimated / estimated_length, true / true_length
    angle = 2 * torch.atan2(torch.linalg.norm(a - b, dim=-1), torch.linalg.norm(a + b, dim=-1))
    angle = torch.rad2deg(angle).masked_fill(~_has_baseline(estimated_length[:, 0]), 180.0)
    return angle.masked_fill(~_has_baseline(true_length[:, 0]), 0.0)


def _has_baseline(lengths: Float[Tensor, "pairs"]) -> Bool[Tensor, "pairs"]:
    largest = lengths.nan_to_num(0.0).max() if len(lengths) else 0.0
    return (lengths > _NO_BASELINE * largest) & (lengths > 0)
