"""The fast solver: reweighted least squares on the objective of `pointmap.alignment.objective`.

A norm is a weighted square whose weights are one over the distance (IRLS; Weiszfeld 1937). With weights and depths
fixed, cameras, focal lengths and similarities see the pixels only through small moments, so that a Levenberg-Marquardt
step costs one pass over the pixels and one linear system; with those fixed, depths have closed forms, found in the same
pass. The step knows how depths will follow (`equations`), so that a handful of passes is enough.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from pointmap.alignment.equations import FOCAL, POSE, VIEW_UNKNOWNS, NormalEquations, Step
from pointmap.alignment.linear_system import LinearSystem
from pointmap.alignment.pixels import Swept, sweep
from pointmap.alignment.sampled_priors import SampledPriors
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
    priors: SampledPriors | None = None,
    rounds: int = 4,
    max_passes: int = 60,
    tolerance: float = 2e-6,
    on_pass: Callable[[int], None] | None = None,
) -> Swept:
    """Minimise the objective over the sampled pixels.

    Args:
        start: Where to start; its depths do not count.
        history: Gets the loss before the first and after every pass.
        priors: What is known softly; what is minimised then is not the loss alone, which may grow.
        rounds: Of the first search for depths; fewer leave more to the passes.
        tolerance: Stop when a pass lowers what is minimised by less than this part of it.
        on_pass: Called with the number of each pass; may raise.

    Returns:
        The best state, swept.
    """
    system = linear_system(sample, fixed, priors)
    start = _no_step(sample).apply(sample, start, fixed)  # at the scale where losses are stated
    at = sweep(sample, start, rounds=rounds)
    if priors is not None:
        at = sweep(sample, at.state, at, priors.depths_for(priors.unit(sample, at.loss), sample.size))
    terms = None if priors is None else priors.at(at.state)
    damping = 1e-4
    history.add(stated_loss(sample, at))
    for number in range(max_passes):
        if on_pass is not None:
            on_pass(number)
        if at.loss == 0:
            break
        equations = NormalEquations(sample, at, system)
        known = None
        if priors is not None and terms is not None:
            unit = priors.unit(sample, at.loss)
            equations.add(unit * terms.slopes, unit * terms.blocks, unit * terms.pair_blocks)
            known = priors.depths_for(unit, sample.size)
        step = equations.step(damping)
        candidate = sweep(sample, step.apply(sample, at.state, fixed), at, known)
        candidate_terms = None if priors is None else priors.at(candidate.state)
        ratio = stated_loss(sample, candidate) / stated_loss(sample, at)
        if priors is not None and terms is not None and candidate_terms is not None:
            change = (candidate_terms.value - terms.value) * priors.unit(sample, 1.0)
            ratio *= math.exp(min(change, 100.0))
        if ratio <= 1:
            gain = 1 - ratio
            at, terms, damping = candidate, candidate_terms, max(damping / 10, 1e-9)
            history.add(stated_loss(sample, at))
            if gain < tolerance:
                break
        elif damping < 1e3:
            damping = max(damping, 1e-6) * 10
        else:
            break
    return at


def _no_step(sample: Sample) -> Step:
    zero = torch.zeros(sample.num_views + sample.num_groups, VIEW_UNKNOWNS, dtype=torch.float64, device=sample.device)
    return Step(zero[: sample.num_views], zero[sample.num_views :, :7])


def linear_system(sample: Sample, fixed: Fixed, priors: SampledPriors | None = None) -> LinearSystem:
    """Which unknowns of the views there are, and which of them meet."""
    free = torch.ones(sample.num_views, VIEW_UNKNOWNS, dtype=torch.bool, device=sample.device)
    free[torch.bincount(sample.view_of, minlength=sample.num_views) == 0] = False
    free[:, POSE] &= ~fixed.poses[:, None]
    free[:, FOCAL] &= ~fixed.focals
    pairs = None if priors is None else priors.priors.pairs
    return LinearSystem(sample.group_of, sample.view_of, free, fixed.cameras, pairs)


def stated_loss(sample: Sample, at: Swept) -> float:
    """The loss at the mean group scale `BASE_SCALE`."""
    return at.loss * BASE_SCALE / float(mean_scale(at.state.world_from_group, sample.group_weights))
