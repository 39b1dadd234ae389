"""Depth maps of an alignment, refined by what the photos agree on: where stereo meets the rest of the road."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import torch

from pointmap.alignment import Alignment
from pointmap.geometry.cameras import original_intrinsics, pixel_grid, working_intrinsics
from pointmap.geometry.sampling import sample
from pointmap.geometry.visibility import contradicted_points
from pointmap.progress import ProgressCallback, repeating
from pointmap.scene import Scene, View
from pointmap.stereo import refine_depths

STEREO_SIZE = 320
"""Long side of the photos that stereo compares, in pixels."""
_LEAST_PHOTOS = 3
_LEAST_SIZE = 160
_SURE = 0.1
"""Stereo confidence above which a pixel is confirmed."""
_IN_FRONT = 0.05
"""How far in front of a confirmed surface a pixel must be, as a share of its depth, to be contradicted."""
_CONFIRMED = 2.0
"""By how many times its height above 1 the confidence grows where stereo is sure."""


def is_worthwhile(alignment: Alignment, views: Sequence[View]) -> bool:
    """Whether to take stereo without being asked: for three registered photos or more, none very small.

    Two photos beside one another do not tell the focal length, and stereo follows a wrong one more faithfully than a
    network does.
    """
    large_enough = all(max(view.original_size) >= _LEAST_SIZE for view in views)
    return large_enough and int(alignment.registered.sum()) >= _LEAST_PHOTOS


def densify(
    alignment: Alignment,
    views: Sequence[View],
    large: Sequence[View],
    *,
    device: torch.device | str = "cpu",
    progress: ProgressCallback | None = None,
) -> Alignment:
    """Refine the depth maps of registered views by stereo.

    What hangs in front of a surface that stereo confirms elsewhere gets the confidence of "no idea", 1.

    Args:
        views: Those that were aligned.
        large: The same photos in the size to compare.
        device: Where to compute.
    """
    small_K = [
        original_intrinsics(K, view.working_from_original) for K, view in zip(alignment.intrinsics, views, strict=True)
    ]
    intrinsics = [working_intrinsics(K, view.working_from_original) for K, view in zip(small_K, large, strict=True)]
    initial = [
        _enlarged(torch.from_numpy(depth), view, to)
        for depth, view, to in zip(alignment.depths, views, large, strict=True)
    ]
    poses = np.where(alignment.registered[:, None, None], alignment.world_from_cam, np.nan)
    result = refine_depths(
        [torch.tensor(view.image, device=device) for view in large],
        torch.from_numpy(np.stack(intrinsics)).float().to(device),
        torch.from_numpy(poses).float().to(device),
        [depth.to(device) for depth in initial],
        progress=progress,
    )
    depths, sure = [], []
    for index, (view, there) in enumerate(zip(views, large, strict=True)):
        before = alignment.depths[index]
        found = _resampled(result.depths[index].cpu(), there, view, "nearest").numpy()
        seen = bool(alignment.registered[index]) & (before > 0) & (found > 0)
        depths.append(np.where(seen, found, before).astype(before.dtype))
        confirmed = _resampled(result.confidences[index].cpu(), there, view, "nearest").numpy()
        sure.append(np.where(seen, confirmed, 0))
    refined = replace(alignment, depths=depths)
    confidences = [
        np.where(floating, 1, 1 + (confidence - 1) * (1 + _CONFIRMED * confirmed)).astype(confidence.dtype)
        for confidence, confirmed, floating in zip(
            alignment.confidences, sure, contradicted(refined, sure, progress=progress), strict=True
        )
    ]
    return replace(refined, confidences=confidences)


def contradicted(
    alignment: Alignment | Scene, sure: Sequence[np.ndarray], *, progress: ProgressCallback | None = None
) -> list[np.ndarray]:
    """True at pixels that nothing confirms and that hang in front of a surface that stereo confirms in another photo.

    Args:
        sure: Stereo confidence of every depth map.
    """
    floating = [np.zeros(depth.shape, bool) for depth in alignment.depths]
    registered = np.flatnonzero(alignment.registered).tolist()
    K = alignment.working_intrinsics if isinstance(alignment, Scene) else alignment.intrinsics
    matrices = torch.from_numpy(K[registered]).float()
    poses = torch.from_numpy(alignment.world_from_cam[registered]).float()
    depths = [torch.from_numpy(alignment.depths[index]).float() for index in registered]
    ranks = [torch.from_numpy((sure[index] > _SURE) + 1.0).float() for index in registered]
    for index, wrong in zip(
        registered,
        contradicted_points(
            depths, ranks, matrices, poses, tolerance=_IN_FRONT, on_view=repeating(progress, "stereo", 1, 1)
        ),
        strict=True,
    ):
        floating[index] = wrong.numpy()
    return floating


def _enlarged(depth: torch.Tensor, view: View, to: View) -> torch.Tensor:
    """The depth map on the pixels of another working image, 0 where most of what is around is unknown."""
    known = depth > 0  # False for NaN
    share = _resampled(known, view, to, "bilinear")
    total = _resampled(torch.where(known, depth, 0), view, to, "bilinear")
    return torch.where(share > 0.5, total / share.clamp_min(0.5), 0.0)


def _resampled(values: torch.Tensor, view: View, to: View, mode: Literal["bilinear", "nearest"]) -> torch.Tensor:
    """A map of one working image on the pixels of another one of the same photo; the border's values beyond it."""
    from_to = torch.from_numpy(view.working_from_original @ np.linalg.inv(to.working_from_original)).float()
    grid = pixel_grid(*to.image.shape[:2])
    u, v = (grid[..., axis] * from_to[axis, axis] + from_to[axis, 2] for axis in (0, 1))
    return sample(values.float(), u, v, mode=mode)[0]
