"""Passes over pixels: the depth along a ray that agrees best with all predictions, and what distances it leaves.

Everything here is in camera frames, so that float32 is exact enough wherever the world's origin is.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from pointmap.alignment.known_depths import KnownDepths
from pointmap.alignment.sampling import Sample
from pointmap.alignment.state import State, cam_from_group, move
from pointmap.shapes import Float

_FLOOR = 1e-3
"""Distances below this part of the median distance weigh as if they had it, which keeps the weights finite."""


@dataclass(frozen=True)
class Fit:
    """Depths of a view's pixels, and how far each prediction is from the point there."""

    depths: Float[Tensor, "k"]
    nearest: Float[Tensor, "obs k"]
    """Depth of the point of the ray that is nearest to each prediction."""

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

    points: Float[Tensor, "obs 4 4"]
    """Sums over pixels of w (p, 1) (p, 1)^T: the view's points p in its camera frame."""

    rays: Float[Tensor, "obs 5 5"]
    """Sums of w m m^T, where m holds the direction n of the ray, |p| and n_z^2 |p|: what can be done along rays."""

    pulls: Float[Tensor, "obs 4 3"]
    """Sums of w (p, 1) r^T, where r is the view's point less the prediction."""

    pulls_along: Float[Tensor, "obs 5"]
    """Sums of w m (n . r)."""

    squares: Float[Tensor, "obs 3 3"]
    """Sums of w r r^T."""


def sweep(
    sample: Sample,
    state: State,
    last: Swept | None = None,
    known: KnownDepths | None = None,
    *,
    rounds: int = 4,
) -> Swept:
    """One pass over the sampled pixels: new depths, the loss, and the moments of the weighted points.

    Args:
        last: Of a state nearby, on the same pixels; without it, depths are found from scratch.
        known: Depths that are known of the sampled pixels.
        rounds: How often to weigh anew where depths are found from scratch.
    """
    obs, device = len(sample.group_of), sample.device
    transforms = cam_from_group(sample, state).float()
    depths, shares = torch.zeros_like(sample.offsets[:, 0]), torch.empty_like(sample.weights)
    # Float32 sums over one chunk, float64 sums of these.
    moments = torch.zeros(obs, 16 + 25 + 12 + 5 + 9, dtype=torch.float64, device=device)
    points, rays, pulls, pulls_along, squares = moments.split([16, 25, 12, 5, 9], dim=1)
    losses, few = [], []
    for chunk in sample.chunks:
        view, of, pixels = chunk.view, chunk.obs, chunk.pixels
        ray = directions(sample.offsets[view, :, pixels], state.focals[view])
        predicted = move(transforms[of], sample.points[of, :, pixels])
        weights = sample.weights[of, pixels]
        told = None if known is None else known.of(slice(view, view + 1), pixels)
        if last is None:
            fit = fit_depths(ray, predicted, weights, rounds=rounds, known=told)
        else:
            near = last.shares[of, pixels]
            fit = fit_depths(ray, predicted, weights, shares=near, floor=last.floor, rounds=1, known=told)
        depths[view, pixels], shares[of, pixels] = fit.depths, fit.shares
        losses.append((weights * fit.distances).sum(dtype=torch.float64))
        few.append(_some(fit.distances, weights, sample.weights.numel()))

        length = ray.square().sum(0).sqrt_()
        point = fit.depths * ray
        with_one = torch.cat([point, torch.ones_like(length[None])])
        along = torch.stack([*(ray / length), fit.depths * length, fit.depths / length])
        difference = point - predicted
        pull = fit.shares[:, None] * difference
        pull_along = fit.shares * ((fit.depths - fit.nearest) * length)
        points[of] += fit.shares @ _products(with_one)
        rays[of] += fit.shares @ _products(along)
        pulls[of] += (pull.flatten(0, 1) @ with_one.mT).view(-1, 3, 4).mT.flatten(1)
        pulls_along[of] += pull_along @ along.mT
        squares[of] += torch.bmm(pull, difference.mT).flatten(1)
    return Swept(
        State(state.world_from_cam, state.world_from_group, state.focals, depths),
        float(torch.stack(losses).sum()),
        _floor_of(torch.cat(few)),
        shares,
        points.reshape(obs, 4, 4),
        rays.reshape(obs, 5, 5),
        pulls.reshape(obs, 4, 3),
        pulls_along,
        squares.reshape(obs, 3, 3),
    )


def _products(rows: Float[Tensor, "a k"]) -> Float[Tensor, "k squared"]:
    """All products of two rows, in columns."""
    return (rows[:, None] * rows).flatten(0, 1).mT


def directions(offsets: Float[Tensor, "*n 2 k"], focals: Float[Tensor, "*n"]) -> Float[Tensor, "*n 3 k"]:
    """Rays in the camera frame, z = 1."""
    slopes = offsets / focals[..., None, None].float()
    return torch.cat([slopes, torch.ones_like(slopes[..., :1, :])], dim=-2)


def fit_depths(
    rays: Float[Tensor, "3 k"],
    predicted: Float[Tensor, "obs 3 k"],
    weights: Float[Tensor, "obs k"],
    *,
    shares: Float[Tensor, "obs k"] | None = None,
    floor: float | None = None,
    rounds: int = 4,
    known: KnownDepths | None = None,
) -> Fit:
    """Depths with the smallest weighted sum of distances from their rays' points to all predictions of a view.

    Reweighted least squares (Weiszfeld 1937), each depth along its own ray.

    Args:
        predicted: In the camera frame of the view.
        shares: To begin with; without them, the weights.
        floor: Smaller distances weigh as if they had this one; without it, from the distances at the first depths.
        rounds: How often to weigh anew.
        known: Depths that are known of these pixels.
    """
    length = rays.square().sum(0)
    nearest = (rays * predicted).sum(1).div_(length)
    across = torch.addcmul(predicted, rays, nearest[:, None], value=-1).square_().sum(1)

    def best(shares: Tensor, near: Tensor | None) -> tuple[Tensor, Tensor]:
        total = shares.sum(0)
        depths = (shares * nearest).sum(0) / total.clamp_min(1e-30)
        if known is not None:
            near = depths if near is None else near
            depths = known.joined(depths[None], (total * length)[None], near[None])[0]
        return depths, torch.addcmul(across, (depths - nearest).square_(), length).sqrt_()

    depths, distances = best(weights if shares is None else shares, None)
    least = _floor_of(_some(distances, weights, weights.numel())) if floor is None else floor
    for _ in range(rounds):
        depths, distances = best(weights / distances.clamp_min_(least), depths)
    return Fit(depths, nearest, distances, weights / distances.clamp_min(least))


def _some(distances: Float[Tensor, "obs k"], weights: Float[Tensor, "obs k"], total: int) -> Float[Tensor, "few"]:
    """A few of the distances that count: of all chunks together, which have `total`, some thousand."""
    stride = max(1, total // 4000)
    few = distances.flatten()[::stride]
    return few[weights.flatten()[::stride] > 0]


def _floor_of(few: Float[Tensor, "few"]) -> float:
    return max(_FLOOR * float(few.median()) if few.numel() else 0.0, 1e-15)
