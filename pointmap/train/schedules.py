"""How the learning rate goes over the run."""

import math

from pointmap.errors import InputError


def cosine(progress: float, start: float, end: float) -> float:
    """Half a cosine from `start` to `end` (Loshchilov & Hutter 2017, SGDR); progress goes from 0 to 1."""
    return end + (start - end) * (1 + math.cos(math.pi * _checked(progress))) / 2


def linear(progress: float, start: float, end: float) -> float:
    """A straight line from `start` to `end`."""
    return start + (end - start) * _checked(progress)


def wsd(step: int, steps: int, warmup_steps: int, decay_steps: int) -> float:
    """Warm-up, stable, decay (Hu et al. 2024, MiniCPM): a factor in (0, 1] for the peak rate.

    Only the decay knows where the end is, so that a run can be extended from its stable part.

    Args:
        step: Counts from 0.
        warmup_steps: So many first steps rise in a straight line to 1.
        decay_steps: So many last steps fall in a straight line to 0, which the step after the last one would have.
    """
    if not 0 <= step < steps:
        raise InputError(f"A run of {steps} steps has no step {step}; they count from 0.")
    if min(warmup_steps, decay_steps) < 0 or warmup_steps + decay_steps > steps:
        raise InputError(
            f"Warm-up and decay, {warmup_steps} and {decay_steps} steps, do not fit into a run of {steps}. Shorten one."
        )
    rise = (step + 1) / warmup_steps if warmup_steps else 1.0
    fall = (steps - step) / (decay_steps + 1)
    return min(rise, 1.0, fall)


def _checked(progress: float) -> float:
    if not 0 <= progress <= 1:
        raise InputError(f"Progress of a schedule is between 0 (first step) and 1 (end), but is {progress}.")
    return progress
