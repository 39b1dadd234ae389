"""Depths off by known factors that the alignment cannot undo, and a tenth of them missing."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pointmap.eval.estimate import Estimate
from pointmap.eval.protocols.depth import Depth, taking_part
from pointmap.eval.task import Task

Values = Sequence[np.ndarray]
"""Of each photo the pixels that take part."""


def median_kept(true: np.ndarray, factors: np.ndarray | float) -> np.ndarray:
    """Depths above the median times a factor above 1, those below it divided: the median stays where it is.

    The middle two of an even number stay as they are.
    """
    ranked = np.sort(true)
    low, high = ranked[(len(ranked) - 1) // 2], ranked[len(ranked) // 2]
    return np.where(true > high, true * factors, np.where(true < low, true / factors, true))


def distort(scoring: Depth, task: Task) -> tuple[Estimate, dict[str, tuple[float, float]]] | None:
    """An estimate, and by name of metric the value that theory predicts with its tolerance."""
    truth = Estimate.of_truth(task)
    used = [
        None if depth is None else taking_part(depth, scoring.nearest, scoring.farthest, scoring.crop)
        for depth in truth.depths
    ]
    photos = [index for index, mask in enumerate(used) if mask is not None and mask.any()]
    if not photos:
        return None
    depths = [None if depth is None else np.array(depth, np.float64) for depth in truth.depths]
    known = {index: np.arange(int(used[index].sum())) % 10 != 3 for index in photos}
    aligned = {}
    for group in [photos] if scoring.per == "sequence" else [[index] for index in photos]:
        true = np.concatenate([depths[index][used[index]] for index in group])
        seen = np.concatenate([known[index] for index in group])
        estimate, fitted = _group(scoring.align, true[seen])
        both = np.full((2, len(true)), np.nan)
        both[:, seen] = estimate, fitted
        ends = np.cumsum([len(known[index]) for index in group])[:-1]
        for index, values, fit in zip(group, *(np.split(row, ends) for row in both), strict=True):
            aligned[index] = fit
            depths[index][used[index]] = np.nan_to_num(values)
    expected = _expected(scoring, [aligned[i] for i in photos], [truth.depths[i][used[i]] for i in photos])
    changed = tuple(None if depth is None else depth.astype(np.float32) for depth in depths)
    tolerances = {name: (value, 1e-4 * max(1.0, abs(value))) for name, value in expected.items()}
    return replace(truth, depths=changed), tolerances


def _group(align: str, true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Estimates of pixels that share an alignment, and what they are after it."""
    few = np.where(np.arange(len(true)) % 50 == 7, 1.5, 1.0)
    uneven = median_kept(true, 1.1)
    match align:
        case "none":
            return 1.1 * true, 1.1 * true
        case "median":
            return 3 * uneven, uneven
        case "scale_ls":
            return 3 * uneven, uneven * (uneven @ true) / (uneven @ uneven)
        case "scale_l1":  # A few outliers do not move the least absolute deviations.
            return 3 * few * true, few * true
        case "scale_shift_l1":
            return 3 * few * true + 0.2 * true.mean(), few * true
        case "scale_shift_ls":
            return 3 * uneven + 0.2 * true.mean(), np.polyval(np.polyfit(uneven, true, 1), uneven)
        case _:
            line = np.polyfit(1 / uneven, 1 / true, 1)
            return 3 * uneven, 1 / np.polyval(line, 1 / uneven)


def _expected(scoring: Depth, aligned: Values, true: Values) -> dict[str, float]:
    if scoring.clip is not None:
        aligned = [np.clip(part, *scoring.clip) for part in aligned]
    parts = list(zip(aligned, true, strict=True))
    missing = float(np.mean(np.isnan(np.concatenate(aligned))))
    if scoring.missing == "skip":
        parts = [(d[np.isfinite(d)], g[np.isfinite(d)]) for d, g in parts]
    if scoring.pool == "pixels":
        parts = [tuple(np.concatenate(column) for column in zip(*parts, strict=True))]
    means = [_errors(d, g.astype(np.float64), scoring.inlier_ratio) for d, g in parts]
    return {name: float(np.mean([mean[name] for mean in means])) for name in means[0]} | {"coverage": 1 - missing}


def _errors(d: np.ndarray, g: np.ndarray, inlier_ratio: float | None) -> dict[str, float]:
    logs = np.log(d[np.isfinite(d)] / g[np.isfinite(d)])
    ratio = np.exp(np.abs(np.log(np.where(np.isfinite(d), d, 1e-30) / g)))
    d = np.nan_to_num(d)
    errors = {
        "absrel": np.mean(np.abs(d / g - 1)),
        "absdiff": np.mean(np.abs(d - g)),
        "sqrel": np.mean((d - g) ** 2 / g),
        "rmse": np.sqrt(np.mean((d - g) ** 2)),
        "log_rmse": np.sqrt(np.mean(logs**2)),
        **{f"d{k}": np.mean(ratio < 1.25**k) for k in (1, 2, 3)},
    }
    if inlier_ratio is not None:
        errors[f"inlier_{round(100 * inlier_ratio)}"] = np.mean(ratio < inlier_ratio)
    return {name: float(value) for name, value in errors.items()}
