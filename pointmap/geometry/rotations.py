"""Rotations as vectors along their axis, as long as their angle in radians: the tangent space of SO(3)."""

import torch
from torch import Tensor

from pointmap.shapes import Float


def rotation_from_vector(vector: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Rodrigues' formula."""
    angle = torch.linalg.norm(vector, dim=-1)[..., None, None]
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3))
    # sinc in place of sin(angle) / angle: right at 0, too.
    half_sinc = torch.sinc(angle / (2 * torch.pi))
    identity = torch.eye(3, dtype=vector.dtype, device=vector.device)
    return identity + torch.sinc(angle / torch.pi) * cross + 0.5 * half_sinc.square() * (cross @ cross)


def vector_from_rotation(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3"]:
    """Inverse of `rotation_from_vector`, of at most half a turn; exact for small angles and near half a turn alike."""
    quaternion = quaternion_from_rotation(rotation)
    sine = torch.linalg.norm(quaternion[..., :3], dim=-1, keepdim=True)
    angle = 2 * torch.atan2(sine, quaternion[..., 3:])
    return quaternion[..., :3] * (angle / sine.clamp_min(torch.finfo(sine.dtype).tiny)).where(sine > 0, 2.0)


def quaternion_from_rotation(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 4"]:
    """Unit quaternion (x, y, z, w), w not negative."""
    diagonal = rotation.diagonal(dim1=-2, dim2=-1)
    trace = diagonal.sum(-1, keepdim=True)
    # Four times the products of the quaternion (x, y, z, w) with itself; the row of the largest entry has no
    # cancellation (Shepperd 1978).
    off = rotation + rotation.mT
    skew = torch.stack(
        [
            rotation[..., 2, 1] - rotation[..., 1, 2],
            rotation[..., 0, 2] - rotation[..., 2, 0],
            rotation[..., 1, 0] - rotation[..., 0, 1],
        ],
        dim=-1,
    )
    products = rotation.new_zeros(*rotation.shape[:-2], 4, 4)
    products[..., :3, :3] = off
    products[..., range(3), range(3)] = 1 + 2 * diagonal - trace
    products[..., :3, 3] = products[..., 3, :3] = skew
    products[..., 3:, 3] = 1 + trace
    largest = products.diagonal(dim1=-2, dim2=-1).argmax(-1)[..., None, None]
    row = products.gather(-2, largest.expand(*largest.shape[:-1], 4))[..., 0, :]
    quaternion = torch.nn.functional.normalize(row, dim=-1)
    return torch.where(quaternion[..., 3:] < 0, -quaternion, quaternion)
