"""Passes over pixels: the depth along a ray that agrees best with all predictions, and what distances it leaves.

Everything here is in camera frames, so that float32 is exact enough wherever the world's origin is.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from pointmap.alignment.sampling import Sample
from pointmap.alignment.state import State, cam_from_group, move
from pointmap.shapes import Float, Int

_FLOOR = 1e-3
"""Distances below this part of the median distance weigh as if they had it, which keeps the weights finite."""


@dataclass(frozen=True)
class Fit:
    """Depths of some views' pixels, and how far each observation's prediction is from the point there."""

    depths: Float[Tensor, "views k"]
    distances: Float[Tensor, "obs k"]
    weights: Float[Tensor, "obs k"]
    """Of the squared distances, at these depths: the weight over the distance (IRLS)."""


@dataclass(frozen=True)
class Swept:
    """A state with its best depths, and what a step of Gauss-Newton needs to know of the pixels."""

    state: State
    loss: float
    """In the units of the state's world."""

    floor: float

    moments: Float[Tensor, "obs 7 7"]
    """Sums over pixels of w (p, 1, r) (p, 1, r)^T: the view's point p and the difference r to the prediction, in the
    camera frame of the view."""

    ray_moments: Float[Tensor, "obs 6 6"]
    """Sums over pixels of w m m^T, where m holds the direction n of the ray, |p|, n_z^2 |p| and n.r: what can be done
    along rays."""


def sweep(sample: Sample, state: State, floor: float | None, *, rounds: int = 2) -> Swept:
    """One pass over the sampled pixels: new depths, the loss, and the moments of the weighted points.

    Args:
        floor: Smaller distances weigh as if they had this one. Without it, depths are found from scratch.
    """
    transforms = cam_from_group(sample, state).float()
    depths = torch.zeros_like(sample.offsets[:, 0])
    moments = torch.zeros(len(sample.group_of), 7, 7, dtype=torch.float64, device=sample.device)
    ray_moments = torch.zeros(len(sample.group_of), 6, 6, dtype=torch.float64, device=sample.device)
    loss, few = 0.0, []
    for chunk in sample.chunks:
        rays = directions(sample.offsets[chunk.views], state.focals[chunk.views])
        predicted = move(transforms[chunk.obs], sample.points[chunk.obs])
        weights = sample.weights[chunk.obs]
        start = None if floor is None else state.depths[chunk.views]
        fit = fit_depths(rays, predicted, weights, chunk.local_view, start=start, floor=floor, rounds=rounds)
        depths[chunk.views] = fit.depths
        loss += float((weights * fit.distances).sum(dtype=torch.float64))
        few.append(_some(fit.distances, weights))
        points = fit.depths[:, None] * rays
        stacked = torch.ones(len(weights), 7, weights.shape[1], device=sample.device)
        stacked[:, :3] = points[chunk.local_view]
        torch.sub(stacked[:, :3], predicted, out=stacked[:, 4:])
        moments[chunk.obs] = torch.bmm(fit.weights[:, None] * stacked, stacked.mT).double()
        along = torch.empty(len(weights), 6, weights.shape[1], device=sample.device)
        along[:, :5] = along_rays(rays, fit.depths)[chunk.local_view]
        along[:, 5] = (along[:, :3] * stacked[:, 4:]).sum(1)
        ray_moments[chunk.obs] = torch.bmm(fit.weights[:, None] * along, along.mT).double()
    state = State(state.world_from_cam, state.world_from_group, state.focals, depths)
    return Swept(state, loss, _floor_of(torch.cat(few)), moments, ray_moments)


def along_rays(rays: Float[Tensor, "n 3 k"], depths: Float[Tensor, "n k"]) -> Float[Tensor, "n 5 k"]:
    """Direction n of every ray, the distance |p| of its point, and n_z^2 |p|."""
    length = rays.norm(dim=1)
    distance = depths * length
    return torch.cat([rays / length[:, None], distance[:, None], (distance / length.square())[:, None]], dim=1)


def directions(offsets: Float[Tensor, "n 2 k"], focals: Float[Tensor, "n"]) -> Float[Tensor, "n 3 k"]:
    """Rays in the camera frame, z = 1."""
    slopes = offsets / focals[:, None, None].float()
    return torch.cat([slopes, torch.ones_like(slopes[:, :1])], dim=1)


def fit_depths(
    rays: Float[Tensor, "views 3 k"],
    predicted: Float[Tensor, "obs 3 k"],
    weights: Float[Tensor, "obs k"],
    view_of: Int[Tensor, "obs"],
    *,
    start: Float[Tensor, "views k"] | None,
    floor: float | None,
    rounds: int,
) -> Fit:
    """Depths with the smallest weighted sum of distances from their rays' points to all predictions.

    Reweighted least squares (Weiszfeld 1937), each depth along its own ray.

    Args:
        predicted: In the camera frame of the view.
        start: Depths to begin with; without them, weighted means.
        floor: See `sweep`; without it, from the distances at the first depths.
    """
    views = len(rays)

    def by_view(per_obs: Tensor) -> Tensor:
        return per_obs.new_zeros(views, per_obs.shape[-1]).index_add_(0, view_of, per_obs)

    length = rays.square().sum(1)
    ray = rays[view_of]
    along = (ray * predicted).sum(1) / length[view_of]
    across = torch.addcmul(predicted, ray, along[:, None], value=-1).square().sum(1)
    length = length[view_of]
    depths = by_view(weights * along) / by_view(weights).clamp_min(1e-30) if start is None else start

    def distances_at(depths: Tensor) -> Tensor:
        return torch.addcmul(across, (depths[view_of] - along).square_(), length).sqrt_()

    distances = distances_at(depths)
    if floor is None:
        floor = _floor_of(_some(distances, weights))
    for _ in range(rounds):
        shares = weights / distances.clamp_min_(floor)
        depths = by_view(shares * along) / by_view(shares).clamp_min_(1e-30)
        distances = distances_at(depths)
    return Fit(depths, distances, weights / distances.clamp_min(floor))


def _some(distances: Float[Tensor, "obs k"], weights: Float[Tensor, "obs k"]) -> Float[Tensor, "few"]:
    stride = max(1, distances.numel() // 2000)
    few = distances.flatten()[::stride]
    return few[weights.flatten()[::stride] > 0]


def _floor_of(few: Float[Tensor, "few"]) -> float:
    return max(_FLOOR * float(few.median()) if few.numel() else 0.0, 1e-15)
