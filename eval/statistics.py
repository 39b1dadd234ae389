"""How sure a mean over scenes is, and whether two runs differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pointmap.errors import InputError

_EXACT = 16
"""Scenes up to which all 2^n flips of signs are looked at."""

_FLIPS = 10_000
_CHUNK = 2_000_000
"""Numbers that are drawn at a time: 1800 sequences times 10,000 resamples would take most of a gigabyte at once."""


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
    """Percentile bootstrap over scenes (Efron and Tibshirani 1993, chapter 13); NaN values are left out.

    Infinite values stay: a mean over them is infinite, a median need not be. One scene has no spread: its interval is
    its value. Without any scene all three are NaN.

    Args:
        weights: For "weighted"; scenes of weight 0 are left out.
        statistic: "mean", "median" or "weighted" (`protocol.Aggregate`).

    Raises:
        InputError: No such statistic; or "weighted" without a weight of at least 0 for each value.
    """
    array = np.asarray(values, dtype=np.float64)
    used = ~np.isnan(array)
    shares = np.ones_like(array)
    if statistic not in ("mean", "median", "weighted"):
        raise InputError(f'statistic was {statistic!r}. Choose one of "mean", "median", "weighted".')
    if statistic == "weighted":
        shares = np.asarray(() if weights is None else weights, dtype=np.float64)
        if shares.shape != array.shape or not (shares >= 0).all():
            raise InputError(
                f"A weighted mean of {len(array)} values needs as many weights of at least 0; received "
                f"{'none' if weights is None else list(weights)}."
            )
        used &= shares > 0
    array, shares = array[used], shares[used]
    if not len(array):
        return Interval(float("nan"), float("nan"), float("nan"), 0)

    value = float(_reduce(array[None], shares[None], statistic)[0])
    random = np.random.default_rng(seed)
    found = []
    for count in _chunks(resamples, len(array)):
        chosen = random.integers(len(array), size=(count, len(array)))
        found.append(_reduce(array[chosen], shares[chosen], statistic))
    low, high = _middle(np.concatenate(found), level)
    return Interval(value, low, high, len(array))


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

    Two scores that differ in rounding alone, or that are both infinite, are equal.

    Args:
        first: Scores by names of scenes.
        better: "lower" or "higher".

    Raises:
        InputError: They share no scene.
    """
    if better not in ("lower", "higher"):
        raise InputError(f'better was {better!r}. Choose "lower" or "higher".')
    names = [name for name in first if name in second and not np.isnan([first[name], second[name]]).any()]
    if not names:
        raise InputError(
            f"The two runs share no scene with a figure: the first has {_some(first)}, the second {_some(second)}. "
            "Compare runs of one benchmark and protocol."
        )
    before = np.array([first[name] for name in names], dtype=np.float64)
    after = np.array([second[name] for name in names], dtype=np.float64)
    same = np.isclose(before, after, rtol=1e-9, atol=1e-12)
    difference = np.where(same, 0.0, np.subtract(after, before, out=np.zeros_like(after), where=~same))
    gain = difference if better == "higher" else -difference
    return Comparison(
        bootstrap(list(difference), level=level, seed=seed),
        _sign_flip_p(difference, seed),
        int((gain > 0).sum()),
        int((gain < 0).sum()),
        int(same.sum()),
    )


def _reduce(samples: np.ndarray, weights: np.ndarray, statistic: str) -> np.ndarray:
    """(draws,) of (draws, n)."""
    with np.errstate(invalid="ignore"):  # plus and minus infinity in one sample have no mean
        if statistic == "median":
            return np.median(samples, axis=1)
        if statistic == "mean":
            return samples.mean(axis=1)
        return (samples * weights).sum(axis=1) / weights.sum(axis=1)


def _middle(samples: np.ndarray, level: float) -> tuple[float, float]:
    """The bounds of the middle part: members of the samples, since there is nothing between a number and infinity."""
    ranked = np.sort(samples)  # NaN last
    tail = (1 - level) / 2 * (len(ranked) - 1)
    return float(ranked[int(np.floor(tail))]), float(ranked[len(ranked) - 1 - int(np.floor(tail))])


def _sign_flip_p(difference: np.ndarray, seed: int) -> float:
    """Share of all assignments of signs whose mean is at least as far from 0."""
    finite = np.isfinite(difference)
    # Whatever is infinite outweighs all that is finite, and two of them are alike.
    huge = 1e6 * (1 + np.abs(difference[finite]).sum())
    size = np.where(finite, np.abs(difference), huge)
    observed = abs(float(np.where(finite, difference, np.sign(difference) * huge).sum()))
    limit = observed - 1e-9 * float(size.sum())  # a sum in another order is the same sum
    if len(size) <= _EXACT:
        flips = (np.arange(2 ** len(size))[:, None] >> np.arange(len(size))) & 1
        return float((np.abs((1.0 - 2.0 * flips) @ size) >= limit).mean())
    random, reached = np.random.default_rng(seed), 0
    for count in _chunks(_FLIPS, len(size)):
        signs = 1.0 - 2.0 * random.integers(2, size=(count, len(size)))
        reached += int((np.abs(signs @ size) >= limit).sum())
    return (reached + 1) / (_FLIPS + 1)  # what was observed is one of the assignments (Phipson and Smyth 2010)


def _chunks(total: int, width: int) -> list[int]:
    step = max(1, _CHUNK // max(width, 1))
    return [min(step, total - start) for start in range(0, total, step)]


def _some(scores: Mapping[str, float]) -> str:
    names = list(scores)
    return (", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")) or "none"
