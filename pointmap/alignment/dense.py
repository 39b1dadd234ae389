"""Depth of every pixel once cameras and similarities are known, and the loss over all pixels."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from pointmap.alignment.known_depths import KnownDepths
from pointmap.alignment.pixels import directions, fit_depths
from pointmap.alignment.problem import Observation, Problem
from pointmap.alignment.sampling import pixel_runs
from pointmap.geometry.cameras import pixel_grid
from pointmap.geometry.similarity import invert_similarity
from pointmap.shapes import Float, Int

_ROUNDS = 6
_BLOCK_BYTES = 500_000_000
"""What maps of lazy groups that are held at a time may take."""


@dataclass(frozen=True)
class DenseView:
    """One view at all its pixels."""

    view: int

    depth: Float[Tensor, "h w"]
    """0 where no group says anything, or where the best point would be behind the camera."""

    confidence: Float[Tensor, "h w"]
    """The largest that any group that counts predicts, at least 1."""

    loss: float
    """The view's part of the objective, in world units."""


def dense_views(
    problem: Problem,
    views: list[int],
    intrinsics: Float[Tensor, "views 3 3"],
    world_from_cam: Float[Tensor, "views 4 4"],
    world_from_group: Float[Tensor, "groups 4 4"],
    group_weights: Float[Tensor, "groups"],
    *,
    known: dict[int, KnownDepths] | None = None,
) -> Iterator[DenseView]:
    """The z-depths of each view with the smallest weighted sum of distances to what all groups predict.

    Args:
        group_weights: How much each group counts, in [0, 1].
        known: Of some views: depths that are known of their pixels, row by row.
    """
    for view, obs, seen in _whole_views(problem, views):
        cam_from_group = invert_similarity(world_from_cam[view]) @ world_from_group[problem.group_of[obs]]
        told = (known or {}).get(view)
        counts = group_weights[problem.group_of[obs]]
        yield _dense_view(view, seen, problem.side_scale[obs], counts, intrinsics[view], cam_from_group.float(), told)


def _whole_views(problem: Problem, views: list[int]) -> Iterator[tuple[int, Int[Tensor, "n"], list[Observation]]]:
    """All observations of one view after the other; groups that neighbouring views have in common are fetched once."""
    order = problem.view_of.argsort(stable=True)
    counts = torch.bincount(problem.view_of, minlength=problem.num_views)
    starts = (counts.cumsum(0) - counts).tolist()
    obs_of = {view: order[starts[view] : starts[view] + int(counts[view])] for view in views}
    pending: list[int] = []
    volume = 0
    for place, view in enumerate(views):
        pending.append(view)
        height, width = problem.shapes[view]
        volume += 16 * height * width * len(obs_of[view])
        if volume < _BLOCK_BYTES and place < len(views) - 1:
            continue
        fetched = {}
        wanted = torch.cat([problem.group_of[obs_of[v]] for v in pending]).unique().tolist()
        for group in wanted:
            fetched[group] = problem.fetch(group)
        for v in pending:
            obs = obs_of[v]
            yield (
                v,
                obs,
                [
                    problem.observation(o, fetched[g])
                    for o, g in zip(obs.tolist(), problem.group_of[obs].tolist(), strict=True)
                ],
            )
        pending, volume = [], 0


def _dense_view(
    view: int,
    seen: list[Observation],
    side_scale: Float[Tensor, "n"],
    counts: Float[Tensor, "n"],
    intrinsics: Float[Tensor, "3 3"],
    cam_from_group: Float[Tensor, "n 4 4"],
    known: KnownDepths | None,
) -> DenseView:
    height, width = seen[0].weights.shape
    grid = pixel_grid(height, width, device=intrinsics.device, dtype=torch.float32).reshape(-1, 2).mT
    offsets = grid - intrinsics[:2, 2, None].float()
    offsets[1] *= (intrinsics[0, 0] / intrinsics[1, 1]).float()
    rays = directions(offsets, intrinsics[0, 0])
    predicted = torch.empty(len(seen), 3, height * width, device=rays.device)
    weights = torch.empty_like(predicted[:, 0])
    for k, (observation, scale) in enumerate(zip(seen, (side_scale * counts).tolist(), strict=True)):
        points = observation.points.reshape(-1, 3).mT
        torch.addmm(cam_from_group[k, :3, 3:], cam_from_group[k, :3, :3], points, out=predicted[k])
        torch.mul(observation.weights.reshape(-1), scale, out=weights[k])
    depth = torch.empty(height * width, device=rays.device)
    loss = torch.zeros((), dtype=torch.float64, device=rays.device)
    for part in pixel_runs(height * width, len(seen), rays.device):
        told = None if known is None else known.of(slice(None), part)
        fit = fit_depths(rays[:, part], predicted[..., part], weights[:, part], rounds=_ROUNDS, known=told)
        distances = fit.distances
        if bool((fit.depths < 0).any()):
            distances = (fit.depths.clamp_min(0) * rays[:, part] - predicted[..., part]).square().sum(1).sqrt()
        depth[part] = fit.depths.clamp_min(0)
        loss += (weights[:, part] * distances).sum(dtype=torch.float64)
    believed = counts >= min(0.5, float(counts.max()))
    best = torch.stack([o.confidences for o, use in zip(seen, believed.tolist(), strict=True) if use]).amax(0)
    return DenseView(view, depth.reshape(height, width), best.clamp_min(1), float(loss))
