"""Layers that take their precision from their weights, so that half precision is a matter of converting those."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Linear(nn.Linear):
    """A linear layer; the input follows the weight's type."""

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input.to(self.weight.dtype), self.weight, self.bias)


class Conv2d(nn.Conv2d):
    """A convolution; the input follows the weight's type."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.to(self.weight.dtype))


class ConvTranspose2d(nn.ConvTranspose2d):
    """A transposed convolution; the input follows the weight's type."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        return super().forward(input.to(self.weight.dtype), output_size)


class LayerNorm(nn.LayerNorm):
    """Layer norm, in float32 whatever the network's precision: means of many rounded numbers would drift."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim, eps=1e-6)

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.float())


class Mlp(nn.Module):
    """Two linear layers with a GELU between."""

    def __init__(self, dim: int, *, hidden: int | None = None, out: int | None = None) -> None:
        super().__init__()
        self.fc1 = Linear(dim, hidden or 4 * dim)
        self.fc2 = Linear(hidden or 4 * dim, out or dim)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(tokens)))


CONVERTED = (Linear, Conv2d, ConvTranspose2d)
"""Layers whose weights are rounded in half precision; norms and everything small stay float32."""


def convert(module: nn.Module, dtype: torch.dtype) -> None:
    """Store the weights of all layers in `CONVERTED` as `dtype`."""
    for layer in module.modules():
        if isinstance(layer, CONVERTED):
            layer.to(dtype)
