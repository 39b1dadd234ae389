"""Which depths other photos' depths confirm."""

from collections.abc import Sequence

import torch
from torch import Tensor

from pointmap.geometry.cameras import pixel_grid, project_points
from pointmap.geometry.sampling import sample
from pointmap.geometry.transforms import invert_rigid, transform_points
from pointmap.shapes import Float, Int
from pointmap.stereo.projection import Projection
from pointmap.stereo.views import StereoView


def count_support(
    views: Sequence[StereoView],
    depths: Sequence[Float[Tensor, "h w"]],
    sources: Sequence[Sequence[int]],
    projections: Sequence[Sequence[Projection]],
    *,
    max_error_px: float = 1.0,
    max_difference: float = 0.05,
) -> list[Int[Tensor, "h w"]]:
    """For every pixel the number of its sources whose own depth says the same.

    The pixel is projected into the source by its depth, and back by the depth that the source has there.

    Args:
        projections: From every view into each of its sources.
        max_error_px: Between a pixel and where it returns to.
        max_difference: Between the two depths in the source, relative.
    """
    counts = []
    for view, depth, neighbours, there in zip(views, depths, sources, projections, strict=True):
        count = torch.zeros(view.shape, dtype=torch.int64, device=depth.device)
        grid = pixel_grid(*view.shape, device=depth.device)
        for j, projection in zip(neighbours, there, strict=True):
            u, v, z = projection.pixels(depth)
            # Nearest depth: between two surfaces there is none.
            found, inside = sample(depths[j], u, v, mode="nearest")
            back = _seen_in(view, views[j], u, v, found)
            agrees = inside & (z > 0) & (found > 0) & ((found - z).abs() < max_difference * z)
            count += agrees & ((back - grid).norm(dim=-1) < max_error_px) & (depth > 0)
        counts.append(count)
    return counts


def _seen_in(
    view: StereoView, source: StereoView, u: Float[Tensor, "h w"], v: Float[Tensor, "h w"], z: Float[Tensor, "h w"]
) -> Float[Tensor, "h w 2"]:
    """Pixels in the view of the points at depth z behind pixels of the source."""
    view_from_source = invert_rigid(view.world_from_cam) @ source.world_from_cam
    rays = torch.stack([u, v, torch.ones_like(u)], dim=-1) @ torch.linalg.inv(source.intrinsics).mT
    points = transform_points(view_from_source, (rays * z[..., None]).flatten(0, 1))
    return project_points(points, view.intrinsics).reshape(*u.shape, 2)
