"""Matches of keypoints, which turned photos and repeated small things do not disturb.

A small network matches photos badly that are turned about the line of sight against each other. Keypoints (SIFT, Lowe
2004, with the square roots of Arandjelovic & Zisserman 2012) turn along with the photo, and lie where they are found
to a fraction of a pixel. Where enough of a pair's agree on an epipolar geometry they join the network's matches, which
are many more but less exact, and show whether those can be believed at all.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from pointmap.geometry.matching import PairMatches
from pointmap.match.chance import chance
from pointmap.match.verification import fundamental
from pointmap.progress import ProgressCallback
from pointmap.scene import View
from pointmap.shapes import Bool, Float, Int, UInt8

KEYPOINT_SIZE = 1600
"""Longest side of the images to find keypoints in."""
LEAST_KEYPOINT_SIZE = 1024
"""Smaller photos are enlarged to it: what is blurred by a pixel shows only so (AUC@5 of hololens_sofa .52 to .59)."""
_MOST = 4000
"""Keypoints per photo."""
_LEAST_CONTRAST = 0.01
"""A quarter of what is usual: plain surfaces have weak ones alone."""
_BLOCK = 1024
"""Keypoints of i that are compared at a time: their likenesses stay in the processor's caches."""
_RATIO = 0.8
"""The second best must be further by so much (Lowe's test); epipolar geometry removes what is left of wrong ones."""
_ERROR = 1.5 / 1000
"""Keypoints further from their epipolar line than this part of the image's long side do not match."""
_NETWORK_ERROR = 1.5 / 320
WEIGHT = 10.0
"""Against one match of the network that is sure: keypoints lie three times as exactly."""
_LEAST = 20
_ABOVE_CHANCE = 0.1
"""So much more of the keypoints than would by chance must agree on an epipolar geometry."""
_LEAST_JUDGED = 5
_LEAST_AGREEING = 0.13
"""If fewer of the network's matches agree with what keypoints say, those of this set are no evidence.

Medians over the pairs that keypoints match: 0.46 on hololens_sofa, 0.43 on redkitchen, 0.19 on fox (8 photos each),
where the network's matches help; 0.09 on buddha, where they harm."""


@dataclass(frozen=True)
class Keypoints:
    """Places of one image that can be found again, and how they look."""

    pixels: Float[Tensor, "n 2"]
    """(x, y)."""
    looks: Float[Tensor, "n 128"]
    """Unit vectors; alike where the inner product is near 1."""


@dataclass(frozen=True)
class EpipolarMatches:
    """Keypoints of a pair that agree on an epipolar geometry."""

    matches: PairMatches
    """In working pixels."""
    fundamental: Float[np.ndarray, "3 3"]
    """x_j^T F x_i = 0, in working pixels."""


def find_keypoints(image: UInt8[np.ndarray, "h w 3"]) -> Keypoints:
    """SIFT keypoints of an RGB image, at most 4000."""
    import cv2

    # By default the first doubling of the image shifts all keypoints by a quarter of a pixel.
    finder = cv2.SIFT.create(nfeatures=_MOST, contrastThreshold=_LEAST_CONTRAST, enable_precise_upscale=True)
    found, histograms = finder.detectAndCompute(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), None)
    if histograms is None:
        return Keypoints(torch.zeros(0, 2), torch.zeros(0, 128))
    looks = torch.from_numpy(histograms)[:_MOST]
    looks = (looks / looks.sum(dim=1, keepdim=True).clamp(min=1e-12)).sqrt()
    return Keypoints(torch.tensor([point.pt for point in found])[:_MOST], looks)


def nearest_keypoints(i: Keypoints, j: Keypoints) -> tuple[Int[Tensor, "k"], Int[Tensor, "k"], Float[Tensor, "k"]]:
    """Keypoints that look most alike in both directions, and clearly more so than others.

    Returns:
        Indices into i and into j, and 1 minus the ratio of the squared distances to the best and to the second best.
    """
    if len(i.pixels) < 2 or len(j.pixels) < 2:
        nothing = torch.zeros(0, dtype=torch.int64)
        return nothing, nothing, torch.zeros(0)
    nearest, indices = [], []
    highest = torch.full_like(j.looks[:, 0], -torch.inf)
    for looks in i.looks.split(_BLOCK):
        alike = looks @ j.looks.mT
        likeness, index = alike.topk(2, dim=1)
        nearest.append(likeness)
        indices.append(index[:, 0])
        highest = torch.maximum(highest, alike.amax(dim=0))
    (best, second), there = torch.cat(nearest).unbind(dim=1), torch.cat(indices)
    distance, next_distance = (1 - best).clamp(min=0), 1 - second
    distinct = distance < _RATIO**2 * next_distance
    index_i = (distinct & (best == highest[there])).nonzero()[:, 0]
    return index_i, there[index_i], 1 - distance[index_i] / next_distance[index_i]


def match_keypoints(i: Keypoints, j: Keypoints) -> tuple[Float[Tensor, "k 2"], Float[Tensor, "k 2"]]:
    """Pixels in i and in j of the keypoints that `nearest_keypoints` finds."""
    index_i, index_j, _ = nearest_keypoints(i, j)
    return i.pixels[index_i], j.pixels[index_j]


def keypoint_matches(
    views: Sequence[View],
    large_views: Iterable[View],
    keep: Sequence[Bool[np.ndarray, "_ _"]],
    pairs: Sequence[tuple[int, int]],
    *,
    progress: ProgressCallback | None = None,
) -> list[EpipolarMatches]:
    """Keypoint matches of the pairs in which enough of them agree.

    Args:
        large_views: The same photos as `views`, in the size to find keypoints in.
        keep: Per view the working pixels that take part.
        pairs: Indices; the order of the two does not matter.
        progress: Called with ("keypoints", done, total), photos first, then pairs.
    """
    unordered = sorted({(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]})
    total = len(views) + len(unordered)
    keypoints: list[Keypoints] = []
    agreed: list[EpipolarMatches] = []
    for done, (view, large, mask) in enumerate(zip(views, large_views, keep, strict=True)):
        if progress is not None:
            progress("keypoints", done, total)
        seen = find_keypoints(large.image)
        pixels = to_working(seen.pixels, large, view)
        inside = _inside(pixels, mask)
        keypoints.append(Keypoints(pixels[inside], seen.looks[inside]))
    for done, (i, j) in enumerate(unordered, len(views)):
        if progress is not None:
            progress("keypoints", done, total)
        index_i, index_j, scores = nearest_keypoints(keypoints[i], keypoints[j])
        matches = PairMatches(i, j, keypoints[i].pixels[index_i], keypoints[j].pixels[index_j], scores)
        found = _agreeing(matches, views)
        if found is not None:
            agreed.append(found)
    if progress is not None:
        progress("keypoints", total, total)
    return agreed


def agreeing_matches(
    matches: Sequence[PairMatches], views: Sequence[View], keep: Sequence[Bool[np.ndarray, "_ _"]]
) -> list[EpipolarMatches]:
    """What `keypoint_matches` gives, of the matches of any matcher (`pointmap.match.match_photos`).

    Args:
        matches: In pixels of `views`, exact to about a pixel of images of 1024.
        keep: Per view the working pixels that take part.
    """
    kept = (
        match.select(_inside(match.pixels_i, keep[match.view_i]) & _inside(match.pixels_j, keep[match.view_j]))
        for match in matches
    )
    return [found for match in kept if (found := _agreeing(match, views)) is not None]


def join_keypoints(
    matches: Sequence[PairMatches], keypoints: Sequence[EpipolarMatches], views: Sequence[View]
) -> list[PairMatches]:
    """The network's matches and those of keypoints; these alone where they show the others to be wrong in this set.

    Args:
        matches: Of the network, in working pixels; at most one entry for two views.
        keypoints: Of `keypoint_matches`.
    """
    network = {(match.view_i, match.view_j): match for match in matches}
    shares = []
    for found in keypoints:
        pair = (found.matches.view_i, found.matches.view_j)
        if pair in network and len(network[pair].weights):
            size = max(max(views[view].image.shape[:2]) for view in pair)
            shares.append(float(near_epipolar_lines(network[pair], found.fundamental, _NETWORK_ERROR * size).mean()))
    if len(shares) >= _LEAST_JUDGED and np.median(shares) < _LEAST_AGREEING:
        return [found.matches for found in keypoints]
    precise = {(found.matches.view_i, found.matches.view_j): found.matches for found in keypoints}
    return [
        match if pair not in precise else match.joined(precise.pop(pair)) for pair, match in network.items()
    ] + list(precise.values())


def near_epipolar_lines(
    matches: PairMatches, fundamental: Float[np.ndarray, "3 3"], max_error_px: float
) -> Bool[np.ndarray, "n"]:
    """Whether both ends of each match lie near each other's epipolar line, by the Sampson distance."""
    a, b = (
        np.pad(p.double().numpy(), ((0, 0), (0, 1)), constant_values=1) for p in (matches.pixels_i, matches.pixels_j)
    )
    lines_j, lines_i = a @ fundamental.T, b @ fundamental
    gradient = (lines_j[:, :2] ** 2).sum(1) + (lines_i[:, :2] ** 2).sum(1)
    return np.abs((b * lines_j).sum(1)) < max_error_px * np.sqrt(np.maximum(gradient, 1e-24))


def to_working(pixels: Float[Tensor, "n 2"], large: View, view: View) -> Float[Tensor, "n 2"]:
    """From pixels of one working image to those of another of the same photo."""
    return map_pixels(pixels, view.working_from_original @ np.linalg.inv(large.working_from_original))


def map_pixels(pixels: Float[Tensor, "n 2"], matrix: Float[np.ndarray, "3 3"]) -> Float[Tensor, "n 2"]:
    """Pixels of an image that is resized and cropped: (x, y, 1) times an affine 3x3."""
    affine = torch.from_numpy(np.asarray(matrix)).to(pixels)
    return pixels @ affine[:2, :2].mT + affine[:2, 2]


def _inside(pixels: Float[Tensor, "n 2"], keep: Bool[np.ndarray, "h w"]) -> Bool[Tensor, "n"]:
    """Whether they lie on pixels to keep."""
    height, width = keep.shape
    x, y = pixels.round().long().unbind(-1)
    inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    return inside & torch.from_numpy(keep)[y.clamp(0, height - 1), x.clamp(0, width - 1)]


def _agreeing(matches: PairMatches, views: Sequence[View]) -> EpipolarMatches | None:
    """Those on one epipolar geometry, all of the weight of keypoints; None if as many could agree by chance."""
    matches = replace(matches, weights=torch.full((len(matches.pixels_i),), WEIGHT))
    if len(matches.weights) < _LEAST:
        return None
    max_error_px = _ERROR * max(max(views[view].image.shape[:2]) for view in (matches.view_i, matches.view_j))
    found = fundamental(matches, max_error_px=max_error_px)
    if found is None:
        return None
    agreeing = torch.from_numpy(found.inliers)
    share = float(agreeing.float().mean())
    if agreeing.sum() < _LEAST or share - chance(matches, max_error_px, sample=7, solutions=3) < _ABOVE_CHANCE:
        return None
    return EpipolarMatches(matches.select(agreeing), found.matrix)
