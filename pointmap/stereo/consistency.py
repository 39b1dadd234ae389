"""Which depths other photos' depths confirm."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from pointmap.geometry.cameras import pixel_grid
from pointmap.shapes import Float, Int
from pointmap.stereo.views import StereoView


def count_support(
    views: Sequence[StereoView],
    depths: Sequence[Float[Tensor, "h w"]],
    confidences: Sequence[Float[Tensor, "h w"]],
    sources: Sequence[Sequence[int]],
    *,
    max_error_px: float = 1.0,
    max_difference: float = 0.05,
    min_confidence: float = 0.05,
) -> list[Int[Tensor, "h w"]]:
    """For every pixel the number of its sources whose own depth says the same.

    The pixel is projected into the source by its depth, and back by the depth that the source has there.

    Args:
        confidences: Pixels below `min_confidence` support nobody.
        max_error_px: Between a pixel and where it returns to.
        max_difference: Between the two depths in the source, relative.
    """
    counts = []
    for i, view in enumerate(views):
        count = torch.zeros(view.shape, dtype=torch.int64, device=view.grey.device)
        grid = pixel_grid(*view.shape, device=view.grey.device)
        for j in sources[i]:
            source = views[j]
            a, b = view.projection_into(source)
            homogeneous = depths[i][..., None] * a + b
            z = homogeneous[..., 2]
            pixel = homogeneous[..., :2] / z.clamp_min(1e-6)[..., None]
            there = torch.where(confidences[j] >= min_confidence, depths[j], 0.0)
            found = _sample(there, pixel)
            back_a, back_b = source.projection_into(view)
            rays = torch.cat([pixel, torch.ones_like(pixel[..., :1])], -1)
            # `a` is linear in the pixel: K_i R K_j^-1 (u, v, 1).
            linear = _linear_part(back_a, source)
            back = found[..., None] * (rays @ linear.mT) + back_b
            error = (back[..., :2] / back[..., 2:].clamp_min(1e-6) - grid).norm(dim=-1)
            agrees = (z > 0) & (found > 0) & (error < max_error_px) & ((found - z).abs() < max_difference * z)
            count += agrees & (depths[i] > 0)
        counts.append(count)
    return counts


def _linear_part(a: Float[Tensor, "h w 3"], view: StereoView) -> Float[Tensor, "3 3"]:
    """The matrix M with `a = M (u, v, 1)`."""
    origin = a[0, 0]
    return torch.stack([a[0, -1] - origin, a[-1, 0] - origin, origin], dim=1) / a.new_tensor(
        [max(view.shape[1] - 1, 1), max(view.shape[0] - 1, 1), 1]
    )


def _sample(depth: Float[Tensor, "hs ws"], pixel: Float[Tensor, "h w 2"]) -> Float[Tensor, "h w"]:
    """Nearest depth: between two surfaces there is none. 0 outside."""
    height, width = depth.shape
    grid = (pixel * 2 + 1) / pixel.new_tensor([width, height]) - 1
    return F.grid_sample(depth[None, None], grid[None], mode="nearest", align_corners=False)[0, 0]
