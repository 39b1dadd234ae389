"""Depth maps of an alignment, refined by what the photos agree on: where stereo meets the rest of the road."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from pointmap.alignment import Alignment
from pointmap.geometry.cameras import original_intrinsics, pixel_grid, working_intrinsics
from pointmap.geometry.sampling import sample
from pointmap.progress import ProgressCallback
from pointmap.scene import View
from pointmap.stereo import refine_depths

STEREO_SIZE = 320
"""Long side of the photos that stereo compares, in pixels."""
LEAST_PHOTOS = 3
"""Two photos beside one another do not tell the focal length, and stereo follows a wrong one more faithfully than a
network does: without being asked, it is left to sets with more."""
_CONFIRMED = 2.0
"""By how many times its height above 1 the confidence grows where stereo is sure."""


def densify(
    alignment: Alignment,
    views: Sequence[View],
    large: Sequence[View],
    *,
    device: torch.device | str = "cpu",
    progress: ProgressCallback | None = None,
) -> Alignment:
    """Refine the depth maps of registered views by stereo.

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
        _resampled(torch.from_numpy(depth), view, to, "bilinear")
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
    depths, confidences = [], []
    for index, (view, there) in enumerate(zip(views, large, strict=True)):
        before = alignment.depths[index]
        found = _resampled(result.depths[index].cpu(), there, view, "nearest").numpy()
        sure = _resampled(result.confidences[index].cpu(), there, view, "nearest").numpy()
        seen = bool(alignment.registered[index]) & (before > 0) & (found > 0)
        depths.append(np.where(seen, found, before).astype(before.dtype))
        confidence = alignment.confidences[index]
        grown = 1 + (confidence - 1) * (1 + _CONFIRMED * sure)
        confidences.append(np.where(seen, grown, confidence).astype(confidence.dtype))
    return replace(alignment, depths=depths, confidences=confidences)


def _resampled(values: torch.Tensor, view: View, to: View, mode: str) -> torch.Tensor:
    """A map of one working image on the pixels of another one of the same photo; the border's values beyond it."""
    from_to = torch.from_numpy(view.working_from_original @ np.linalg.inv(to.working_from_original)).float()
    grid = pixel_grid(*to.image.shape[:2])
    u, v = (grid[..., axis] * from_to[axis, axis] + from_to[axis, 2] for axis in (0, 1))
    return sample(values.float(), u, v, mode=mode)[0]
