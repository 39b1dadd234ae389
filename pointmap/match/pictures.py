"""Pictures of matches: both photos side by side, joined by lines."""

import colorsys

import numpy as np

from pointmap.errors import InputError
from pointmap.match.protocol import Matches
from pointmap.match.shrinking import shrink
from pointmap.shapes import Bool, UInt8

_RIGHT, _WRONG = (60, 210, 90), (235, 70, 60)
_WORST_HUE, _BEST_HUE = 0.0, 0.38
"""From red to green, as scores go from the least to the largest."""


def draw_matches(
    image_i: UInt8[np.ndarray, "h_i w_i 3"],
    image_j: UInt8[np.ndarray, "h_j w_j 3"],
    matches: Matches,
    inliers: Bool[np.ndarray, "n"] | None = None,
    *,
    most: int = 200,
    height: int = 720,
) -> UInt8[np.ndarray, "h w 3"]:
    """Both images in one height, side by side, with lines between the places that match.

    Args:
        matches: In pixels of the images.
        inliers: Draws these green, above the others in red; default by score, from red (the least) to green.
        most: So many are drawn at most, evenly over their order from left to right in image i.
        height: Of the picture; images that are lower are not enlarged.
    """
    import cv2

    if inliers is not None and len(inliers) != len(matches):
        raise InputError(f"There are {len(matches)} matches, but {len(inliers)} marks of inliers.")
    small_i, scale_i = _in_height(image_i, height)
    small_j, scale_j = _in_height(image_j, height)
    gap = max(4, height // 60)
    left = small_i.shape[1] + gap
    canvas = np.full((max(small_i.shape[0], small_j.shape[0]), left + small_j.shape[1], 3), 255, np.uint8)
    canvas[: small_i.shape[0], : small_i.shape[1]] = small_i
    canvas[: small_j.shape[0], left:] = small_j
    ends_i = (matches.pixels_i.double().numpy() + 0.5) * scale_i - 0.5
    ends_j = (matches.pixels_j.double().numpy() + 0.5) * scale_j - 0.5 + (left, 0)
    colours = _colours(matches, inliers)
    fraction = 4  # OpenCV takes sixteenths of pixels
    points = np.round(np.stack([ends_i, ends_j], axis=1) * 2**fraction).astype(int)
    for index in _drawn(matches, inliers, most):
        start, end = (tuple(point) for point in points[index].tolist())
        cv2.line(canvas, start, end, colours[index], 1, cv2.LINE_AA, fraction)
        for place in (start, end):
            cv2.circle(canvas, place, 2 << fraction, colours[index], 1, cv2.LINE_AA, fraction)
    return canvas


def _in_height(image: np.ndarray, height: int) -> tuple[np.ndarray, tuple[float, float]]:
    longest = round(max(image.shape[:2]) * min(1.0, height / image.shape[0]))
    return shrink(image, max(1, longest))


def _colours(matches: Matches, inliers: np.ndarray | None) -> list[tuple[int, int, int]]:
    if inliers is not None:
        return [_RIGHT if right else _WRONG for right in inliers]
    scores = matches.scores.double().numpy()
    if not len(scores):
        return []
    least, spread = scores.min(), scores.max() - scores.min()
    shares = (scores - least) / spread if spread > 0 else np.ones_like(scores)
    hues = _WORST_HUE + (_BEST_HUE - _WORST_HUE) * shares
    return [tuple(round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.75, 0.9)) for hue in hues]  # type: ignore


def _drawn(matches: Matches, inliers: np.ndarray | None, most: int) -> np.ndarray:
    """Indices of the matches that are drawn, those that matter last."""
    from_left = np.argsort(matches.pixels_i[:, 0].numpy(), kind="stable")
    if len(from_left) > most:
        from_left = from_left[np.linspace(0, len(from_left) - 1, most).round().astype(int)]
    surer = matches.scores.numpy()[from_left] if inliers is None else inliers[from_left]
    return from_left[np.argsort(surer, kind="stable")]
