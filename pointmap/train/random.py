"""Random numbers from one seeded generator."""

import math

import torch
from torch import Tensor


class Random:
    """Draws tensors on one device; the same seed gives the same draws."""

    def __init__(self, seed: int, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.generator = torch.Generator(self.device).manual_seed(seed)

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(shape, generator=self.generator, device=self.device)

    def log_uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Halving and doubling are equally likely."""
        return self.uniform(math.log(low), math.log(high), *shape).exp()

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.generator, device=self.device)

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        return torch.randint(low, high, shape, generator=self.generator, device=self.device)

    def yaw(self, *shape: int) -> Tensor:
        """Rotations about the vertical axis."""
        angle = self.uniform(-math.pi, math.pi, *shape)
        return axis_rotation(1, angle)

    def rotation(self, *shape: int) -> Tensor:
        """Rotations, all equally likely (from uniform quaternions)."""
        quaternion = torch.nn.functional.normalize(self.normal(*shape, 4), dim=-1)
        w, x, y, z = quaternion.unbind(-1)
        rows = [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
        return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def axis_rotation(axis: int, angle_rad: Tensor) -> Tensor:
    """Rotation matrices about a coordinate axis."""
    matrix = torch.zeros(*angle_rad.shape, 3, 3, device=angle_rad.device)
    a, b = (axis + 1) % 3, (axis + 2) % 3
    matrix[..., axis, axis] = 1
    matrix[..., a, a] = matrix[..., b, b] = angle_rad.cos()
    matrix[..., b, a] = angle_rad.sin()
    matrix[..., a, b] = -angle_rad.sin()
    return matrix
