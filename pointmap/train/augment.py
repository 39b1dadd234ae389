"""What cameras do to light: exposure, white balance, contrast, blur and noise, drawn anew for every photo."""

import torch.nn.functional as F
from torch import Tensor

from pointmap.shapes import Float, UInt8
from pointmap.train.random import Random


def augment(images: UInt8[Tensor, "n h w 3"], random: Random) -> Float[Tensor, "n 3 h w"]:
    """Photos in [-1, 1] as the network takes them."""
    count = len(images)
    pixels = images.permute(0, 3, 1, 2).float() / 255
    blur = random.uniform(0, 0.5, count, 1, 1, 1)
    soft = F.avg_pool2d(F.pad(pixels, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    pixels = pixels + blur * (soft - pixels)
    gain = 1 + 0.12 * random.normal(count, 1, 1, 1) + 0.04 * random.normal(count, 3, 1, 1)
    gamma = (0.2 * random.normal(count, 1, 1, 1)).exp()
    pixels = (pixels * gain).clamp(1e-3, 1) ** gamma
    grey = pixels.mean(dim=1, keepdim=True)
    pixels = grey + (pixels - grey) * random.uniform(0.0, 1.2, count, 1, 1, 1).sqrt()
    middle = pixels.mean(dim=(1, 2, 3), keepdim=True)
    pixels = middle + (pixels - middle) * random.uniform(0.7, 1.2, count, 1, 1, 1)
    noise = random.normal(*pixels.shape) * random.uniform(0, 0.03, count, 1, 1, 1)
    return (pixels + noise).clamp(0, 1) * 2 - 1


def plain(images: UInt8[Tensor, "n h w 3"]) -> Float[Tensor, "n 3 h w"]:
    """The same without any change, for validation."""
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1
