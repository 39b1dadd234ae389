"""From predictions and matches to cameras and depths: where the aligner and the matches meet."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import log
from typing import Any, Literal

import numpy as np
import torch

from pointmap.alignment import Alignment, align
from pointmap.alignment.anchoring import anchor_depths
from pointmap.alignment.bundle import Adjusted, adjust
from pointmap.geometry.focal import default_focal, estimate_focal
from pointmap.geometry.matching import PairMatches
from pointmap.match import correct_groups, search_focals, trust, verify
from pointmap.priors import KnownDistance
from pointmap.progress import ProgressCallback, repeating
from pointmap.scene import Group

_MATCH_ERROR = 1.5 / 320
"""Matches further than this part of the image's long side from where they should be are outliers."""
_FOCAL_SIGMA = 0.02
"""Of log focal lengths in bundle adjustment. Thousands of matches err together: where the motion does not tell the
focal length (two photos side by side), a looser tie lets their errors choose it."""
_MOST_FOCAL_CHANGE = 1.4
"""Bundle adjustment that changes a focal length by a larger factor has run away; it is done again, keeping them all."""
_LEAST_EXACT = 60
"""Where a photo has so many exact matches (keypoints), they alone settle its camera."""
_EXACT_ERROR = 1 / 3
"""Of the error that other matches may have."""
_EXACT_FOCAL_SIGMA = 0.1
_PIXELS_PER_VIEW = 250
"""Of the alignments before and after bundle adjustment: the matches determine the cameras, pointmaps only the rest."""


@dataclass(frozen=True, eq=False)
class Posed:
    """Cameras and depths, and which views tell each other where they are."""

    alignment: Alignment
    ties: dict[tuple[int, int], float]
    """Views whose matches agree on a relative pose by more than chance, and how much this is trusted, in (0, 1]."""


@dataclass(frozen=True)
class Priors:
    """What is known before, per view."""

    intrinsics: Sequence[np.ndarray | None]
    """Working K."""
    world_from_cam: Sequence[np.ndarray | None]
    cameras: Sequence[int]
    """Views with one number share their focal length where it is not known."""


@dataclass(frozen=True, eq=False)
class Beside:
    """What is known beside exact cameras, per view of the working images, as `align` takes it."""

    intrinsics: Sequence[Any]
    """Soft ones."""
    world_from_cam: Sequence[Any]
    """Soft ones."""
    depths: Sequence[Any]
    gravity: Sequence[Any]
    distances: Sequence[KnownDistance] = field(default_factory=list)


def pose_views(
    groups: Sequence[Group],
    matches: Sequence[PairMatches],
    shapes: Sequence[tuple[int, int]],
    priors: Priors,
    *,
    start: Priors | None = None,
    beside: Beside | None = None,
    refine: Literal["align", "none"] = "align",
    seed: int = 0,
    progress: ProgressCallback | None = None,
) -> Posed:
    """Align all groups; with matches, on the relative poses that those tell.

    Args:
        matches: In working pixels; empty for a network that has none.
        shapes: (height, width) of every working image.
        priors: What is known, and kept.
        start: Cameras to begin with, from elsewhere, beside those that are known; kept until bundle adjustment.
        beside: What else is known. Bundle adjustment does not look at that: `to_known_world` once more afterwards.
    """
    first = start or priors
    settings: dict[str, Any] = {
        "num_views": len(shapes),
        "shapes": shapes,
        "refine": refine,
        "intrinsics": first.intrinsics,
        "world_from_cam": first.world_from_cam,
        "shared_focal": priors.cameras,
        "seed": seed,
        "progress": progress,
    }
    if beside is not None:
        settings |= {"depths": beside.depths, "gravity": beside.gravity, "distances": beside.distances}
        settings["world_from_cam"] = _or(first.world_from_cam, beside.world_from_cam)
    if not matches:
        if beside is not None:
            settings["intrinsics"] = _or(_or(priors.intrinsics, beside.intrinsics), first.intrinsics)
        return Posed(align(groups, **settings), {})
    known = np.array([K is not None for K in priors.intrinsics])
    told = np.array([K is not None for K in first.intrinsics])
    max_error_px = _MATCH_ERROR * max(max(shape) for shape in shapes)
    wait = repeating(progress, "align")
    implied = _implied(groups, shapes, first)
    intrinsics = search_focals(matches, implied, told, max_error_px=max_error_px, on_trial=wait)
    poses = []
    for match in matches:
        wait()
        poses.append(verify(match, intrinsics[match.view_i], intrinsics[match.view_j], max_error_px=max_error_px))
    groups = correct_groups(groups, matches, poses, intrinsics)
    settings["pixels_per_view"] = _PIXELS_PER_VIEW
    alignment = align(groups, **settings)
    ties = {
        (match.view_i, match.view_j): sure
        for match, pose in zip(matches, poses, strict=True)
        if (sure := trust(pose)) > 0
    }
    verified = [match for match in matches if (match.view_i, match.view_j) in ties]
    directed = [part for match in verified for part in match.directed()]
    unknowns: dict[str, Any] = {
        "intrinsics": torch.from_numpy(alignment.intrinsics),
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
    adjusted = _without_runaway(directed, unknowns)
    adjusted = _sharpened(adjusted, directed, unknowns)
    if not bool(adjusted.took_part.any()):
        return Posed(alignment, ties)
    # The depths once more, for the cameras as they are now, and through the points that these determine.
    known_poses, known_intrinsics = list(priors.world_from_cam), list(first.intrinsics)
    if beside is not None:
        known_poses = _or(known_poses, beside.world_from_cam)
    for view in adjusted.took_part.nonzero()[:, 0].tolist():
        known_poses[view] = adjusted.world_from_cam[view].numpy()
        known_intrinsics[view] = adjusted.intrinsics[view].numpy()
    settings |= {"world_from_cam": known_poses, "intrinsics": known_intrinsics}
    alignment = align(groups, **settings)
    depths = [torch.from_numpy(depth) for depth in alignment.depths]
    anchored = anchor_depths(depths, directed, adjusted, noise_px=max_error_px)
    return Posed(replace(alignment, depths=[depth.numpy() for depth in anchored]), ties)


def _or(first: Sequence[Any], second: Sequence[Any]) -> list[Any]:
    """The first where known, else the second."""
    return [b if a is None else a for a, b in zip(first, second, strict=True)]


def _without_runaway(matches: Sequence[PairMatches], unknowns: dict[str, Any]) -> Adjusted:
    """Bundle adjustment; where that runs away with a focal length, without them."""
    adjusted = adjust(matches, **unknowns)
    changes = (adjusted.intrinsics[:, 0, 0] / unknowns["intrinsics"][:, 0, 0]).log().abs()[adjusted.took_part]
    if bool((changes > log(_MOST_FOCAL_CHANGE)).any()):
        return adjust(matches, **unknowns | {"fixed_focals": torch.ones_like(unknowns["fixed_focals"])})
    return adjusted


def _sharpened(adjusted: Adjusted, matches: Sequence[PairMatches], unknowns: dict[str, Any]) -> Adjusted:
    """Cameras adjusted to exact matches alone, where photos have enough of them; the points of all matches for these.

    The others are more by far, err alike within a photo, and so pull cameras from where a few exact ones hold them.
    """
    exact = [match.exact() for match in matches]
    number = torch.zeros(len(adjusted.intrinsics), dtype=torch.int64)
    for match in exact:
        number[match.view_i] += len(match.weights)
    sharp = adjusted.took_part & (number >= _LEAST_EXACT)
    if int(sharp.sum()) < 2:
        return adjusted
    scaled = [depth * float(scale) for depth, scale in zip(unknowns["depths"], adjusted.depth_scales, strict=True)]
    cameras = unknowns | {
        "intrinsics": adjusted.intrinsics,
        "world_from_cam": adjusted.world_from_cam,
        "depths": scaled,
    }
    held = ~sharp if bool((~sharp).any()) else unknowns["fixed_poses"]
    exactly = cameras | {
        "fixed_poses": unknowns["fixed_poses"] | held,
        "noise_px": _EXACT_ERROR * unknowns["noise_px"],
        "focal_sigma": _EXACT_FOCAL_SIGMA,
    }
    refined = _without_runaway(exact, exactly)
    everywhere = torch.ones_like(sharp)
    points = adjust(
        matches,
        **cameras
        | {
            "intrinsics": refined.intrinsics,
            "world_from_cam": refined.world_from_cam,
            "fixed_poses": everywhere,
            "fixed_focals": everywhere,
        },
    )
    return replace(points, took_part=adjusted.took_part)


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
