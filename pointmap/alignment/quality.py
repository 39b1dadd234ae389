"""How well a solution agrees with the predictions: residuals per view and per group, and how smooth they are."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pointmap.alignment.pixels import directions
from pointmap.alignment.sampling import Sample
from pointmap.alignment.state import State, cam_from_group, move
from pointmap.shapes import Bool, Float, Int

_PIXELS = 400
"""Per view: medians of so many are as good."""
_OBSERVATIONS = 1000
"""That are worked on at a time."""
_CELLS = 8
"""An image has 8x8 cells, in which smooth errors are alike."""

SMOOTH_MEASUREMENTS = 4
"""A map whose errors are as smooth as can be counts as so many independent measurements of points.

Tuned, like the next, on the spread of cameras over noise (tests/alignment/test_covariance.py)."""

PIXELS_PER_MEASUREMENT = 3
"""If its errors are noise instead, so many pixels count as one."""

UNKNOWN_SMOOTHNESS = 0.5
"""Before differences are known."""


@dataclass(frozen=True)
class Quality:
    """Distances between the points of the views and what the groups predict, by the depth of the point."""

    view_residuals: Float[Tensor, "views"]
    """Median over the pixels, mean over the groups that show the view, by their weight; NaN where none does."""

    group_residuals: Float[Tensor, "groups"]
    """Median over the pixels, mean over the views of the group."""

    smoothness: float
    """Part of the differences that neighbouring pixels have in common: 0 for noise, 1 for pointmaps that err as one."""


def measure_quality(sample: Sample, state: State) -> Quality:
    """Compare a solution with the predictions at the sampled pixels."""
    few = sample.fewer(_PIXELS)
    cells, transforms = _cells(few.offsets), cam_from_group(sample, state).float()
    of_obs = torch.empty(len(sample.view_of), dtype=torch.float64, device=sample.device)
    in_common, total = 0.0, 0.0
    for part in torch.arange(len(of_obs), device=sample.device).split(_OBSERVATIONS):
        differences, distances, residuals = _compare(few, state, transforms, part)
        of_obs[part] = residuals
        weights = few.weights[part]
        share = (weights * distances).sum(1)
        in_common += float((share * _in_common(differences, distances, weights > 0, cells[few.view_of[part]])).sum())
        total += float(share.sum())
    # Where a view has hardly a pixel, none of these few may be among them.
    for part in of_obs.isnan().nonzero()[:, 0].split(_OBSERVATIONS // 10):
        of_obs[part] = _compare(sample, state, transforms, part)[2]
    told = of_obs.isfinite().to(of_obs)
    of_obs = of_obs.nan_to_num(0.0)
    by_weight = told * sample.group_weights[sample.group_of]
    return Quality(
        view_residuals=sample.sum_by_view(by_weight * of_obs) / sample.sum_by_view(by_weight),
        group_residuals=sample.sum_by_group(told * of_obs) / sample.sum_by_group(told),
        smoothness=min(1.0, max(0.0, in_common / total)) if total > 0 else 0.0,
    )


def measurements(sample: Sample, smoothness: float) -> float:
    """Of how many independent numbers the loss is the sum, about: three per measured point.

    The objective is a robust sum of distances. Were it the logarithm of a likelihood, n measurements of points would
    leave a loss of 3 n standard deviations; how many measurements the pixels stand for, smooth as their errors are, the
    differences that are left tell themselves.

    Args:
        smoothness: Of the differences (`Quality`).
    """
    pixels = float(sample.counts[sample.view_of].double().mean())
    per_map = 1 / (smoothness / SMOOTH_MEASUREMENTS + (1 - smoothness) * PIXELS_PER_MEASUREMENT / max(pixels, 1))
    # Where a view is predicted once only its depths follow, and no difference is left.
    return 3 * per_map * (len(sample.view_of) - len(sample.view_of.unique()))


def _compare(
    sample: Sample, state: State, transforms: Float[Tensor, "all 4 4"], part: Int[Tensor, "obs"]
) -> tuple[Float[Tensor, "obs 3 k"], Float[Tensor, "obs k"], Float[Tensor, "obs"]]:
    """Differences of some observations from the views' points, their lengths, and the median of these by depth."""
    views = sample.view_of[part]
    points = state.depths[views, None, : sample.size] * directions(sample.offsets[views], state.focals[views])
    differences = points - move(transforms[part], sample.points[part])
    distances = differences.square().sum(1).sqrt()
    relative = distances / points[:, 2].clamp_min(1e-12)
    return differences, distances, relative.where(sample.weights[part] > 0, torch.nan).nanmedian(1).values.double()


def _cells(offsets: Float[Tensor, "views 2 k"]) -> Int[Tensor, "views k"]:
    """Number of the cell of each pixel."""
    low, high = offsets.amin(2, keepdim=True), offsets.amax(2, keepdim=True)
    column, row = ((offsets - low) / (high - low).clamp_min(1e-12) * _CELLS).long().clamp_max(_CELLS - 1).unbind(1)
    return row * _CELLS + column


def _in_common(
    differences: Float[Tensor, "obs 3 k"],
    distances: Float[Tensor, "obs k"],
    used: Bool[Tensor, "obs k"],
    cells: Int[Tensor, "obs k"],
) -> Float[Tensor, "obs"]:
    """Mean cosine between the differences at two pixels of a cell."""
    units = (differences / distances[:, None].clamp_min(1e-30)).where(used[:, None], 0)
    counts = used.new_zeros(len(cells), _CELLS**2, dtype=units.dtype).scatter_add_(1, cells, used.to(units))
    sums = units.new_zeros(len(cells), 3, _CELLS**2).scatter_add_(2, cells[:, None].expand_as(units), units)
    pairs = (counts * (counts - 1)).sum(1)
    return (sums.square().sum((1, 2)) - counts.sum(1)) / pairs.clamp_min(1)
