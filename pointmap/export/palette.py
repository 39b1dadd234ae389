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
