"""Losses of matching: MASt3R (Leroy et al. 2024, arXiv 2406.09756, section 3.2).

    similarity = descriptor_similarity(at_pixels(descriptors_i, pixels_i), at_pixels(descriptors_j, pixels_j))
    cost = match_cost(similarity, temperature=0.05)
    loss = masked_mean(cost, matched)

Row k of the samples of both views is one correspondence where `matched` says so; everywhere else it is a pair of pixels
that only serve as negatives. Pixels are (x, y).
"""

import math
from typing import Literal, get_args

import torch
from torch import Tensor

from pointmap.errors import InputError
from pointmap.shapes import Bool, Float, Int
from pointmap.train.losses import confidence_weighted, masked_mean

MatchCost = Literal["proper", "dual", "all"]

# A match that the network finds less likely than this has no gradient: it is more often wrong than informative.
LEAST_PROBABILITY = 1e-8


def at_pixels(maps: Float[Tensor, "b h w d"], pixels: Int[Tensor, "b n 2"]) -> Float[Tensor, "b n d"]:
    """Values of per-pixel maps at integer pixels (x, y)."""
    flat = pixels[..., 1] * maps.shape[2] + pixels[..., 0]
    return maps.flatten(1, 2).gather(1, flat[..., None].expand(-1, -1, maps.shape[-1]))


def descriptor_similarity(
    descriptors_i: Float[Tensor, "b n d"], descriptors_j: Float[Tensor, "b m d"]
) -> Float[Tensor, "b n m"]:
    """Dot products, in float32 also under autocast: at temperature 0.05, bfloat16 would round the logits by 0.1."""
    with torch.autocast(descriptors_i.device.type, enabled=False):
        return descriptors_i.float() @ descriptors_j.float().mT


def point_similarity(points_i: Float[Tensor, "b n 3"], points_j: Float[Tensor, "b m 3"]) -> Float[Tensor, "b n m"]:
    """1 / (1 + distance) of points in one frame, to train pointmaps by matching."""
    # Differences rather than the product formula of cdist, which loses small distances to rounding.
    distance = (points_i[:, :, None].float() - points_j[:, None].float()).norm(dim=-1)
    return 1 / (1 + distance)


def match_cost(
    similarity: Float[Tensor, "b n n"], temperature: float = 0.07, mode: MatchCost = "proper"
) -> Float[Tensor, "b n"]:
    """InfoNCE: minus the log-probability that sample k of one view belongs to sample k of the other (MASt3R, eq. 10).

    Args:
        mode: "proper" (sum of the costs of finding j from i among all samples, and i from j), "dual" (likewise, but the
            product of both probabilities is bounded, not each), or "all" (one probability over all n * n combinations).
    """
    logits = similarity / temperature
    positive = logits.diagonal(dim1=1, dim2=2)
    floor = math.log(LEAST_PROBABILITY)
    if mode == "all":
        return -(positive - logits.logsumexp(dim=(1, 2))[:, None]).clamp(min=floor)
    j_from_i = positive - logits.logsumexp(dim=2)
    i_from_j = positive - logits.logsumexp(dim=1)
    if mode == "proper":
        return -j_from_i.clamp(min=floor) - i_from_j.clamp(min=floor)
    if mode == "dual":
        return -(j_from_i + i_from_j).clamp(min=floor)
    raise InputError(f"Unknown matching cost {mode!r}. Choose one of {', '.join(get_args(MatchCost))}.")


def confident_matching_loss(
    cost: Float[Tensor, "b n"],
    confidence_i: Float[Tensor, "b n"],
    confidence_j: Float[Tensor, "b n"],
    matched: Bool[Tensor, "b n"],
    alpha: float = 10.0,
    combine: Literal["mean", "product"] = "mean",
    unmatched_quantile: float | None = None,
) -> Float[Tensor, ""]:
    """Matching loss weighted by the confidence of the descriptors, like `confidence_weighted` for points.

    Args:
        cost: From `match_cost`.
        combine: How the confidences of both ends make that of the match.
        unmatched_quantile: If given, pixels without a match learn a low confidence: each counts as if its cost were
            this quantile of the costs of the matches.
    """
    if combine not in ("mean", "product"):
        raise InputError(f"Unknown way to combine confidences {combine!r}. Choose 'mean' or 'product'.")
    confidence = (confidence_i + confidence_j) / 2 if combine == "mean" else confidence_i * confidence_j
    loss = masked_mean(confidence_weighted(cost, confidence, alpha), matched)
    if unmatched_quantile is not None:
        typical = cost.detach().masked_fill(~matched, torch.nan).nanquantile(unmatched_quantile).nan_to_num(nan=0.0)
        both = torch.stack((confidence_i, confidence_j))
        loss = loss + masked_mean(confidence_weighted(typical, both, alpha), (~matched).expand_as(both))
    return loss
