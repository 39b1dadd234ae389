"""How badly photos agree on depth hypotheses: zero-mean normalised cross-correlation over windows."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from pointmap.shapes import Float
from pointmap.stereo.views import StereoView

_NOISE = 0.015
"""Standard deviation of brightness, in [0, 1], that is no texture: windows with less correlate with nothing."""
_CHUNK = 8
"""Hypotheses in work at once; a few planes stay in the cache of a core."""


def matching_cost(
    view: StereoView,
    sources: Sequence[StereoView],
    depth: Float[Tensor, "h w"],
    factors: Float[Tensor, "n"],
    *,
    radius: int,
) -> Float[Tensor, "n h w"]:
    """Cost of every hypothesis `factors[k] * depth`, in [0, 2]: 0 same, 1 unlike or unknown.

    Of the sources that could see the point, the better half counts: what hides it from one may leave it to another.

    Args:
        depth: z-depth around which to search; 0 where there is none.
        radius: Windows have (2 radius + 1)^2 pixels. Each pixel of a window is moved by its own depth, so that windows
            follow the surface that `depth` has.
    """
    mean, spread = _window_statistics(view.grey, radius)
    projections = [view.projection_into(source) for source in sources]
    cost = []
    for start in range(0, len(factors), _CHUNK):
        hypotheses = factors[start : start + _CHUNK, None, None] * depth
        best: list[Tensor] = []
        seen = torch.zeros_like(hypotheses)
        for source, (a, b) in zip(sources, projections, strict=True):
            warped, inside = _warp(source.grey, hypotheses, a, b)
            score = _correlation(view.grey, mean, spread, warped, radius)
            _keep_best(best, torch.where(inside, score, -1.0), (len(sources) + 1) // 2)
            seen += inside
        cost.append(_mean_of_better_half(best, seen))
    return torch.cat(cost)


def _warp(
    grey: Float[Tensor, "hs ws"],
    depths: Float[Tensor, "n h w"],
    a: Float[Tensor, "h w 3"],
    b: Float[Tensor, "3"],
) -> tuple[Float[Tensor, "n h w"], Tensor]:
    """The source as it would look from the view if the depths were right, and where it does look there."""
    height, width = grey.shape
    x, y, z = (depths * a[..., axis] + b[axis] for axis in range(3))
    scale = 2 / z.clamp_min(1e-6)
    # grid_sample: -1 and 1 are the outer borders of the outermost pixels.
    grid = torch.empty(*depths.shape, 2, dtype=depths.dtype, device=depths.device)
    torch.mul(x, scale, out=x).add_(1).div_(width).sub_(1)
    torch.mul(y, scale, out=y).add_(1).div_(height).sub_(1)
    grid[..., 0], grid[..., 1] = x, y
    inside = (z > 0) & (x.abs() < 1) & (y.abs() < 1) & (depths > 0)
    warped = F.grid_sample(grey.expand(len(depths), 1, height, width), grid, padding_mode="border", align_corners=False)
    return warped[:, 0], inside


def _window_statistics(
    grey: Float[Tensor, "*batch h w"], radius: int
) -> tuple[Float[Tensor, "*batch h w"], Float[Tensor, "*batch h w"]]:
    """Mean and standard deviation of windows, the latter with noise added."""
    mean = box_mean(grey, radius)
    variance = box_mean(grey * grey, radius).addcmul_(mean, mean, value=-1)
    return mean, variance.clamp_min_(0).add_(_NOISE**2).sqrt_()


def _correlation(
    grey: Float[Tensor, "h w"],
    mean: Float[Tensor, "h w"],
    spread: Float[Tensor, "h w"],
    warped: Float[Tensor, "n h w"],
    radius: int,
) -> Float[Tensor, "n h w"]:
    warped_mean, warped_spread = _window_statistics(warped, radius)
    covariance = box_mean(grey * warped, radius).addcmul_(mean.expand_as(warped), warped_mean, value=-1)
    return covariance.div_(warped_spread).div_(spread)


def box_mean(values: Float[Tensor, "*batch h w"], radius: int) -> Float[Tensor, "*batch h w"]:
    """Mean over (2 radius + 1)^2 pixels; beyond the border the outermost pixels repeat."""
    height, width = values.shape[-2:]
    flat = values.reshape(-1, 1, height, width)
    padded = F.pad(flat, (radius,) * 4, mode="replicate")
    size = 2 * radius + 1
    rows = padded[..., :width].clone()
    for shift in range(1, size):
        rows += padded[..., shift : shift + width]
    total = rows[..., :height, :].clone()
    for shift in range(1, size):
        total += rows[..., shift : shift + height, :]
    return total.div_(size * size).view(values.shape)


def _keep_best(best: list[Tensor], score: Tensor, count: int) -> None:
    """Insert a map into the per-pixel descending list of the `count` largest."""
    for rank, held in enumerate(best):
        best[rank], score = torch.maximum(held, score), torch.minimum(held, score)
    if len(best) < count:
        best.append(score)


def _mean_of_better_half(best: list[Tensor], seen: Tensor) -> Tensor:
    total = best[0].clone()
    for rank, score in enumerate(best[1:], start=1):
        total += torch.where(seen > 2 * rank, score, 0.0)
    counted = ((seen + 1) / 2).floor().clamp_min(1)
    return torch.where(seen > 0, 1 - total / counted, 1.0)
