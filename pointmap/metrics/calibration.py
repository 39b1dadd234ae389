"""Whether confidences rank errors."""

import torch
from torch import Tensor

from pointmap.shapes import Float


def error_by_confidence(
    errors: Float[Tensor, "pixels"], confidences: Float[Tensor, "pixels"], groups: int = 10
) -> Float[Tensor, "groups"]:
    """Mean error of equally large groups of pixels, from the least to the most confident.

    A confidence is calibrated where these fall from each to the next: see `falls`.
    """
    parts = errors[confidences.argsort(stable=True)].double().tensor_split(groups)
    return torch.stack([part.mean() for part in parts])


def falls(values: Float[Tensor, "groups"]) -> bool:
    """Each value is below the one before it."""
    return bool((values.diff() < 0).all())
