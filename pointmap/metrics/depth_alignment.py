"""How estimated depths are brought to true ones before they are compared.

| name | what is fitted | source |
| --- | --- | --- |
| `none` | nothing | |
| `median` | the ratio of both medians | `lmb-freiburg/robustmvd:rmvd/eval/multi_view_depth_evaluation.py` |
| `scale_ls` | a factor, least squares | closed form |
| `scale_l1` | a factor, least absolute deviations by 10 steps of re-weighting | `yyfz/Pi3@evaluation:utils/depth.py` |
| `scale_shift_l1` | factor and shift, least absolute deviations, exact | see `_scale_shift_l1` |
| `scale_shift_ls` | factor and shift, least squares | closed form |
| `disparity_ls` | factor and shift of inverse depths, least squares | Ranftl et al., PAMI 2020 |
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from pointmap.errors import InputError
from pointmap.shapes import Float

Alignment = Literal["none", "median", "scale_l1", "scale_ls", "scale_shift_l1", "scale_shift_ls", "disparity_ls"]

_CHUNK = 1 << 22
"""Pixels that are summed in float64 at a time: whole sequences stay in float32."""
_FEW = 200_000
"""Pixels of a fit that takes no time."""


@dataclass(frozen=True)
class DepthAlignment:
    """A map of depths."""

    scale: float = 1.0
    shift: float = 0.0
    inverse: bool = False
    """Factor and shift belong to inverse depths."""

    def apply(self, depth: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
        """Aligned depths; they may be negative after a shift. Inverse depths that are not positive give depth 0; NaN
        remains."""
        if not self.inverse:
            return self.scale * depth + self.shift
        disparity = self.scale / depth + self.shift
        return torch.where(disparity <= 0, 0.0, 1 / disparity)


def fit_depth_alignment(
    depth: Float[Tensor, "pixels"], true_depth: Float[Tensor, "pixels"], how: Alignment
) -> DepthAlignment:
    """The alignment of one map, or of all maps of a sequence that share it.

    Exact over all pixels, none are drawn: sums run in float64 over parts of the input, medians over all of it.

    Args:
        depth: Estimates, positive and finite.
        true_depth: Positive and finite. Without pixels the alignment is the identity.

    Raises:
        InputError: No such alignment.
    """
    if how not in get_args(Alignment):
        raise InputError(f"No alignment {how!r} of depths. There are: {', '.join(get_args(Alignment))}.")
    if how == "none" or not len(depth):
        return DepthAlignment()
    match how:
        case "median":
            return DepthAlignment(_median(true_depth) / _median(depth))
        case "scale_ls":
            return DepthAlignment(_scale(depth, true_depth, lambda p, g: torch.ones_like(p)))
        case "scale_l1":
            return DepthAlignment(_scale_l1(depth, true_depth))
        case "scale_shift_l1":
            return DepthAlignment(*_scale_shift_l1(depth, true_depth))
        case "scale_shift_ls":
            return DepthAlignment(*_line(depth, true_depth))
        case _:
            return DepthAlignment(*_line(1 / depth, 1 / true_depth), inverse=True)


def _scale(depth: Tensor, true_depth: Tensor, weights: Callable[[Tensor, Tensor], Tensor]) -> float:
    """The factor of weighted least squares."""
    above = below = 0.0
    for p, g in _parts(depth, true_depth):
        weighted = weights(p, g) * p
        above += (weighted @ g).item()
        below += (weighted @ p).item()
    return above / below


def _scale_l1(depth: Tensor, true_depth: Tensor) -> float:
    """Re-weighted least squares (Weiszfeld) as published: from the ratio of means, 10 steps, weights
    1 / (|residual| + 1e-8), at least 1e-3.

    Near the least sum of absolute deviations, which is at a weighted median of the ratios, but not at it: 10 steps need
    not be enough. Figures of the field are computed with 10.
    """
    scale = true_depth.double().mean().item() / depth.double().mean().item()
    for _ in range(10):
        current = scale
        scale = _scale(depth, true_depth, lambda p, g, s=current: 1 / ((s * p - g).abs() + 1e-8))  # type: ignore[misc]
    return max(scale, 1e-3)


def _scale_shift_l1(depth: Tensor, true_depth: Tensor) -> tuple[float, float]:
    """The least sum of |scale * depth + shift - true depth|, the scale to 1e-8 of itself (1e-6 of many pixels).

    For a given scale the best shift is the median of what remains, and the sum is convex in the scale: its slope's zero
    is looked for. The published evaluations run 1000 steps of Adam of 1e-4 instead, from the ratio of medians and shift
    0 (`yyfz/Pi3@evaluation:utils/depth.py`), which moves about 0.1 at most in either, whatever the data's unit: they
    stop before the minimum where it is far. The sum of deviations here is therefore the same or lower.
    """
    from scipy.optimize import brentq

    guess, step = _median(true_depth) / _median(depth), 1.0
    if len(depth) > 4 * _FEW:  # Nearly all of the way on few pixels.
        stride = len(depth) // _FEW
        guess, step = _scale_shift_l1(depth[::stride], true_depth[::stride])[0] or guess, 0.01
    near = far = guess
    tilt = far_tilt = _slope(guess, depth, true_depth)
    # Outwards until the slope changes its sign; a factor that wants to be negative may become so.
    way = step * abs(guess) * (-1.0 if tilt > 0 else 1.0)
    for _ in range(40):
        if far_tilt * tilt <= 0:
            break
        near, far, way = far, far + way, 2 * way
        far_tilt = _slope(far, depth, true_depth)
    scale = far
    if far_tilt * tilt < 0:
        tolerance = 1e-6 if len(depth) > _FEW else 1e-8
        scale = brentq(_slope, near, far, args=(depth, true_depth), xtol=tolerance * abs(guess))
    return scale, _median(_remains(scale, depth, true_depth))


def _slope(scale: float, depth: Tensor, true_depth: Tensor) -> float:
    """Of the least sum of absolute deviations that any shift gives, over the scale."""
    remains = _remains(scale, depth, true_depth)
    shift = _median(remains)
    signs = sides = at = count = 0.0
    for r, (p, _) in zip(remains.split(_CHUNK), _parts(depth, true_depth), strict=True):
        side = torch.sign(r - shift).double()
        on = side == 0
        sides, signs = sides + side.sum().item(), signs + (side @ p).item()
        at, count = at + p[on].sum().item(), count + on.sum().item()
    # Pixels on the line lean to either side; together they make the slope over the shift vanish.
    return -(signs - (sides / count * at if count else 0.0))


def _remains(scale: float, depth: Tensor, true_depth: Tensor) -> Tensor:
    """What a factor leaves for the shift."""
    dtype = torch.float32 if len(depth) > _FEW else torch.float64
    return torch.cat([(g - scale * p).to(dtype) for p, g in _parts(depth, true_depth)])


def _line(a: Tensor, b: Tensor) -> tuple[float, float]:
    """Factor and shift of least squares; where all `a` are equal, the shift is 0."""
    mean_a, mean_b = a.double().mean().item(), b.double().mean().item()
    mixed = square = 0.0
    for x, y in _parts(a, b):
        mixed += ((x - mean_a) @ (y - mean_b)).item()
        square += (x - mean_a).square().sum().item()
    if square <= 1e-14 * len(a) * mean_a**2:
        return mean_b / mean_a, 0.0
    return mixed / square, mean_b - mixed / square * mean_a


def _median(values: Tensor) -> float:
    """With an even number the mean of the middle two, as NumPy's."""
    return float(np.median(values.cpu().numpy()))


def _parts(depth: Tensor, true_depth: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    for p, g in zip(depth.split(_CHUNK), true_depth.split(_CHUNK), strict=True):
        yield p.double(), g.double()
