"""Structure from motion on the keypoints of the engine, and its cameras among the network's."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from pointmap.alignment import Alignment
from pointmap.extras import is_installed
from pointmap.geometry.cameras import original_intrinsics, working_intrinsics
from pointmap.geometry.matching import PairMatches
from pointmap.geometry.similarity import align_cameras, move_cameras
from pointmap.match import EpipolarMatches, map_pixels
from pointmap.posing import Priors
from pointmap.progress import ProgressCallback
from pointmap.scene import View
from pointmap.sfm import SfmFailed, SfmModel, collect_matches, map_photos

_LEAST_PHOTOS = 3
"""Of two, structure from motion knows no more than their matches say anyway."""
_SECONDS, _SECONDS_PER_PHOTO = 30.0, 20.0
"""After which structure from motion is given up."""


def map_keypoints(
    alignment: Alignment,
    keypoints: Sequence[EpipolarMatches],
    views: Sequence[View],
    priors: Priors,
    *,
    seed: int,
    progress: ProgressCallback | None,
) -> tuple[SfmModel | None, str]:
    """The largest model of structure from motion on keypoints alone, or None and why there is none.

    Args:
        alignment: Cameras of the network, for its focal lengths; those of `priors` are kept.
        keypoints: In working pixels.
    """
    if not is_installed("pycolmap"):
        return None, "structure from motion needs pycolmap: pip install 'pointmap[colmap]'"
    if len(views) < _LEAST_PHOTOS:
        return None, f"structure from motion is asked from {_LEAST_PHOTOS} photos on"
    if any(pose is not None for pose in priors.world_from_cam):
        return None, "poses were given"
    pixels = [_in_original_pixels(found.matches, views) for found in keypoints]
    if not pixels:
        return None, "no two photos share keypoints"
    known = np.array([K is not None for K in priors.intrinsics])
    photos = collect_matches(
        pixels,
        np.array([view.original_size for view in views]),
        np.stack(
            [
                original_intrinsics(K, view.working_from_original)
                for K, view in zip(alignment.intrinsics, views, strict=True)
            ]
        ),
        # A focal length that is known has no company.
        cameras=np.where(known, len(views) + np.arange(len(views)), priors.cameras).tolist(),
        known=np.ones(len(views), bool),
        names=[view.name for view in views],
    )
    limit = _SECONDS + _SECONDS_PER_PHOTO * len(views)
    try:
        models = map_photos(photos, fixed=known, seed=seed, time_limit=limit, progress=progress)
    except SfmFailed as error:
        return None, f"structure from motion failed ({error})"
    if not models:
        return None, "structure from motion registered no photo"
    return models[0], ""


def as_priors(model: SfmModel, views: Sequence[View], priors: Priors) -> Priors:
    """The cameras that structure from motion registered, beside those that are known."""
    intrinsics, poses = list(priors.intrinsics), list(priors.world_from_cam)
    for index in np.flatnonzero(model.registered).tolist():
        poses[index] = model.world_from_cam[index]
        if intrinsics[index] is None:
            intrinsics[index] = working_intrinsics(model.intrinsics[index], views[index].working_from_original)
    return Priors(intrinsics, poses, priors.cameras)


def joined_with(model: SfmModel, alignment: Alignment, views: Sequence[View], priors: Priors) -> Priors:
    """As `as_priors`, and the network's cameras of all other photos, moved into the same frame."""
    joined = as_priors(model, views, priors)
    both = model.registered & alignment.registered
    if both.sum() < 2:
        return joined
    moves = align_cameras(
        torch.from_numpy(alignment.world_from_cam[both]), torch.from_numpy(model.world_from_cam[both])
    )
    moved = move_cameras(moves, torch.from_numpy(alignment.world_from_cam)).numpy()
    poses = list(joined.world_from_cam)
    for index in np.flatnonzero(alignment.registered & ~model.registered).tolist():
        poses[index] = moved[index]
    return Priors(joined.intrinsics, poses, priors.cameras)


def as_alignment(model: SfmModel, network: Alignment, views: Sequence[View], priors: Priors) -> Alignment:
    """The cameras of structure from motion alone, to be judged as others are."""
    intrinsics = network.intrinsics.copy()
    for index, K in enumerate(as_priors(model, views, priors).intrinsics):
        intrinsics[index] = intrinsics[index] if K is None else K
    poses = np.where(model.registered[:, None, None], model.world_from_cam, np.nan)
    return replace(network, world_from_cam=poses, registered=model.registered, intrinsics=intrinsics)


def _in_original_pixels(matches: PairMatches, views: Sequence[View]) -> PairMatches:
    pixels_i, pixels_j = (
        map_pixels(pixels.double(), np.linalg.inv(views[view].working_from_original))
        for view, pixels in ((matches.view_i, matches.pixels_i), (matches.view_j, matches.pixels_j))
    )
    return replace(matches, pixels_i=pixels_i, pixels_j=pixels_j)
