"""Stereo depth where it is sure, elsewhere the initial depth corrected as its surroundings are."""

import torch
import torch.nn.functional as F
from torch import Tensor

from pointmap.shapes import Float

_DATA = 0.7
"""Weight of a sure stereo depth against the tie between two neighbouring pixels."""
_COLOR_EDGE, _DEPTH_EDGE = 0.05, 0.05
"""Difference of colour (in [0, 1]) or log depth between neighbours that halves their tie."""
_LEAST_TIE = 0.02
_ROUGHNESS = 0.02
"""Steps of the log factor between neighbours above this cost less than their square: edges stay."""
_PRIOR = 1e-5
"""Weight of the mean over the photo, for pixels that are tied to nothing."""


def blend(
    depth: Float[Tensor, "h w"],
    stereo: Float[Tensor, "h w"],
    weight: Float[Tensor, "h w"],
    color: Float[Tensor, "3 h w"],
    start: Float[Tensor, "h w"] | None = None,
    *,
    rounds: int = 2,
    iterations: int = 30,
) -> Float[Tensor, "h w"]:
    """Logarithm of the factor on the initial depth that fits the stereo depths and changes little elsewhere.

    It solves a weighted least-squares problem, with ties between neighbouring pixels that
    edges of colour and of the initial depth loosen; reweighted so that its own edges may stay sharp.

    Args:
        depth: Initial z-depth, positive.
        weight: How far a stereo depth is trusted, 0 to 1.
        start: Where to start from.
    """
    log_depth = depth.log()
    target = torch.where(weight > 0, stereo.clamp_min(1e-12).log() - log_depth, 0.0)
    weight = _DATA * weight
    factor = fill(target, weight) if start is None else start
    ties = [_cut(log_depth, color, axis) for axis in (0, 1)]
    middle = (target * weight).sum() / weight.sum().clamp_min(1e-12)
    right = weight * target + _PRIOR * middle
    for _ in range(rounds):
        now = [tie / (1 + (factor.diff(dim=axis) / _ROUGHNESS).square()) ** 0.5 for axis, tie in enumerate(ties)]
        factor = _solve(weight + _PRIOR, now, right, factor, iterations)
    return factor


def fill(values: Float[Tensor, "h w"], weight: Float[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    """Weighted means of larger and larger surroundings, where there is little or no weight."""
    if min(values.shape) < 4:
        return (values * weight).sum().expand_as(values) / weight.sum().clamp_min(1e-12)
    shape = ((values.shape[0] + 1) // 2, (values.shape[1] + 1) // 2)
    parts = F.adaptive_avg_pool2d(torch.stack([values * weight, weight])[None], shape)[0]
    coarse = fill(parts[0] / parts[1].clamp_min(1e-12), parts[1].clamp_max(1.0))
    around = F.interpolate(coarse[None, None], values.shape, mode="bilinear", align_corners=False)[0, 0]
    share = weight / (weight + 0.05)
    return share * values + (1 - share) * around


def _cut(log_depth: Float[Tensor, "h w"], color: Float[Tensor, "3 h w"], axis: int) -> Tensor:
    step = log_depth.diff(dim=axis) / _DEPTH_EDGE
    change = color.diff(dim=axis + 1).abs().mean(0) / _COLOR_EDGE
    return (1 / (1 + step.square() + change.square())).clamp_min(_LEAST_TIE)


def _solve(data: Tensor, ties: list[Tensor], right: Tensor, start: Tensor, iterations: int) -> Tensor:
    """Conjugate gradients, preconditioned by the diagonal."""
    down, across = ties
    diagonal = data.clone()
    diagonal[1:] += down
    diagonal[:-1] += down
    diagonal[:, 1:] += across
    diagonal[:, :-1] += across

    def apply(x: Tensor) -> Tensor:
        y = data * x
        flow = down * x.diff(dim=0)
        y[1:] += flow
        y[:-1] -= flow
        flow = across * x.diff(dim=1)
        y[:, 1:] += flow
        y[:, :-1] -= flow
        return y

    x = start
    residual = right - apply(x)
    scaled = residual / diagonal
    direction = scaled
    power = (residual * scaled).sum()
    for _ in range(iterations):
        if float(power) < 1e-12:
            break
        image = apply(direction)
        length = power / (direction * image).sum().clamp_min(1e-30)
        x = x + length * direction
        residual = residual - length * image
        scaled = residual / diagonal
        new = (residual * scaled).sum()
        direction = scaled + new / power * direction
        power = new
    return x
