"""Rigid and similarity transforms as 4x4 matrices named `b_from_a`."""

import numpy as np
import torch
from torch import Tensor

from pointmap.shapes import Float


def transform_points(
    b_from_a: Float[Tensor, "*#batch 4 4"], points_a: Float[Tensor, "*#batch n 3"]
) -> Float[Tensor, "*batch n 3"]:
    """Express points known in frame `a` in frame `b`."""
    linear, offset = b_from_a[..., :3, :3], b_from_a[..., :3, 3]
    return points_a @ linear.mT + offset[..., None, :]


def invert_rigid(b_from_a: Float[Tensor, "*batch 4 4"]) -> Float[Tensor, "*batch 4 4"]:
    """Invert a rotation and translation without a matrix inversion."""
    rotation, offset = b_from_a[..., :3, :3], b_from_a[..., :3, 3:]
    return rigid(rotation.mT, (-rotation.mT @ offset)[..., 0])


def rigid(
    rotation: Float[Tensor, "*#batch 3 3"], translation: Float[Tensor, "*#batch 3"]
) -> Float[Tensor, "*batch 4 4"]:
    """Assemble a 4x4 transform from its rotation (or any linear part) and translation."""
    # Not torch's own function: its first call imports a compiler, which takes seconds.
    batch = np.broadcast_shapes(rotation.shape[:-2], translation.shape[:-1])
    matrix = torch.zeros(*batch, 4, 4, dtype=rotation.dtype, device=rotation.device)
    matrix[..., :3, :3] = rotation
    matrix[..., :3, 3] = translation
    matrix[..., 3, 3] = 1.0
    return matrix
