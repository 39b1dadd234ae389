"""Colours for maps of one number per pixel."""

import numpy as np

from pointmap.shapes import Bool, Float, UInt8

_ANCHORS = np.array(
    [
        [59, 15, 103],
        [46, 51, 144],
        [0, 90, 156],
        [0, 123, 157],
        [0, 154, 157],
        [32, 184, 149],
        [113, 209, 123],
        [194, 225, 88],
        [255, 233, 77],
    ]
)
"""sRGB from violet to yellow. The lightness in OKLab (Ottosson 2020) grows evenly from 0.30 to 0.94, so that equal
steps look equal, also in grey and to colour-blind eyes."""

_UNKNOWN = (222, 222, 222)


def colorize(
    values: Float[np.ndarray, "*shape"], low: float, high: float, valid: Bool[np.ndarray, "*shape"] | None = None
) -> UInt8[np.ndarray, "*shape 3"]:
    """Violet at `low` and below, yellow at `high` and above, light grey where a value is not valid or not finite."""
    valid = np.isfinite(values) if valid is None else valid & np.isfinite(values)
    place = (np.where(valid, values, low) - low) / max(high - low, 1e-12)
    place = np.clip(place, 0, 1) * (len(_ANCHORS) - 1)
    index = np.minimum(place.astype(int), len(_ANCHORS) - 2)
    part = (place - index)[..., None]
    colors = (1 - part) * _ANCHORS[index] + part * _ANCHORS[index + 1]
    return np.where(valid[..., None], np.round(colors), _UNKNOWN).astype(np.uint8)


def colorize_log(
    values: Float[np.ndarray, "*shape"], low: float, high: float, valid: Bool[np.ndarray, "*shape"]
) -> UInt8[np.ndarray, "*shape 3"]:
    """As `colorize`, in steps of equal ratios; what is valid is positive."""
    return colorize(np.log(np.where(valid, values, 1.0)), float(np.log(low)), float(np.log(high)), valid)


def colorize_depth(
    depth: Float[np.ndarray, "*shape"], low: float, high: float, valid: Bool[np.ndarray, "*shape"]
) -> UInt8[np.ndarray, "*shape 3"]:
    """As `colorize_log`, but near is yellow and far violet: what is near stands out."""
    return colorize_log(1 / np.where(valid, depth, 1.0), 1 / high, 1 / low, valid)


def typical_range(values: list[np.ndarray]) -> tuple[float, float]:
    """For a scale that several maps share: of all their values, without the outermost 2 % on both sides."""
    joined = np.concatenate([*values, np.zeros(0)])
    joined = joined[np.isfinite(joined) & (joined > 0)]
    low, high = np.quantile(joined, [0.02, 0.98]) if len(joined) else (1.0, 1.0)
    return (float(low), float(high)) if high > 1.02 * low else (float(low / 1.01), float(high * 1.01))
