"""Semi-global matching: hypotheses of neighbouring pixels should agree (Hirschmueller, PAMI 2008)."""

import torch
from torch import Tensor

from pointmap.shapes import Float

_DIRECTIONS = ((0, 1), (0, -1), (1, 0), (-1, 0))


def aggregate(
    cost: Float[Tensor, "n h w"],
    color: Float[Tensor, "3 h w"],
    *,
    small_step: float,
    jump: float,
    edge: float = 0.06,
) -> Float[Tensor, "n h w"]:
    """Sum over four directions of the least cost of paths that end in a pixel's hypothesis.

    Args:
        small_step: Penalty of a neighbour one hypothesis away.
        jump: Of a neighbour further away, where the photo has no edge.
        edge: Difference of colour between neighbours, in [0, 1], that halves `jump`.
    """
    total = torch.zeros_like(cost)
    for axis in (1, 2):
        # Scan lines first, hypotheses last: what one step reads lies together.
        lines = cost.movedim(axis, 0).movedim(1, -1).contiguous()
        difference = color.diff(dim=axis).abs().mean(0).movedim(axis - 1, 0)
        penalty = (jump / (1 + difference / edge)).clamp_min(small_step)[..., None]
        forward = _scan(lines, penalty, small_step)
        backward = _scan(lines.flip(0), penalty.flip(0), small_step).flip(0)
        total += (forward + backward).movedim(-1, 1).movedim(0, axis)
    return total


def _scan(lines: Float[Tensor, "length m n"], jumps: Float[Tensor, "length-1 m 1"], small_step: float) -> Tensor:
    result = lines.clone()
    for line in range(1, len(lines)):
        before = result[line - 1]
        least = before.amin(-1, keepdim=True)
        reached = torch.minimum(before, least + jumps[line - 1])
        near = before + small_step
        torch.minimum(reached[:, 1:], near[:, :-1], out=reached[:, 1:])
        torch.minimum(reached[:, :-1], near[:, 1:], out=reached[:, :-1])
        result[line] += reached.sub_(least)
    return result
