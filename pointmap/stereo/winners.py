"""The best hypothesis of every pixel, finer than the steps between them, and how sure it is."""

import torch
from torch import Tensor

from pointmap.shapes import Float

_TEMPERATURE = 0.08
"""Difference of cost that makes a hypothesis e times less likely."""


def pick(
    aggregated: Float[Tensor, "n h w"], cost: Float[Tensor, "n h w"]
) -> tuple[Float[Tensor, "h w"], Float[Tensor, "h w"]]:
    """Place of the winner on the scale 0 .. n-1, and its confidence in [0, 1].

    Args:
        aggregated: Regularised cost, whose minimum wins, by a parabola through it and its neighbours.
        cost: As the photos have it. Confidence is the geometric mean of the correlation at the winner and of the
            probability that the curve leaves to it and its neighbours, beyond that of a flat curve.
    """
    count = len(cost)
    winner = aggregated.argmin(0, keepdim=True)
    inner = winner.clamp(1, count - 2)
    below, middle, above = (aggregated.gather(0, inner + shift)[0] for shift in (-1, 0, 1))
    curvature = below - 2 * middle + above
    offset = torch.where(curvature > 1e-6, (below - above) / (2 * curvature.clamp_min(1e-6)), 0.0).clamp(-0.5, 0.5)
    at_border = (winner != inner)[0]
    place = winner[0] + torch.where(at_border, 0.0, offset)

    likelihood = torch.exp((cost.amin(0) - cost) / _TEMPERATURE)
    near = sum(likelihood.gather(0, inner + shift)[0] for shift in (-1, 0, 1))
    flat = 3 / count
    distinct = (near / likelihood.sum(0) - flat) / (1 - flat)
    similar = 1 - cost.gather(0, winner)[0]
    confidence = (distinct.clamp(0, 1) * similar.clamp(0, 1)).sqrt()
    return place, torch.where(at_border, 0.0, confidence)
