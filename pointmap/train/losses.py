"""Losses of pointmap regression.

DUSt3R (Wang et al. 2024, arXiv 2312.14132) and MASt3R (Leroy et al. 2024, arXiv 2406.09756).

Small functions that compose; every one is per pixel or per pair, and `masked_mean` ends the chain:

    scale = normalisation_scale(points_i, points_j, valid_i, valid_j)
    error_i = regression_error(points_i / scale, target_i / target_scale, valid_i)
    loss_i = masked_mean(confidence_weighted(error_i, confidence_i), valid_i)

Points and targets are in the camera frame of `i`. A mask is True where a target exists. `pair_errors` chains the steps
for every published variant. Nothing here reads a value back from the device.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from pointmap.errors import InputError
from pointmap.geometry.cameras import camera_rays
from pointmap.shapes import Bool, Float

NormalisationMode = Literal["avg_dis", "avg_log1p", "sqrt_dis", "median_dis"]


def masked_mean(values: Float[Tensor, "*batch"], valid: Bool[Tensor, "*batch"]) -> Float[Tensor, ""]:
    """Mean over the valid entries of the whole batch; 0 (with zero gradient) where there are none."""
    return torch.where(valid, values, 0.0).sum() / valid.sum().clamp(min=1)


def regression_error(
    points: Float[Tensor, "*batch 3"], target: Float[Tensor, "*batch 3"], valid: Bool[Tensor, "*batch"]
) -> Float[Tensor, "*batch"]:
    """Distance of every point from its target, 0 where there is none (DUSt3R, eq. 2)."""
    difference = torch.where(valid[..., None], _full_precision(points) - _full_precision(target), 0.0)
    return difference.norm(dim=-1)


def confidence_weighted(
    error: Float[Tensor, "*#batch"], confidence: Float[Tensor, "*#batch"], alpha: float = 0.2
) -> Float[Tensor, "*batch"]:
    """Error times confidence, with a reward `alpha * log(confidence)` for daring (DUSt3R, eq. 4)."""
    confidence = _full_precision(confidence)
    return error * confidence - alpha * confidence.log()


def normalisation_scale(
    points_i: Float[Tensor, "b h1 w1 3"],
    points_j: Float[Tensor, "b h2 w2 3"],
    valid_i: Bool[Tensor, "b h1 w1"],
    valid_j: Bool[Tensor, "b h2 w2"],
    mode: NormalisationMode = "avg_dis",
) -> Float[Tensor, "b 1 1 1"]:
    """One number for each pair that says how far its points are from the camera of `i` (DUSt3R, eq. 3).

    Differentiable, except for the median. A pair without valid points has the scale 1e-8.

    Args:
        mode: "avg_dis" (mean distance d), "avg_log1p" (mean of log(1 + d)), "sqrt_dis" (squared mean of the root of d)
            or "median_dis".
    """
    valid = _joined(valid_i, valid_j)
    points = _joined(_full_precision(points_i), _full_precision(points_j))
    distance = torch.where(valid, points.norm(dim=-1), 0.0)
    if mode == "avg_dis":
        scale = _row_mean(distance, valid)
    elif mode == "avg_log1p":
        scale = _row_mean(distance.log1p(), valid)
    elif mode == "sqrt_dis":
        scale = _row_mean(distance.sqrt(), valid).square()
    elif mode == "median_dis":
        scale = _row_median(distance.detach(), valid)
    else:
        raise InputError(f"Unknown normalisation {mode!r}. Choose one of {', '.join(get_args(NormalisationMode))}.")
    return scale.clamp(min=1e-8)[:, None, None, None]


def compress_distances(points: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
    """Move every point along its ray to the distance log(1 + d), so that far points weigh less."""
    points = _full_precision(points)
    distance = points.norm(dim=-1, keepdim=True)
    return points * (distance.log1p() / distance.clamp(min=1e-8))


def median_depth(
    points_i: Float[Tensor, "b h1 w1 3"],
    points_j: Float[Tensor, "b h2 w2 3"],
    valid_i: Bool[Tensor, "b h1 w1"],
    valid_j: Bool[Tensor, "b h2 w2"],
) -> Float[Tensor, "b 1 1 3"]:
    """Offset (0, 0, median z) of each pair, without gradient; subtract it to ignore a shift in depth."""
    points = _joined(_full_precision(points_i), _full_precision(points_j)).detach()
    depth = _row_median(points[..., 2], _joined(valid_i, valid_j))
    return torch.nn.functional.pad(depth[:, None], (2, 0))[:, None, None]


def median_spread(
    points_i: Float[Tensor, "b h1 w1 3"],
    points_j: Float[Tensor, "b h2 w2 3"],
    valid_i: Bool[Tensor, "b h1 w1"],
    valid_j: Bool[Tensor, "b h2 w2"],
) -> Float[Tensor, "b 1 1 1"]:
    """Median distance of each pair's points from their per-axis median, without gradient."""
    points = _joined(_full_precision(points_i), _full_precision(points_j)).detach()
    valid = _joined(valid_i, valid_j)
    centre = _row_median(points, valid[..., None])
    spread = _row_median((points - centre[:, None]).norm(dim=-1), valid)
    return spread.clamp(min=1e-8)[:, None, None, None]


@dataclass(frozen=True)
class RegressionSettings:
    """How predictions and targets are made comparable. The defaults are those of DUSt3R's training."""

    normalise: NormalisationMode | None = "avg_dis"
    """Divide by this scale; None compares as it is."""

    keep_target_scale: bool = False
    """Leave the target in its own units (then the error has units too)."""

    compress_first: bool = False
    """Compress distances (`compress_distances`) before the normalisation."""

    compress_last: bool = False
    """Compress distances after the normalisation: MASt3R's error in log space."""

    shift_invariant: bool = False
    """Ignore a common shift along the optical axis."""

    scale_invariant: bool = False
    """Ignore a common scale, by the median spread."""

    max_metric_distance: float | None = None
    """Metric pairs with a valid target at least this far from the camera of `i` count as not metric."""


def pair_errors(
    points_i: Float[Tensor, "b h1 w1 3"],
    points_j: Float[Tensor, "b h2 w2 3"],
    target_i: Float[Tensor, "b h1 w1 3"],
    target_j: Float[Tensor, "b h2 w2 3"],
    valid_i: Bool[Tensor, "b h1 w1"],
    valid_j: Bool[Tensor, "b h2 w2"],
    settings: RegressionSettings = RegressionSettings(),
    metric: Bool[Tensor, "b"] | None = None,
) -> tuple[Float[Tensor, "b h1 w1"], Float[Tensor, "b h2 w2"]]:
    """Errors of both views of a pair, 0 where a target is missing.

    Args:
        metric: Pairs whose targets are in metres: there the prediction is divided by the scale of the target instead of
            its own, so that it has to find the scale (MASt3R, section 3.1). None: no pair is.
    """
    valids = valid_i, valid_j
    points, targets = (points_i, points_j), (target_i, target_j)
    if settings.compress_first:
        points, targets = _both(compress_distances, points), _both(compress_distances, targets)
    if settings.normalise is not None:
        metric = _really_metric(targets, valids, settings.max_metric_distance, metric)
        scale = normalisation_scale(*points, *valids, settings.normalise)
        target_scale = torch.ones_like(scale)
        if not settings.keep_target_scale:
            target_scale = normalisation_scale(*targets, *valids, settings.normalise)
        if metric is not None:
            scale = torch.where(metric[:, None, None, None], target_scale, scale)
        points, targets = _divided(points, scale), _divided(targets, target_scale)
    if settings.compress_last:
        points, targets = _both(compress_distances, points), _both(compress_distances, targets)
    if settings.shift_invariant:
        points = _shifted(points, median_depth(*points, *valids))
        targets = _shifted(targets, median_depth(*targets, *valids))
    if settings.scale_invariant:
        spread, target_spread = median_spread(*points, *valids), median_spread(*targets, *valids)
        if settings.keep_target_scale:
            points = _divided(points, spread / target_spread)
        else:
            points, targets = _divided(points, spread), _divided(targets, target_spread)
    return regression_error(points[0], targets[0], valid_i), regression_error(points[1], targets[1], valid_j)


def with_sky(
    error: Float[Tensor, "*batch"], valid: Bool[Tensor, "*batch"], sky: Bool[Tensor, "*batch"], sky_error: float = 2.0
) -> tuple[Float[Tensor, "*batch"], Bool[Tensor, "*batch"]]:
    """Give sky without a target a constant error, so that `confidence_weighted` learns to distrust it.

    Returns:
        The errors, and the mask of what now counts: targets and sky.
    """
    return torch.where(sky & ~valid, sky_error, error), valid | sky


def ray_loss(
    points: Float[Tensor, "b h w 3"], intrinsics: Float[Tensor, "b 3 3"], known: Bool[Tensor, "b h w"]
) -> Float[Tensor, ""]:
    """Mean distance between unit vectors to predicted points and the true lines of sight, in their own camera."""
    _, height, width, _ = points.shape
    rays = torch.nn.functional.normalize(camera_rays(height, width, intrinsics), dim=-1)
    length = points.float().norm(dim=-1, keepdim=True)
    return masked_mean((points.float() / length.clamp(min=1e-6) - rays).norm(dim=-1), known)


def depth_gradient_loss(
    depth: Float[Tensor, "b h w"], target: Float[Tensor, "b h w"], valid: Bool[Tensor, "b h w"], scales: int = 4
) -> Float[Tensor, ""]:
    """Differences of the error of log depth between pixels 1, 2, 4, ... apart (Ranftl et al. 2020, MiDaS, eq. 11).

    Blind to the scale of the depth, and sharp at its edges.
    """
    error = torch.where(valid, (depth.float().clamp(min=1e-3) / target.clamp(min=1e-3)).log(), 0.0)
    total = error.new_zeros(())
    for step in (2**k for k in range(scales)):
        for axis in (1, 2):
            length = error.shape[axis] - step
            ahead, here = error.narrow(axis, step, length), error.narrow(axis, 0, length)
            both = valid.narrow(axis, step, length) & valid.narrow(axis, 0, length)
            total = total + masked_mean((ahead - here).abs().clamp(max=2.0), both)
    return total / (2 * scales)


def normal_loss(
    points: Float[Tensor, "b h w 3"], target: Float[Tensor, "b h w 3"], valid: Bool[Tensor, "b h w"]
) -> Float[Tensor, ""]:
    """Mean of 1 - cos of the angle between predicted and true normals, from differences two pixels apart."""
    inner = valid[:, 1:-1, 1:-1] & valid[:, 2:, 1:-1] & valid[:, :-2, 1:-1] & valid[:, 1:-1, 2:] & valid[:, 1:-1, :-2]

    def normals(cloud: Tensor) -> Tensor:
        cloud = cloud.float()
        right, down = cloud[:, 1:-1, 2:] - cloud[:, 1:-1, :-2], cloud[:, 2:, 1:-1] - cloud[:, :-2, 1:-1]
        normal = torch.linalg.cross(right, down)
        return normal / normal.norm(dim=-1, keepdim=True).clamp(min=1e-12)

    return masked_mean(1 - (normals(points) * normals(target)).sum(dim=-1), inner)


def _full_precision(values: Tensor) -> Tensor:
    """At least float32: a bfloat16 network's loss is not computed in bfloat16."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _joined(values_i: Tensor, values_j: Tensor) -> Tensor:
    """Both views of each pair as one list of pixels: (b, h1 * w1 + h2 * w2, ...)."""
    return torch.cat((values_i.flatten(1, 2), values_j.flatten(1, 2)), dim=1)


def _row_mean(values: Tensor, valid: Tensor) -> Tensor:
    """Mean of each row of values that are 0 where not valid."""
    return values.sum(1) / valid.sum(1).clamp(min=1)


def _row_median(values: Tensor, valid: Tensor) -> Tensor:
    """Median (the lower of two middle values) over dimension 1, 0 where nothing is valid."""
    return values.masked_fill(~valid, torch.nan).nanmedian(dim=1).values.nan_to_num(nan=0.0)


def _really_metric(targets: tuple, valids: tuple, max_distance: float | None, metric: Tensor | None) -> Tensor | None:
    if metric is None or max_distance is None:
        return metric
    return metric & (torch.where(_joined(*valids), _joined(*targets).norm(dim=-1), 0.0).amax(dim=1) < max_distance)


def _both(function: Callable[[Tensor], Tensor], values: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return function(values[0]), function(values[1])


def _divided(points: tuple[Tensor, Tensor], scale: Tensor) -> tuple[Tensor, Tensor]:
    return points[0] / scale, points[1] / scale


def _shifted(points: tuple[Tensor, Tensor], offset: Tensor) -> tuple[Tensor, Tensor]:
    return points[0] - offset, points[1] - offset
