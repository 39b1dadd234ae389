"""Passes over pixels: the depth along a ray that agrees best with all predictions, and what distances it leaves.

Everything here is in camera frames, so that float32 is exact enough wherever the world's origin is.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from pointmap.alignment.known_depths import KnownDepths
from pointmap.alignment.sampling import Chunk, Sample
from pointmap.alignment.state import State, cam_from_group, move
from pointmap.shapes import Float

_FLOOR = 1e-3
"""Distances below this part of the median distance weigh as if they had it, which keeps the weights finite."""


@dataclass(frozen=True)
class Fit:
    """Depths of some views' pixels, and how far each observation's prediction is from the point there."""

    depths: Float[Tensor, "views k"]
    distances: Float[Tensor, "obs k"]
    shares: Float[Tensor, "obs k"]
    """Weights of the squared distances: the weight over the distance (IRLS)."""


@dataclass(frozen=True)
class Swept:
    """A state with its best depths, and what a step of Gauss-Newton needs to know of the pixels."""

    state: State
    loss: float
    """In the units of the state's world."""

    floor: float
    """Smaller distances weigh as if they had this one."""

    shares: Float[Tensor, "obs k"]
    """Weights of the squared distances: the weight over the distance (IRLS)."""

    moments: Float[Tensor, "obs 7 7"]
    """Sums over pixels of w (p, 1, r) (p, 1, r)^T: the view's point p and the difference r to the prediction, in the
    camera frame of the view."""

    ray_moments: Float[Tensor, "obs 6 6"]
    """Sums over pixels of w m m^T, where m holds the direction n of the ray, |p|, n_z^2 |p| and n.r: what can be done
    along rays."""


def sweep(sample: Sample, state: State, last: Swept | None = None, known: KnownDepths | None = None) -> Swept:
    """One pass over the sampled pixels: new depths, the loss, and the moments of the weighted points.

    Args:
        last: Of a state nearby, on the same pixels; without it, depths are found from scratch.
        known: Depths that are known at these pixels.
    """
    transforms = cam_from_group(sample, state).float()
    depths, shares = torch.zeros_like(sample.offsets[:, 0]), torch.empty_like(sample.weights)
    moments = torch.zeros(len(sample.group_of), 7, 7, dtype=torch.float64, device=sample.device)
    ray_moments = torch.zeros(len(sample.group_of), 6, 6, dtype=torch.float64, device=sample.device)
    losses, few = [], []
    for chunk in sample.chunks:
        obs, pixels = chunk.obs, chunk.pixels
        rays = directions(sample.offsets[chunk.views, :, pixels], state.focals[chunk.views])
        predicted = move(transforms[obs], sample.points[obs, :, pixels])
        weights = sample.weights[obs, pixels]
        told = None if known is None else known.of(chunk.views, pixels)
        if last is None:
            fit = fit_depths(rays, predicted, weights, chunk, known=told)
        else:
            near = last.shares[obs, pixels]
            fit = fit_depths(rays, predicted, weights, chunk, shares=near, floor=last.floor, rounds=1, known=told)
        depths[chunk.views, pixels], shares[obs, pixels] = fit.depths, fit.shares
        losses.append((weights * fit.distances).sum(dtype=torch.float64))
        few.append(_some(fit.distances, weights, sample.weights.numel()))

        stacked = torch.empty(len(weights), 7, weights.shape[1], device=sample.device)
        stacked[:, :3] = chunk.spread(fit.depths[:, None] * rays)
        stacked[:, 3] = 1
        torch.sub(stacked[:, :3], predicted, out=stacked[:, 4:])
        moments[obs] += torch.bmm(fit.shares[:, None] * stacked, stacked.mT)
        along = torch.empty(len(weights), 6, weights.shape[1], device=sample.device)
        along[:, :5] = chunk.spread(along_rays(rays, fit.depths))
        along[:, 5] = (along[:, :3] * stacked[:, 4:]).sum(1)
        ray_moments[obs] += torch.bmm(fit.shares[:, None] * along, along.mT)
    state = State(state.world_from_cam, state.world_from_group, state.focals, depths)
    return Swept(state, float(torch.stack(losses).sum()), _floor_of(torch.cat(few)), shares, moments, ray_moments)


def along_rays(rays: Float[Tensor, "n 3 k"], depths: Float[Tensor, "n k"]) -> Float[Tensor, "n 5 k"]:
    """Direction n of every ray, the distance |p| of its point, and n_z^2 |p|."""
    length = rays.square().sum(1).sqrt_()
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
    chunk: Chunk,
    *,
    shares: Float[Tensor, "obs k"] | None = None,
    floor: float | None = None,
    rounds: int = 4,
    known: KnownDepths | None = None,
) -> Fit:
    """Depths with the smallest weighted sum of distances from their rays' points to all predictions.

    Reweighted least squares (Weiszfeld 1937), each depth along its own ray.

    Args:
        predicted: In the camera frame of the view.
        shares: To begin with; without them, the weights.
        floor: Smaller distances weigh as if they had this one; without it, from the distances at the first depths.
        rounds: How often to weigh anew.
        known: Depths that are known of these pixels.
    """
    squared = rays.square().sum(1)
    ray, length = chunk.spread(rays), chunk.spread(squared)
    along = (ray * predicted).sum(1).div_(length)
    across = torch.addcmul(predicted, ray, along[:, None], value=-1).square_().sum(1)

    def best(shares: Tensor, near: Tensor | None) -> tuple[Tensor, Tensor]:
        total = chunk.gather(shares)
        depths = chunk.gather(shares * along) / total.clamp_min(1e-30)
        if known is not None:
            depths = known.joined(depths, total * squared, depths if near is None else near)
        return depths, torch.addcmul(across, (chunk.spread(depths) - along).square_(), length).sqrt_()

    depths, distances = best(weights if shares is None else shares, None)
    least = _floor_of(_some(distances, weights, weights.numel())) if floor is None else floor
    for _ in range(rounds):
        depths, distances = best(weights / distances.clamp_min_(least), depths)
    return Fit(depths, distances, weights / distances.clamp_min(least))


def _some(distances: Float[Tensor, "obs k"], weights: Float[Tensor, "obs k"], total: int) -> Float[Tensor, "few"]:
    """A few of the distances that count: of all chunks together, which have `total`, some thousand."""
    stride = max(1, total // 4000)
    few = distances.flatten()[::stride]
    return few[weights.flatten()[::stride] > 0]


def _floor_of(few: Float[Tensor, "few"]) -> float:
    return max(_FLOOR * float(few.median()) if few.numel() else 0.0, 1e-15)
