"""The fast solver: reweighted least squares on the objective of `pointmap.alignment.objective`.

A norm is a weighted square whose weights are one over the distance (IRLS; Weiszfeld 1937). With weights and depths
fixed, the similarities of all views and groups see the pixels only through 4x4 moments, so that a Levenberg-Marquardt
step on Sim(3) costs one pass over the pixels and one small linear system; with the similarities fixed, depths and focal
lengths have closed forms. The two alternate, with momentum.

Points are stored as (..., 3, k), not (..., k, 3): sums over three numbers side by side are slow.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from pointmap.alignment.equations import NormalEquations, Step
from pointmap.alignment.sampling import Sample
from pointmap.alignment.state import (
    Fixed,
    Residuals,
    State,
    along_ray,
    directions,
    distance_floor,
    predictions_in_cameras,
)
from pointmap.shapes import Float

_FOCAL_LIMITS = (0.2, 20.0)
"""Of the longer half side of the image: fields of view from 157 to 6 degrees."""


def solve(
    sample: Sample,
    start: State,
    fixed: Fixed,
    *,
    max_passes: int = 60,
    tolerance: float = 1e-5,
    on_pass: Callable[[int], None] | None = None,
) -> tuple[State, list[float]]:
    """Minimise the objective over the sampled pixels.

    Args:
        start: Where to start, depths included.
        tolerance: Stop when three passes together lower the loss by less than this part of it.
        on_pass: Called with the number of each pass; may raise.

    Returns:
        The best state, and the loss before the first and after every pass, at the mean group scale `BASE_SCALE`.
    """
    state, at = start, Residuals(sample, start)
    history, damping = [at.loss], 1e-4
    last_step: Step | None = None
    age = 0
    for number in range(max_passes):
        if on_pass is not None:
            on_pass(number)
        if at.loss == 0:
            break
        # Nesterov's momentum: first go on as in the last pass, the more so the longer that has worked.
        ahead, at_ahead = state, at
        if last_step is not None and age > 1:
            momentum = last_step.scaled(age / (age + 3))
            ahead = _with_depths(sample, momentum.apply(state, fixed), at.floor)
            at_ahead = Residuals(sample, ahead)
        step = NormalEquations(sample, at_ahead, fixed).step(damping)
        candidate = fit_depths_and_focals(sample, step.apply(ahead, fixed), fixed, at.floor)
        at_candidate = Residuals(sample, candidate)
        if at_candidate.loss <= at.loss:
            step = replace(step, log_focals=(candidate.focals / ahead.focals).log())
            last_step = step if ahead is state else step.added_to(momentum)
            age += 1
            state, at = candidate, at_candidate
            damping = max(damping / 10, 1e-9)
            history.append(at.loss)
            if len(history) > 3 and history[-4] - at.loss < tolerance * at.loss:
                break
        elif ahead is not state:
            last_step, age = None, 0
        elif damping < 1e3:
            damping = max(damping, 1e-6) * 10
        else:
            break
    return state, history


def fit_depths_and_focals(
    sample: Sample, state: State, fixed: Fixed, floor: float | None = None, *, rounds: int = 1
) -> State:
    """Best depths and focal lengths for given poses and similarities.

    Args:
        floor: Smaller distances weigh as if they had this one. Without it, depths and floor are found from scratch.
    """
    predicted = predictions_in_cameras(sample, state)
    if floor is None or bool(fixed.focals.all()):
        state = _with_depths(sample, state, floor, predicted)
    if bool(fixed.focals.all()):
        return state
    if floor is None:
        floor = Residuals(sample, state).floor
    for _ in range(rounds):
        state = replace(state, focals=_focal_step(sample, state, predicted, fixed, floor))
        state = _with_depths(sample, state, floor, predicted)
    return state


def _with_depths(
    sample: Sample, state: State, floor: float | None, predicted: Float[Tensor, "obs 3 k"] | None = None
) -> State:
    """Depths with the smallest weighted sum of distances to the predicted points, each along its own ray."""
    if predicted is None:
        predicted = predictions_in_cameras(sample, state)
    along, across, length = along_ray(directions(sample, state.focals)[sample.view_of], predicted)
    depth, rounds = state.depths, 2
    if floor is None:
        total = sample.sum_by_view(sample.weights).clamp_min(1e-300)
        depth, rounds = sample.sum_by_view(sample.weights * along) / total, 4
    for _ in range(rounds):
        distances = (length * (depth[sample.view_of] - along).square() + across).sqrt()
        if floor is None:
            floor = distance_floor(distances, sample.weights)
        weights = sample.weights / distances.clamp_min(floor)
        depth = sample.sum_by_view(weights * along) / sample.sum_by_view(weights).clamp_min(1e-300)
    return replace(state, depths=depth)


def _focal_step(
    sample: Sample, state: State, predicted: Float[Tensor, "obs 3 k"], fixed: Fixed, floor: float
) -> Float[Tensor, "views"]:
    """One Gauss-Newton step in 1/focal, the depths following along their rays."""
    direction = directions(sample, state.focals)
    points = state.depths[:, None] * direction
    distances = (points[sample.view_of] - predicted).square().sum(1).sqrt()
    weights = sample.weights / distances.clamp_min(floor)
    total = sample.sum_by_view(weights)
    mean = sample.sum_by_view(weights[:, None] * predicted) / total.clamp_min(1e-300)[:, None]
    length = direction.square().sum(1)
    depth = (direction * mean).sum(1) / length
    offsets = torch.cat([sample.offsets, torch.zeros_like(length[:, None])], dim=1)
    slide = offsets - direction * ((direction * offsets).sum(1) / length)[:, None]
    change = depth[:, None] * slide  # of the point by 1/focal, at right angles to the ray
    rise = (total * (change * mean).sum(1)).sum(-1)
    curvature = (total * change.square().sum(1)).sum(-1)
    free = ~fixed.focals
    rise, curvature = (_over_cameras(x.where(free, 0), fixed) for x in (rise, curvature))
    inverse = 1 / state.focals
    stepped = inverse + torch.where(curvature > 0, rise / curvature.clamp_min(1e-300), 0.0)
    # At most a factor of 2 at a time: the step is exact only near the answer.
    stepped = stepped.clamp(inverse / 2, inverse * 2)
    half_side = sample.offsets.abs().amax((1, 2)).clamp_min(0.5)
    stepped = stepped.clamp(1 / (_FOCAL_LIMITS[1] * half_side), 1 / (_FOCAL_LIMITS[0] * half_side))
    # What one camera's views agree on now may have begun, or been clamped, differently.
    stepped = _over_cameras(stepped.where(free, 0), fixed) / _over_cameras(free.to(stepped), fixed).clamp_min(1)
    return torch.where(free, 1 / stepped, state.focals)


def _over_cameras(values: Float[Tensor, "views"], fixed: Fixed) -> Float[Tensor, "views"]:
    """Each view's sum over the views of its camera."""
    return torch.zeros_like(values).index_add(0, fixed.cameras, values)[fixed.cameras]
