"""The fast solver: reweighted least squares on the objective of `pointmap.alignment.objective`.

A norm is a weighted square whose weights are one over the distance (IRLS; Weiszfeld 1937). With weights and depths
fixed, cameras, focal lengths and similarities see the pixels only through 7x7 moments, so that a Levenberg-Marquardt
step costs one pass over the pixels and one linear system; with those fixed, depths have closed forms, found in the same
pass. The two alternate, with momentum.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch

from pointmap.alignment.equations import FOCAL, POSE, VIEW_UNKNOWNS, NormalEquations, Step
from pointmap.alignment.linear_system import LinearSystem
from pointmap.alignment.pixels import Swept, sweep
from pointmap.alignment.sampling import Sample
from pointmap.alignment.state import BASE_SCALE, Fixed, State, mean_scale


@dataclass
class History:
    """Losses at the mean group scale `BASE_SCALE`, and when each was reached."""

    losses: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    began: float = field(default_factory=time.perf_counter)

    def add(self, loss: float) -> None:
        """The loss as it is now."""
        self.losses.append(loss)
        self.seconds.append(time.perf_counter() - self.began)


def solve(
    sample: Sample,
    start: State,
    fixed: Fixed,
    history: History,
    *,
    floor: float | None = None,
    max_passes: int = 60,
    tolerance: float = 1e-5,
    on_pass: Callable[[int], None] | None = None,
) -> Swept:
    """Minimise the objective over the sampled pixels.

    Args:
        start: Where to start; its depths count only with a floor.
        history: Gets the loss before the first and after every pass.
        floor: Of the distances, from an earlier solution on the same pixels.
        tolerance: Stop when three passes together lower the loss by less than this part of it.
        on_pass: Called with the number of each pass; may raise.

    Returns:
        The best state, swept.
    """
    system = linear_system(sample, fixed)
    if floor is None:
        start = replace(start, depths=torch.zeros_like(sample.offsets[:, 0]))
    start = _no_step(sample).apply(sample, start, fixed)  # at the scale where losses are stated
    at = sweep(sample, start, floor, rounds=4 if floor is None else 2)
    losses, damping = [stated_loss(sample, at)], 1e-4
    history.add(losses[0])
    last_step: Step | None = None
    age = 0
    for number in range(max_passes):
        if on_pass is not None:
            on_pass(number)
        if at.loss == 0:
            break
        # Nesterov's momentum: first go on as in the last pass, the more so the longer that has worked.
        ahead = at
        if last_step is not None and age > 1:
            momentum = last_step.scaled(age / (age + 3))
            ahead = sweep(sample, momentum.apply(sample, at.state, fixed), at.floor)
        step = NormalEquations(sample, ahead, fixed, system).step(damping)
        candidate = sweep(sample, step.apply(sample, ahead.state, fixed), at.floor)
        if candidate.loss <= at.loss:
            last_step = step if ahead is at else step.added_to(momentum)
            age += 1
            at = candidate
            damping = max(damping / 10, 1e-9)
            losses.append(stated_loss(sample, at))
            history.add(losses[-1])
            if len(losses) > 3 and losses[-4] - losses[-1] < tolerance * losses[-1]:
                break
        elif ahead is not at:
            last_step, age = None, 0
        elif damping < 1e3:
            damping = max(damping, 1e-6) * 10
        else:
            break
    return at


def _no_step(sample: Sample) -> Step:
    zero = torch.zeros(sample.num_views + sample.num_groups, VIEW_UNKNOWNS, dtype=torch.float64, device=sample.device)
    return Step(zero[: sample.num_views], zero[sample.num_views :, :7])


def linear_system(sample: Sample, fixed: Fixed) -> LinearSystem:
    """Which unknowns of the views there are, and which of them meet."""
    free = torch.ones(sample.num_views, VIEW_UNKNOWNS, dtype=torch.bool, device=sample.device)
    free[torch.bincount(sample.view_of, minlength=sample.num_views) == 0] = False
    free[:, POSE] &= ~fixed.poses[:, None]
    free[:, FOCAL] &= ~fixed.focals
    return LinearSystem(sample.group_of, sample.view_of, free, fixed.cameras)


def stated_loss(sample: Sample, at: Swept) -> float:
    """The loss at the mean group scale `BASE_SCALE`."""
    return at.loss * BASE_SCALE / float(mean_scale(at.state.world_from_group, sample.group_weights))
