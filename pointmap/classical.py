"""Pointmaps of pairs of photos without any network: matches, relative pose and two-view stereo.

What a network predicts at once is found here in steps: keypoints that agree on an essential matrix tell where the
second camera stood, and a plane sweep between the two photos gives every pixel its depth.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from pointmap.geometry.cameras import camera_rays, unproject_depth
from pointmap.geometry.focal import default_focal
from pointmap.geometry.matching import PairMatches
from pointmap.geometry.transforms import invert_rigid, rigid, transform_points
from pointmap.match import TwoView, search_focals, trust, verify
from pointmap.models import NetworkConfig
from pointmap.progress import ProgressCallback
from pointmap.scene import Group, View
from pointmap.shapes import Float
from pointmap.stereo import SWEEP, sweep_depths

CONFIG = NetworkConfig(image_size=320)
"""What the road asks of a network's config: the size of working images, and that there is no match read-out."""
_MATCH_ERROR = 1.5 / 1000
"""Matches further from their epipolar line than this part of the image's long side are outliers."""
_LEAST_PARALLAX_DEG = 1.0
"""Below it, two photos tell no depth."""
_OUTLYING = 0.02
"""Share of the points at either end of the range of depths that may be wrong."""
_MARGIN = 1.4
"""The range goes beyond the points by this factor: keypoints are not everywhere."""
_MOST_CONFIDENCE = 10.0
"""Above 1, of pixels that both photos and the cost curve are sure of."""
_SETTINGS = replace(SWEEP, coarsest=160, max_hypotheses=128)


def classical_groups(
    views: Sequence[View],
    pairs: Sequence[tuple[int, int]],
    matches: Sequence[PairMatches],
    *,
    intrinsics: Sequence[np.ndarray | None] | None = None,
    device: torch.device | str = "cpu",
    on_groups: Callable[[list[Group]], None] | None = None,
    progress: ProgressCallback | None = None,
) -> list[Group]:
    """Predict all pairs, as `pointmap.inference.predict_pairs` does, from what photos show alone.

    Args:
        pairs: Indices (i, j); the result for a pair is in the camera frame of i.
        matches: Of keypoints, in working pixels, at most one entry for two views (`match.keypoint_matches`).
        intrinsics: Known working K of each view, None where unknown: then the focal length is searched for that most
            matches agree with.
        device: Where stereo computes.
        on_groups: Called with the two groups of every pair of photos that agree, before `progress`.
        progress: Called with ("predict", done, total).

    Returns:
        One group of two views per pair, in order, on the CPU; the unit is the distance between its two cameras.
        Confidence is 1 where the two photos do not agree on a depth; everywhere in a pair whose matches tell no
        relative pose, or too little parallax: the aligner takes that for no evidence, and says so.
    """
    given = list(intrinsics) if intrinsics is not None else [None] * len(views)
    max_error_px = _MATCH_ERROR * max(max(view.image.shape[:2]) for view in views)
    start = np.stack(
        [_centred(view) if K is None else np.asarray(K, float) for view, K in zip(views, given, strict=True)]
    )
    known = np.array([K is not None for K in given])
    found_K = search_focals(matches, start, known, max_error_px=max_error_px) if matches else start
    matrices = torch.from_numpy(found_K).float()

    unordered = sorted({(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]})
    by_pair = {(min(m.view_i, m.view_j), max(m.view_i, m.view_j)): m for m in matches}
    groups: dict[tuple[int, int], Group] = {}
    if progress is not None:
        progress("predict", 0, len(unordered))
    for done, (i, j) in enumerate(unordered, 1):
        match = by_pair.get((i, j))
        if match is not None:
            match = match if match.view_i == i else match.swapped()
            pose = verify(match, found_K[i], found_K[j], max_error_px=max_error_px)
            if pose is not None and trust(pose) > 0 and pose.parallax_deg > _LEAST_PARALLAX_DEG:
                groups[i, j], groups[j, i] = _two_view_groups(views, (i, j), matrices[[i, j]], pose, device)
                if on_groups is not None:
                    on_groups([groups[i, j], groups[j, i]])
        if progress is not None:
            progress("predict", done, len(unordered))
    return [groups.get(pair) or _no_evidence(views, pair, matrices) for pair in pairs]


def _two_view_groups(
    views: Sequence[View],
    pair: tuple[int, int],
    intrinsics: Float[Tensor, "2 3 3"],
    pose: TwoView,
    device: torch.device | str,
) -> tuple[Group, Group]:
    """What two photos say of each other, in the frame of either."""
    j_from_i = rigid(torch.from_numpy(pose.rotation).float(), torch.from_numpy(pose.direction).float())
    poses = torch.stack([torch.eye(4), invert_rigid(j_from_i)])
    ranges = torch.tensor([_depth_range(depths) for depths in (pose.depths_i, pose.depths_j)])
    result = sweep_depths(
        [torch.tensor(views[view].image, device=device) for view in pair],
        intrinsics.to(device),
        poses.to(device),
        ranges,
        settings=_SETTINGS,
    )
    depths, sure = ([part.cpu() for part in parts] for parts in (result.depths, result.confidences))
    local = [unproject_depth(depth, K) for depth, K in zip(depths, intrinsics, strict=True)]
    confidences = [1 + _MOST_CONFIDENCE * trust(pose) * confidence for confidence in sure]
    in_i = [local[0], transform_points(invert_rigid(j_from_i), local[1].flatten(0, 1)).view_as(local[1])]
    in_j = [local[1], transform_points(j_from_i, local[0].flatten(0, 1)).view_as(local[0])]
    i, j = pair
    return Group((i, j), in_i, confidences), Group((j, i), in_j, confidences[::-1])


def _depth_range(depths: Float[np.ndarray, "n"]) -> tuple[float, float]:
    """Nearest and farthest depth to search, from those of matches; NaN where unknown."""
    seen = depths[np.isfinite(depths) & (depths > 0)]
    near, far = np.quantile(seen, [_OUTLYING, 1 - _OUTLYING])
    return float(near / _MARGIN), float(far * _MARGIN)


def _no_evidence(views: Sequence[View], pair: tuple[int, int], intrinsics: Float[Tensor, "views 3 3"]) -> Group:
    """Planes before both cameras, which nobody is to believe."""
    shapes = [(views[view].image.shape[0], views[view].image.shape[1]) for view in pair]
    points = [camera_rays(*shape, intrinsics[view]) for shape, view in zip(shapes, pair, strict=True)]
    return Group(pair, points, [torch.ones(shape) for shape in shapes])


def _centred(view: View) -> Float[np.ndarray, "3 3"]:
    """The intrinsics of a camera of which nothing is known."""
    height, width = view.image.shape[:2]
    focal = default_focal(height, width)
    return np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1.0]])
