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
    sample = sample.fewer(_PIXELS)
    transforms = cam_from_group(sample, state).float()
    points = state.depths[:, None, : sample.size] * directions(sample.offsets, state.focals)
    cells = _cells(sample.offsets)
    of_obs = torch.empty(len(sample.view_of), dtype=torch.float64, device=sample.device)
    in_common, total = 0.0, 0.0
    for part in torch.arange(len(of_obs), device=sample.device).split(_OBSERVATIONS):
        views, weights = sample.view_of[part], sample.weights[part]
        differences = points[views] - move(transforms[part], sample.points[part])
        distances = differences.square().sum(1).sqrt()
        relative = distances / points[views, 2].clamp_min(1e-12)
        of_obs[part] = relative.where(weights > 0, torch.nan).nanmedian(1).values.double()
        share = (weights * distances).sum(1)
        in_common += float((share * _in_common(differences, distances, weights > 0, cells[views])).sum())
        total += float(share.sum())
    told = of_obs.isfinite().to(of_obs)
    of_obs = of_obs.nan_to_num(0.0)
    by_weight = told * sample.group_weights[sample.group_of]
    return Quality(
        view_residuals=sample.sum_by_view(by_weight * of_obs) / sample.sum_by_view(by_weight),
        group_residuals=sample.sum_by_group(told * of_obs) / sample.sum_by_group(told),
        smoothness=min(1.0, max(0.0, in_common / total)) if total > 0 else 0.0,
    )


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
