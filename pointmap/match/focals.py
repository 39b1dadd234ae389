"""Focal lengths that make the most matches agree."""

from collections.abc import Callable, Sequence

import numpy as np

from pointmap.geometry.matching import PairMatches
from pointmap.match.two_view import verify
from pointmap.shapes import Bool, Float

_PAIRS = 12
_LEAST_EXACT, _LEAST_EXACT_PAIRS = 40, 3
"""Exact matches (keypoints): where there are enough, they alone are asked, within a narrower band. It is the last pixel
that tells one focal length from another."""
_EXACT = 1 / 3
"""Of the error that other matches may have."""
_SPREAD, _STEPS = 0.6, 11
_PRIOR = 0.25
"""Standard deviation of the start's log focal length."""
_EVIDENCE = 0.1
"""A gain of inliers by this share is worth one unit of log-likelihood: they hardly depend on the focal length where the
motion does not tell it."""


def search_focals(
    matches: Sequence[PairMatches],
    intrinsics: Float[np.ndarray, "views 3 3"],
    known: Bool[np.ndarray, "views"],
    *,
    max_error_px: float,
    on_trial: Callable[[], None] | None = None,
) -> Float[np.ndarray, "views 3 3"]:
    """Scale the focal lengths that are not known by the one factor under which most matches agree on relative poses.

    Args:
        intrinsics: The start: K of every view in the pixels of the matches.
        known: Views whose intrinsics are kept.
        on_trial: Called before each of a dozen factors is tried; may raise.
    """
    usable = [match for match in matches if not (known[match.view_i] and known[match.view_j])]
    if not usable:
        return intrinsics
    exact = [match.exact() for match in usable]
    exact = [match for match in exact if len(match.weights) >= _LEAST_EXACT]
    if len(exact) >= _LEAST_EXACT_PAIRS:
        usable, max_error_px = exact, _EXACT * max_error_px
    best = sorted(usable, key=lambda match: -float(match.weights.sum()))[:_PAIRS]
    shifts = np.linspace(-_SPREAD, _SPREAD, _STEPS)
    scores = []
    for shift in shifts:
        if on_trial is not None:
            on_trial()
        trial = _scaled(intrinsics, known, shift)
        poses = [verify(m, trial[m.view_i], trial[m.view_j], max_error_px=max_error_px) for m in best]
        agreeing = sum(0 if pose is None else int(pose.inliers.sum()) for pose in poses)
        scores.append(np.log(max(agreeing, 1)) / _EVIDENCE - 0.5 * (shift / _PRIOR) ** 2)
    return _scaled(intrinsics, known, float(shifts[int(np.argmax(scores))]))


def _scaled(intrinsics: np.ndarray, known: np.ndarray, shift: float) -> np.ndarray:
    scaled = np.array(intrinsics, float)
    scaled[~known, 0, 0] *= np.exp(shift)
    scaled[~known, 1, 1] *= np.exp(shift)
    return scaled
