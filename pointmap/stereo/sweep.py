"""Dense depth from a range alone, after structure from motion."""

from collections.abc import Sequence

import torch
from torch import Tensor

from pointmap.errors import InputError
from pointmap.progress import ProgressCallback
from pointmap.shapes import Float, Shaped
from pointmap.stereo.refine import StereoResult
from pointmap.stereo.search import SWEEP, Search, StereoSettings


def sweep_depths(
    images: Sequence[Shaped[Tensor, "_ _ 3"]],
    intrinsics: Float[Tensor, "views 3 3"],
    world_from_cam: Float[Tensor, "views 4 4"],
    depth_range: Float[Tensor, "views 2"] | tuple[float, float],
    *,
    settings: StereoSettings = SWEEP,
    progress: ProgressCallback | None = None,
) -> StereoResult:
    """Depth maps from photos with known cameras: planes through the whole range, then finer around what they show.

    Args:
        images: RGB, uint8 or floats in [0, 1]; sizes may differ.
        intrinsics: Pinhole K in pixels of the images.
        world_from_cam: NaN for a view that takes no part.
        depth_range: Nearest and farthest z-depth, of all views or of each.
        progress: Called with ("stereo", done, total).

    Returns:
        As from `refine_depths`. Where confidence is 0 the depth is a guess from around; views that take no part, or
        see nothing that another view sees, have depth 0.

    Raises:
        InputError: The range is not 0 < nearest < farthest, or the numbers of photos and cameras differ.
    """
    ranges = torch.as_tensor(depth_range, dtype=torch.float32).cpu().expand(len(images), 2)
    if not bool(((ranges[:, 0] > 0) & (ranges[:, 1] > ranges[:, 0]) & ranges.isfinite().all(1)).all()):
        raise InputError(f"Expected depth ranges with 0 < nearest < farthest, not {depth_range}.")
    if not len(images) == len(intrinsics) == len(world_from_cam):
        raise InputError(
            f"Stereo needs one camera per photo, but got {len(images)} photos, {len(intrinsics)} intrinsics "
            f"and {len(world_from_cam)} poses."
        )
    used = [index for index in range(len(images)) if bool(world_from_cam[index].isfinite().all())]
    middles = [2 / float((1 / ranges[index]).sum()) for index in used]
    search = Search(
        [images[index] for index in used],
        [intrinsics[index].float() for index in used],
        [world_from_cam[index].float() for index in used],
        [
            torch.full(images[index].shape[:2], middle, device=images[index].device)
            for index, middle in zip(used, middles, strict=True)
        ],
        [
            (float(ranges[index, 0]) / middle, float(ranges[index, 1]) / middle)
            for index, middle in zip(used, middles, strict=True)
        ],
        settings,
        progress,
    )
    states = dict(zip(used, search.run(), strict=True)) if used else {}
    compared = {index for index, sources in zip(used, search.sources, strict=False) if sources}
    result = StereoResult([], [], [])
    for index, image in enumerate(images):
        depth = torch.zeros(image.shape[:2], device=image.device)
        confidence, support = torch.zeros_like(depth), torch.zeros_like(depth, dtype=torch.int64)
        if index in compared:
            state = states[index]
            depth, confidence, support = state.depth, state.confidence, state.support
        result.depths.append(depth)
        result.confidences.append(confidence)
        result.support.append(support)
    return result
