"""Poses in a given world: visual localisation, and Map-free's virtual correspondences."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pointmap.geometry.transforms import invert_rigid, transform_points
from pointmap.metrics.poses import is_known, rotation_angle
from pointmap.shapes import Bool, Float


@dataclass(frozen=True)
class QueryErrors:
    """Of absolute poses."""

    translation: Float[Tensor, "queries"]
    """Distances of the camera centres in units of the world; infinite where there is no estimate."""

    rotation_deg: Float[Tensor, "queries"]
    """Angles between the orientations, in [0, 180]; 180 where there is no estimate."""

    def within(self, translation: float, rotation_deg: float) -> float:
        """Share of queries with both errors below; NaN without queries."""
        both = (self.translation < translation) & (self.rotation_deg < rotation_deg)
        return both.double().mean().item()


def query_errors(
    world_from_cam: Float[Tensor, "queries 4 4"], true_world_from_cam: Float[Tensor, "queries 4 4"]
) -> QueryErrors:
    """Compare estimated poses with true ones in the same world, without any alignment.

    A query without an estimate (NaN) is infinitely far and turned by 180 degrees, as in
    `cvg/Hierarchical-Localization:hloc/pipelines/Cambridge/utils.py`.

    Args:
        true_world_from_cam: Without NaN.
    """
    estimated, true = world_from_cam.double(), true_world_from_cam.double()
    lost = ~is_known(estimated)
    translation = torch.linalg.norm(estimated[:, :3, 3] - true[:, :3, 3], dim=-1)
    rotation = rotation_angle(estimated[:, :3, :3], true[:, :3, :3])
    return QueryErrors(translation.masked_fill(lost, torch.inf), rotation.masked_fill(lost, 180.0))


def virtual_points() -> Float[Tensor, "points 3"]:
    """Map-free's virtual objects in the frame of the query's true camera: 7 x 4 x 7 points, metres.

    30 cm apart; to the sides and up and down around the optical axis, 1.8 m to 3.6 m ahead. The grid is that of the
    authors' evaluation (Arnold et al., Map-free Visual Relocalization, ECCV 2022; `nianticlabs/map-free-reloc`,
    benchmark/).
    """
    step = 0.3
    across = (torch.arange(7, dtype=torch.float64) - 3) * step
    upright = (torch.arange(4, dtype=torch.float64) - 1.5) * step
    ahead = 1.8 + torch.arange(7, dtype=torch.float64) * step
    return torch.cartesian_prod(across, upright, ahead)


def virtual_correspondence_errors(
    world_from_cam: Float[Tensor, "queries 4 4"],
    true_world_from_cam: Float[Tensor, "queries 4 4"],
    intrinsics: Float[Tensor, "queries 3 3"],
    sizes: Float[Tensor, "queries 2"],
) -> Float[Tensor, "queries"]:
    """VCRE in pixels: how far virtual objects would appear from their place, a mean over `virtual_points`.

    Projections are clamped to the photo, so that an error is at most its diagonal; that is what a query without an
    estimate counts here. Points behind the estimated camera are projected through it, as the authors do.

    Args:
        world_from_cam: Estimates, NaN where there is none, and
        true_world_from_cam: truth in one world in metres.
        intrinsics: True pinhole K.
        sizes: Width and height of the photos in pixels.
    """
    points = virtual_points().to(true_world_from_cam.device)
    estimated, true, K = world_from_cam.double(), true_world_from_cam.double(), intrinsics.double()
    seen = transform_points(invert_rigid(estimated) @ true, points)
    places = _clamped_projection(points.expand_as(seen), K, sizes.double())
    errors = torch.linalg.norm(_clamped_projection(seen, K, sizes.double()) - places, dim=-1).mean(dim=-1)
    diagonal = torch.linalg.norm(sizes.double(), dim=-1)
    return torch.where(errors.isfinite(), errors, diagonal)


def precision_coverage_auc(correct: Bool[Tensor, "n"], confidences: Float[Tensor, "n"], failures: int = 0) -> float:
    """Area under precision over coverage as confidence grows less; failures are never covered. NaN without queries.

    At a threshold of confidence, coverage is the share of all queries (failures included) that are as sure, precision
    the share of these that are correct. The area is the sum of precision times the gain of coverage; queries of equal
    confidence come in together.

    Source: Arnold et al., ECCV 2022; `nianticlabs/map-free-reloc:benchmark/utils.py`.
    """
    total = len(correct) + failures
    if not total:
        return float("nan")
    if not len(correct):
        return 0.0
    order = confidences.argsort(descending=True, stable=True)
    sure = confidences[order]
    last_of_its_value = torch.cat([sure[1:] != sure[:-1], torch.ones(1, dtype=torch.bool, device=sure.device)])
    ends = last_of_its_value.nonzero()[:, 0]
    covered = (ends + 1).double()
    precision = correct[order].double().cumsum(0)[ends] / covered
    gains = torch.diff(covered, prepend=covered.new_zeros(1)) / total
    return (precision * gains).sum().item()


def _clamped_projection(
    points: Float[Tensor, "queries points 3"], K: Float[Tensor, "queries 3 3"], sizes: Float[Tensor, "queries 2"]
) -> Float[Tensor, "queries points 2"]:
    seen = points @ K.mT
    pixels = seen[..., :2] / seen[..., 2:]
    return pixels.clamp_min(0.0).minimum(sizes[:, None])
