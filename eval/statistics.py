"""How sure a mean over scenes is, and whether two runs differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """A figure with its bootstrap confidence interval."""

    value: float
    low: float
    high: float
    count: int
    """Of scenes with a figure."""


def bootstrap(
    values: Sequence[float],
    weights: Sequence[float] | None = None,
    *,
    statistic: str = "mean",
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap over scenes (Efron and Tibshirani 1993); NaN values are left out.

    Args:
        weights: For "weighted".
        statistic: "mean", "median" or "weighted" (`protocol.Aggregate`).
    """
    raise NotImplementedError


@dataclass(frozen=True)
class Comparison:
    """Two runs on the scenes that both have."""

    difference: Interval
    """Second minus first, mean over scenes, with its paired bootstrap interval."""

    p_value: float
    """Two-sided, of a sign-flip permutation test: exact up to 16 scenes, else 10,000 flips of a fixed seed."""

    better: int
    """Scenes on which the second is better."""
    worse: int
    equal: int


def compare(
    first: Mapping[str, float], second: Mapping[str, float], *, better: str, level: float = 0.95, seed: int = 0
) -> Comparison:
    """Compare scene by scene; scenes that only one has, or that are NaN on a side, are left out.

    Args:
        first: Scores by names of scenes.
        better: "lower" or "higher".

    Raises:
        InputError: They share no scene.
    """
    raise NotImplementedError
