"""How badly photos agree on depth hypotheses: zero-mean normalised cross-correlation over windows."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from pointmap.geometry.sampling import sample
from pointmap.shapes import Bool, Float
from pointmap.stereo.projection import Projection
from pointmap.stereo.views import StereoView

_CHUNK = 8
"""Hypotheses in work at once; a few planes stay in the cache of a core."""


def matching_cost(
    view: StereoView,
    sources: Sequence[StereoView],
    projections: Sequence[Projection],
    depth: Float[Tensor, "h w"],
    factors: Float[Tensor, "n"],
    *,
    radius: int,
    noise: float,
) -> Float[Tensor, "n h w"]:
    """Cost of every hypothesis `factors[k] * depth`, in [0, 2]: 0 same, 1 unlike or unknown.

    Of the sources that could see the point, the better half counts: what hides it from one may leave it to another.

    Args:
        projections: From the view into each source.
        depth: z-depth around which to search; 0 where there is none.
        radius: Windows have (2 radius + 1)^2 pixels. Each pixel of a window is moved by its own depth, so that windows
            follow the surface that `depth` has.
        noise: Standard deviation of brightness, in [0, 1], that is no texture.
    """
    cost = []
    for start in range(0, len(factors), _CHUNK):
        hypotheses = factors[start : start + _CHUNK, None, None] * depth
        best: list[Tensor] = []
        seen = torch.zeros_like(hypotheses)
        for source, projection in zip(sources, projections, strict=True):
            u, v, z = projection.pixels(hypotheses)
            score, inside = correlation(view, source, u, v, radius=radius, noise=noise)
            inside &= (z > 0) & (depth > 0)
            _keep_best(best, torch.where(inside, score, -1.0), (len(sources) + 1) // 2)
            seen += inside
        cost.append(_mean_of_better_half(best, seen))
    return torch.cat(cost)


def correlation(
    view: StereoView,
    source: StereoView,
    u: Float[Tensor, "n h w"],
    v: Float[Tensor, "n h w"],
    *,
    radius: int,
    noise: float,
) -> tuple[Float[Tensor, "n h w"], Bool[Tensor, "n h w"]]:
    """Correlation in [-1, 1] of windows of the view with the source at pixels (u, v), and where these are inside."""
    warped, inside = sample(source.grey, u, v)
    mean, spread = _window_statistics(view.grey, radius, noise)
    warped_mean, warped_spread = _window_statistics(warped, radius, noise)
    covariance = box_mean(view.grey * warped, radius).addcmul_(mean.expand_as(warped), warped_mean, value=-1)
    return covariance.div_(warped_spread).div_(spread), inside


def _window_statistics(
    grey: Float[Tensor, "*batch h w"], radius: int, noise: float
) -> tuple[Float[Tensor, "*batch h w"], Float[Tensor, "*batch h w"]]:
    """Mean and standard deviation of windows, the latter with noise added."""
    mean = box_mean(grey, radius)
    variance = box_mean(grey * grey, radius).addcmul_(mean, mean, value=-1)
    return mean, variance.clamp_min_(0).add_(noise**2).sqrt_()


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
