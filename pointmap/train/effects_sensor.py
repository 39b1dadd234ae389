"""What sensors and their software do to a picture: noise, exposure, colours, sharpening, compression.

Every function takes photos in [0, 1] and one strength per photo. Results are not clipped unless it says so.
"""

import functools
import math

import torch
import torch.nn.functional as F
from torch import Tensor

from pointmap.shapes import Float
from pointmap.train.random import Random

Photos = Float[Tensor, "n 3 h w"]
PerPhoto = Float[Tensor, "n"]


def _each(values: Tensor) -> Tensor:
    return values[:, None, None, None]


def add_noise(images: Photos, shot: PerPhoto, read: PerPhoto, smear: PerPhoto, random: Random) -> Photos:
    """Noise of variance shot^2 * brightness + read^2, as photons and electronics make it.

    Args:
        shot: Standard deviation that photons give to white.
        read: Standard deviation in the dark.
        smear: Share of its neighbours' noise that a pixel takes over, as demosaicing does; the variance stays.
    """
    white, share = random.normal(*images.shape), _each(smear)
    for axis in (2, 3):
        white = white.addcmul(share, white.roll(1, axis))
    deviation = (_each(read) ** 2).addcmul(_each(shot) ** 2, images.clamp(min=0)).sqrt_()
    return images.addcmul(white, deviation.div_(1 + share * share))


def expose(images: Photos, stops: PerPhoto) -> Photos:
    """More or less light: a stop is a factor 2, before the gamma of 2.2 that photos are stored with. Clips at 1."""
    return (images * _each(2 ** (stops / 2.2))).clamp(max=1)


def colour_matrix(warmth: PerPhoto, tint: PerPhoto, saturation: PerPhoto, hue_rad: PerPhoto) -> Float[Tensor, "n 3 3"]:
    """Maps of RGB: white balance, then hue, then saturation.

    Args:
        warmth: Red is multiplied by 1 + warmth, blue by 1 - warmth.
        tint: Green is multiplied by 1 + tint.
        saturation: 0 makes grey, 1 changes nothing.
        hue_rad: Rotation about the axis of greys.
    """
    count, device = len(warmth), warmth.device
    balance = torch.diag_embed(torch.stack([1 + warmth, 1 + tint, 1 - warmth], dim=-1))
    mean = torch.full((3, 3), 1 / 3, device=device)
    # Rodrigues' formula about (1, 1, 1) / sqrt(3).
    skew = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]], device=device) / math.sqrt(3)
    cosine, sine = hue_rad.cos()[:, None, None], hue_rad.sin()[:, None, None]
    eye = torch.eye(3, device=device).expand(count, 3, 3)
    turn = mean + cosine * (eye - mean) + sine * skew
    return (mean + saturation[:, None, None] * (eye - mean)) @ turn @ balance


def recolour(images: Photos, matrix: Float[Tensor, "n 3 3"]) -> Photos:
    return (matrix @ images.flatten(2)).view_as(images)


def curve(images: Photos, exponent: PerPhoto, contrast: PerPhoto) -> Photos:
    """Tone curve: a gamma, then contrast about the photo's mean. Clips at 0."""
    bent = images.clamp(min=1e-4) ** _each(exponent)
    mean = bent.mean(dim=(1, 2, 3), keepdim=True)
    return (mean + (bent - mean) * _each(contrast)).clamp(min=0)


def sharpen(images: Photos, amount: PerPhoto) -> Photos:
    """Unsharp masking: edges overshoot, with halos of one pixel."""
    return images.addcmul(_each(amount), images - _mean3(images))


def soften(images: Photos, amount: PerPhoto) -> Photos:
    """Scaled down to half and up again: 0 not at all, 1 entirely."""
    height, width = images.shape[-2:]
    small = F.avg_pool2d(images, 2, ceil_mode=True)
    large = F.interpolate(small, scale_factor=2, mode="bilinear", align_corners=False)[..., :height, :width]
    return images.lerp(large, _each(amount))


def _mean3(images: Tensor) -> Tensor:
    return F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), 3, stride=1)


def compress(images: Photos, quality: PerPhoto) -> Photos:
    """What JPEG leaves of a photo (ITU T.81): quantised DCT of 8 x 8 blocks, colours at half the resolution.

    Args:
        quality: 1..100, on the scale of libjpeg.
    """
    height, width = images.shape[-2:]
    padded = F.pad(images, (0, -width % 16, 0, -height % 16), mode="replicate")
    to_ycc, from_ycc, transform, luma, chroma = _jpeg_tables(images.device)
    ycc = recolour(255 * padded, to_ycc.expand(len(images), 3, 3))
    scale = torch.where(quality < 50, 50 / quality, 2 - quality / 50)
    y = _quantised(ycc[:, :1] - 128, transform, luma, scale)
    colour = _quantised(F.avg_pool2d(ycc[:, 1:], 2), transform, chroma, scale)
    ycc = torch.cat([y + 128, F.interpolate(colour, scale_factor=2, mode="nearest")], dim=1)
    rgb = recolour(ycc, from_ycc.expand(len(images), 3, 3))
    return (rgb[..., :height, :width] / 255).clamp(0, 1)


def _quantised(planes: Tensor, transform: Tensor, steps: Tensor, scale: Tensor) -> Tensor:
    count, channels, height, width = planes.shape
    blocks = planes.reshape(count, channels, height // 8, 8, width // 8, 8).transpose(3, 4)
    step = (steps * scale[:, None] + 0.5).floor().clamp(1, 255)[:, None]
    wave = (blocks.reshape(count, -1, 64) @ transform.mT / step).round() * step
    blocks = (wave @ transform).reshape(count, channels, height // 8, width // 8, 8, 8)
    return blocks.transpose(3, 4).reshape(planes.shape)


@functools.cache
def _jpeg_tables(device: torch.device) -> tuple[Tensor, ...]:
    """RGB to YCbCr and back; the DCT of 8 x 8; quantisation steps of brightness and colour (T.81, tables K.1, K.2)."""
    to_ycc = torch.tensor([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
    n = torch.arange(8.0)
    dct = ((2 * n + 1) * n[:, None] * math.pi / 16).cos() * 0.5
    dct[0] /= math.sqrt(2)
    luma = [
        16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
        14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
        49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
    ]  # fmt: skip
    chroma = torch.full((8, 8), 99.0)
    chroma[:4, :4] = torch.tensor([[17.0, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]])
    tables = (to_ycc, torch.linalg.inv(to_ycc), torch.kron(dct, dct), torch.tensor(luma).float(), chroma.flatten())
    return tuple(table.to(device) for table in tables)
