"""Relative poses of all pairs of photos against the truth, independent of the world frame and its scale."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pointmap.geometry.transforms import invert_rigid
from pointmap.shapes import Bool, Float, Int

_NO_BASELINE = 1e-6
"""Relative to the largest distance of two cameras: nearer ones count as in one place, which gives no direction."""


@dataclass(frozen=True)
class PoseErrors:
    """Errors of relative poses over the unordered pairs of photos whose true poses are known."""

    rotation_deg: Float[Tensor, "pairs"]
    """Angle between the estimated and the true relative rotation, in [0, 180]; 180 where a photo is missing."""

    direction_deg: Float[Tensor, "pairs"]
    """Angle between the estimated and the true direction to the later photo's camera as the earlier photo sees it, in
    [0, 180]. Not folded unless asked for: a reversed direction counts 180. So do a missing photo and an estimate that
    puts both cameras in one place. Where the true cameras are in one place any direction is right, 0."""

    @property
    def worse_deg(self) -> Float[Tensor, "pairs"]:
        """The larger of both errors of each pair, which decides in every AUC."""
        return torch.maximum(self.rotation_deg, self.direction_deg)

    def rra(self, threshold_deg: float) -> float:
        """Relative rotation accuracy: share of pairs with a rotation error below; NaN without pairs."""
        return _share_below(self.rotation_deg, threshold_deg)

    def rta(self, threshold_deg: float) -> float:
        """Relative translation accuracy: share of pairs with a direction error below; NaN without pairs."""
        return _share_below(self.direction_deg, threshold_deg)

    def auc(self, largest_deg: int = 30) -> float:
        """Mean over thresholds 1, 2, ... `largest_deg` of the share of pairs with both errors below; NaN if none."""
        return sum(_share_below(self.worse_deg, threshold) for threshold in range(1, largest_deg + 1)) / largest_deg

    def auc_numpy(self, largest_deg: int = 30) -> float:
        """AUC by a histogram of `largest_deg` bins of 1 degree; NaN without pairs.

        Differs from `auc` by one thing alone: the last bin holds its upper edge, as in `numpy.histogram`, so that an
        error of exactly `largest_deg` still counts there.

        Source: `yyfz/Pi3@evaluation:relpose/metric.py` and VGGT's CO3D test, from which it stems.
        """
        return _histogram_auc(self.worse_deg, largest_deg, largest_deg)

    def auc_torch(self, largest_deg: int = 30) -> float:
        """AUC by a histogram of `largest_deg` + 1 bins, each of `largest_deg` / (`largest_deg` + 1) degrees.

        That is what `torch.histc` makes of `bins=31, min=0, max=30`. Errors count a little more than with bins of one
        degree; the figure is called AUC@30 as well. NaN without pairs.
        """
        return _histogram_auc(self.worse_deg, largest_deg + 1, largest_deg)


def pose_errors(
    world_from_cam: Float[Tensor, "views 4 4"],
    true_world_from_cam: Float[Tensor, "views 4 4"],
    *,
    fold: bool = False,
) -> PoseErrors:
    """Compare all pairs of estimated cameras with the truth.

    Args:
        world_from_cam: Estimated poses, in any world frame and scale; NaN for a missing photo.
        true_world_from_cam: True poses; photos that are NaN here are left out.
        fold: Count a direction error t as min(t, 180 - t), up to the sign of the direction. Pairs without an estimated
            direction still count 180.
    """
    known = is_known(true_world_from_cam)
    estimated, true = world_from_cam[known].double(), true_world_from_cam[known].double()
    first, second = torch.triu_indices(len(true), len(true), offset=1, device=true.device)

    estimated_relative = invert_rigid(estimated[first]) @ estimated[second]
    true_relative = invert_rigid(true[first]) @ true[second]
    rotation = rotation_angle(estimated_relative[:, :3, :3], true_relative[:, :3, :3])
    direction = _direction_angle(estimated_relative[:, :3, 3], true_relative[:, :3, 3], fold)

    missing = ~is_known(estimated)
    lost = missing[first] | missing[second]
    return PoseErrors(rotation.masked_fill(lost, 180.0), direction.masked_fill(lost, 180.0))


def known_pairs(
    true_world_from_cam: Float[Tensor, "views 4 4"],
) -> tuple[Int[Tensor, "pairs"], Int[Tensor, "pairs"]]:
    """Indices of the earlier and the later photo of each pair that `pose_errors` compares, in its order."""
    photos = is_known(true_world_from_cam).nonzero()[:, 0]
    first, second = torch.triu_indices(len(photos), len(photos), offset=1, device=photos.device)
    return photos[first], photos[second]


def is_known(world_from_cam: Float[Tensor, "views 4 4"]) -> Bool[Tensor, "views"]:
    """True where a pose has no NaN."""
    return world_from_cam.isfinite().all(dim=-1).all(dim=-1)


def _share_below(errors: Float[Tensor, "pairs"], threshold: float) -> float:
    return (errors < threshold).double().mean().item()


def _histogram_auc(errors: Float[Tensor, "pairs"], bins: int, largest: float) -> float:
    if not len(errors):
        return float("nan")
    counts = torch.histc(errors.cpu(), bins=bins, min=0.0, max=float(largest))
    return (counts.cumsum(0) / len(errors)).mean().item()


def rotation_angle(a: Float[Tensor, "pairs 3 3"], b: Float[Tensor, "pairs 3 3"]) -> Float[Tensor, "pairs"]:
    """Degrees in [0, 180] between rotations."""
    # |A - B| = 2 sqrt(2) sin(angle / 2) keeps its digits at small angles, which the trace loses.
    chord = torch.linalg.matrix_norm(a - b) / (2 * 2**0.5)
    return torch.rad2deg(2 * torch.asin(chord.clamp(max=1.0)))


def _direction_angle(
    estimated: Float[Tensor, "pairs 3"], true: Float[Tensor, "pairs 3"], fold: bool
) -> Float[Tensor, "pairs"]:
    estimated_length = torch.linalg.norm(estimated, dim=-1, keepdim=True)
    true_length = torch.linalg.norm(true, dim=-1, keepdim=True)
    a, b = estimated / estimated_length, true / true_length
    angle = 2 * torch.atan2(torch.linalg.norm(a - b, dim=-1), torch.linalg.norm(a + b, dim=-1))
    angle = torch.rad2deg(angle)
    if fold:
        angle = torch.minimum(angle, 180.0 - angle)
    angle = angle.masked_fill(~_has_baseline(estimated_length[:, 0]), 180.0)
    return angle.masked_fill(~_has_baseline(true_length[:, 0]), 0.0)


def _has_baseline(lengths: Float[Tensor, "pairs"]) -> Bool[Tensor, "pairs"]:
    largest = lengths.nan_to_num(0.0).max() if len(lengths) else 0.0
    return (lengths > _NO_BASELINE * largest) & (lengths > 0)
