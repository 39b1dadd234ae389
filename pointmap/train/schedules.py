"""How the learning rate goes over the run. Progress is 0 at the first step and 1 at the end."""

import math

from pointmap.errors import InputError


def cosine(progress: float, start: float, end: float) -> float:
    """Half a cosine from `start` to `end` (Loshchilov & Hutter 2017, SGDR)."""
    return end + (start - end) * (1 + math.cos(math.pi * _checked(progress))) / 2


def linear(progress: float, start: float, end: float) -> float:
    """A straight line from `start` to `end`."""
    return start + (end - start) * _checked(progress)


def wsd(progress: float, warmup: float, decay: float) -> float:
    """Warm-up, stable, decay (Hu et al. 2024, MiniCPM): a factor for the peak rate.

    Only the decay knows where the end is, so that a run can be extended from its stable part.

    Args:
        warmup: Share of the run in which the factor rises in a straight line from 0 to 1.
        decay: Share of the run, at its end, in which it falls in a straight line to 0.
    """
    if warmup < 0 or decay < 0 or warmup + decay > 1:
        raise InputError(
            f"Warm-up and decay are shares of the run, together at most 1, but are {warmup} and {decay}. Shorten one."
        )
    progress = _checked(progress)
    rise = progress / warmup if warmup else 1.0
    fall = (1 - progress) / decay if decay else 1.0
    return min(rise, 1.0, fall)


def _checked(progress: float) -> float:
    if not 0 <= progress <= 1:
        raise InputError(f"Progress of a schedule is between 0 (first step) and 1 (end), but is {progress}.")
    return progress
