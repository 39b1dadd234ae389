"""Dense depth from a range alone, after structure from motion."""

from collections.abc import Sequence

import torch
from torch import Tensor

from pointmap.errors import InputError
from pointmap.progress import ProgressCallback
from pointmap.shapes import Float, Shaped
from pointmap.stereo.blending import fill
from pointmap.stereo.matching_cost import matching_cost
from pointmap.stereo.projection import Projection
from pointmap.stereo.refine import StereoResult, StereoSettings, refine_depths
from pointmap.stereo.semiglobal import aggregate
from pointmap.stereo.sources import choose_sources
from pointmap.stereo.views import StereoView, make_view, pyramid_shapes
from pointmap.stereo.winners import pick

_MIN_PLANES, _MAX_PLANES = 16, 160


def sweep_depths(
    images: Sequence[Shaped[Tensor, "_ _ 3"]],
    intrinsics: Float[Tensor, "views 3 3"],
    world_from_cam: Float[Tensor, "views 4 4"],
    depth_range: Float[Tensor, "views 2"] | tuple[float, float],
    *,
    settings: StereoSettings | None = None,
    progress: ProgressCallback | None = None,
) -> StereoResult:
    """Depth maps from photos with known cameras: planes through the whole range, then as `refine_depths`.

    Args:
        images: RGB, uint8 or floats in [0, 1]; sizes may differ.
        intrinsics: Pinhole K in pixels of the images.
        world_from_cam: NaN for a view that takes no part.
        depth_range: Nearest and farthest z-depth, of all views or of each.
        progress: Called with ("stereo", done, total).

    Returns:
        As from `refine_depths`. Where confidence is 0 the depth is a guess from around; views that take no part have
        depth 0.

    Raises:
        InputError: The range is not 0 < nearest < farthest, or the numbers of photos and cameras differ.
    """
    settings = settings or StereoSettings()
    ranges = torch.as_tensor(depth_range, dtype=torch.float32).cpu().expand(len(images), 2)
    if not bool(((ranges[:, 0] > 0) & (ranges[:, 1] > ranges[:, 0]) & ranges.isfinite().all(1)).all()):
        raise InputError(f"Expected depth ranges with 0 < nearest < farthest, not {depth_range}.")
    if not len(images) == len(intrinsics) == len(world_from_cam):
        raise InputError(
            f"Stereo needs one camera per photo, but got {len(images)} photos, {len(intrinsics)} intrinsics "
            f"and {len(world_from_cam)} poses."
        )
    used = [index for index in range(len(images)) if bool(world_from_cam[index].isfinite().all())]
    views = []
    for index in used:
        shape = pyramid_shapes((images[index].shape[0], images[index].shape[1]), settings.coarsest)[0]
        views.append(make_view(images[index], intrinsics[index].float(), world_from_cam[index].float(), shape))
    middles = [2 / (1 / ranges[index]).sum().item() for index in used]
    flat = [torch.full_like(view.grey, middle) for view, middle in zip(views, middles, strict=True)]
    sources = choose_sources(views, flat, settings.max_sources)
    depths = [torch.zeros(view.shape[:2], device=view.device) for view in images]
    for index, view, partners in zip(used, views, sources, strict=True):
        if partners:
            depths[index] = _sweep(view, [views[j] for j in partners], ranges[index].tolist(), settings.radius)
    return refine_depths(images, intrinsics, world_from_cam, depths, settings=settings, progress=progress)


def _sweep(view: StereoView, sources: list[StereoView], depth_range: list[float], radius: int) -> Float[Tensor, "h w"]:
    """A complete coarse depth map."""
    near, far = depth_range
    projections = [Projection.between(view, source) for source in sources]
    nearest = torch.full_like(view.grey, near)
    ends = [projection.pixels(nearest * factor) for projection in projections for factor in (1.0, far / near)]
    moved = [torch.hypot(a[0] - b[0], a[1] - b[1]) for a, b in zip(ends[::2], ends[1::2], strict=True)]
    longest = float(torch.stack(moved).amax(0).flatten().quantile(0.75))
    count = int(min(max(longest, _MIN_PLANES), _MAX_PLANES))
    # Evenly in inverse depth, so that each plane moves the other photo about as far.
    inverse = torch.linspace(1 / near, 1 / far, count).to(view.grey)
    cost = matching_cost(view, sources, projections, nearest, 1 / (inverse * near), radius=radius)
    place, confidence = pick(aggregate(cost, view.color), cost)
    found = 1 / (1 / near + place * (1 / far - 1 / near) / (count - 1))
    return fill(found.log(), confidence).exp()
