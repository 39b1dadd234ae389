"""sRGB and light: colours are averaged, and exposures differ by factors, only in what is proportional to light."""

import numpy as np
import torch
from torch import Tensor

from pointmap.shapes import Float, UInt8


def linear_from_srgb(colors: UInt8[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
    """Light, 0 to 1 in float32, of bytes in sRGB (IEC 61966-2-1)."""
    encoded = np.arange(256) / 255
    table = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    return table.astype(np.float32)[colors]


def srgb_from_linear(light: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """sRGB in 0 to 1 of light; more than 1 for more light than white's."""
    light = light.clamp(min=0)
    return torch.where(light <= 0.0031308, 12.92 * light, 1.055 * light.clamp(min=1e-6) ** (1 / 2.4) - 0.055)
