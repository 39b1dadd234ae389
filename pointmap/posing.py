"""From predictions and matches to cameras and depths: where the aligner and the matches meet."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log
from typing import Any, Literal

import numpy as np
import torch

from pointmap.alignment import Alignment, align
from pointmap.alignment.anchoring import anchor_depths
from pointmap.alignment.bundle import adjust
from pointmap.geometry.focal import default_focal, estimate_focal
from pointmap.geometry.matching import PairMatches
from pointmap.match import correct_groups, search_focals, trust, verify
from pointmap.progress import ProgressCallback
from pointmap.scene import Group

_MATCH_ERROR = 1.5 / 320
"""Matches further than this part of the image's long side from where they should be are outliers."""
_FOCAL_SIGMA = 0.02
"""Of log focal lengths in bundle adjustment. Thousands of matches err together: where the motion does not tell the
focal length (two photos side by side), a looser tie lets their errors choose it."""
_MOST_FOCAL_CHANGE = 1.4
"""Bundle adjustment that changes a focal length by a larger factor has run away; it is done again, keeping them all."""
_PIXELS_PER_VIEW = 1000
"""Of the alignments before and after bundle adjustment: the matches determine the cameras, pointmaps only the rest."""


@dataclass(frozen=True)
class Priors:
    """What is known before, per view."""

    intrinsics: Sequence[np.ndarray | None]
    """Working K."""
    world_from_cam: Sequence[np.ndarray | None]
    cameras: Sequence[int]
    """Views with one number share their focal length where it is not known."""


def pose_views(
    groups: Sequence[Group],
    matches: Sequence[PairMatches],
    shapes: Sequence[tuple[int, int]],
    priors: Priors,
    *,
    refine: Literal["align", "none"] = "align",
    seed: int = 0,
    progress: ProgressCallback | None = None,
) -> Alignment:
    """Align all groups; with matches, on the relative poses that those tell.

    Args:
        matches: In working pixels; empty for a network that has none.
        shapes: (height, width) of every working image.
    """
    settings: dict[str, Any] = {
        "num_views": len(shapes),
        "shapes": shapes,
        "refine": refine,
        "intrinsics": priors.intrinsics,
        "world_from_cam": priors.world_from_cam,
        "shared_focal": priors.cameras,
        "seed": seed,
        "progress": progress,
    }
    if not matches:
        return align(groups, **settings)
    known = np.array([K is not None for K in priors.intrinsics])
    max_error_px = _MATCH_ERROR * max(max(shape) for shape in shapes)
    intrinsics = search_focals(matches, _implied(groups, shapes, priors), known, max_error_px=max_error_px)
    poses = [
        verify(match, intrinsics[match.view_i], intrinsics[match.view_j], max_error_px=max_error_px)
        for match in matches
    ]
    groups = correct_groups(groups, matches, poses, intrinsics)
    settings["pixels_per_view"] = _PIXELS_PER_VIEW
    alignment = align(groups, **settings)
    verified = [match for match, pose in zip(matches, poses, strict=True) if trust(pose) > 0]
    directed = [part for match in verified for part in match.directed()]
    start = torch.from_numpy(alignment.intrinsics)
    unknowns: dict[str, Any] = {
        "intrinsics": start,
        "world_from_cam": torch.from_numpy(alignment.world_from_cam),
        "depths": [torch.from_numpy(depth) for depth in alignment.depths],
        "registered": torch.from_numpy(alignment.registered),
        "fixed_poses": torch.tensor([pose is not None for pose in priors.world_from_cam]),
        "fixed_focals": torch.from_numpy(known),
        "cameras": torch.tensor(list(priors.cameras)),
        "noise_px": max_error_px,
        "focal_sigma": _FOCAL_SIGMA,
        "progress": progress,
    }
    adjusted = adjust(directed, **unknowns)
    changes = (adjusted.intrinsics[:, 0, 0] / start[:, 0, 0]).log().abs()[adjusted.took_part]
    if bool((changes > log(_MOST_FOCAL_CHANGE)).any()):
        adjusted = adjust(directed, **unknowns | {"fixed_focals": torch.ones_like(unknowns["fixed_focals"])})
    if not bool(adjusted.took_part.any()):
        return alignment
    # The depths once more, for the cameras as they are now, and through the points that these determine.
    known_poses, known_intrinsics = list(priors.world_from_cam), list(priors.intrinsics)
    for view in adjusted.took_part.nonzero()[:, 0].tolist():
        known_poses[view] = adjusted.world_from_cam[view].numpy()
        known_intrinsics[view] = adjusted.intrinsics[view].numpy()
    settings |= {"world_from_cam": known_poses, "intrinsics": known_intrinsics}
    alignment = align(groups, **settings)
    depths = [torch.from_numpy(depth) for depth in alignment.depths]
    anchored = anchor_depths(depths, directed, adjusted, noise_px=max_error_px)
    return replace(alignment, depths=[depth.numpy() for depth in anchored])


def _implied(groups: Sequence[Group], shapes: Sequence[tuple[int, int]], priors: Priors) -> np.ndarray:
    """K of every view: as known, or with the median focal length that the pointmaps of its camera's views imply."""
    implied: dict[int, list[float]] = {}
    for group in groups:
        view = group.views[0]
        height, width = shapes[view]
        focal = estimate_focal(torch.as_tensor(group.points[0]).float(), torch.tensor([width - 1, height - 1]) / 2)
        if bool(focal.isfinite()):
            implied.setdefault(priors.cameras[view], []).append(float(focal))
    matrices = []
    for known, camera, (height, width) in zip(priors.intrinsics, priors.cameras, shapes, strict=True):
        typical = float(np.median(implied[camera])) if camera in implied else default_focal(height, width)
        guess = np.array([[typical, 0, (width - 1) / 2], [0, typical, (height - 1) / 2], [0, 0, 1]])
        matrices.append(guess if known is None else np.asarray(known))
    return np.stack(matrices)
