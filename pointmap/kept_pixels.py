"""What masks leave of predictions and matches."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from pointmap.geometry.matching import PairMatches
from pointmap.scene import Group
from pointmap.shapes import Bool


def masked_group(group: Group, keep: Sequence[Bool[np.ndarray, "_ _"]]) -> Group:
    """The group with confidence 1, which weighs nothing, where pixels are not kept.

    Args:
        keep: Per view the working pixels that take part.
    """
    confidences = [
        torch.where(torch.from_numpy(keep[view]), torch.as_tensor(confidence), 1.0)
        for view, confidence in zip(group.views, group.confidences, strict=True)
    ]
    return replace(group, confidences=confidences)


def masked_matches(match: PairMatches, keep: Sequence[Bool[np.ndarray, "_ _"]]) -> PairMatches:
    """The matches whose both ends are kept."""
    inside = torch.ones(len(match.weights), dtype=torch.bool)
    for view, pixels in ((match.view_i, match.pixels_i), (match.view_j, match.pixels_j)):
        height, width = keep[view].shape
        x, y = pixels.round().long().unbind(-1)
        inside &= torch.from_numpy(keep[view])[y.clamp(0, height - 1), x.clamp(0, width - 1)]
    return match.select(inside)
