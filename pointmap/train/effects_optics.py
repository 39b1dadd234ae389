"""What happens to light before it is measured: lens, shake, focus, dirt, things in the way.

Every function takes photos in [0, 1] and one strength per photo, and leaves a photo of strength 0 as it is.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from pointmap.shapes import Float

Photos = Float[Tensor, "n 3 h w"]
PerPhoto = Float[Tensor, "n"]


def _frame(images: Tensor) -> tuple[Float[Tensor, "1 w"], Float[Tensor, "h 1"]]:
    """Coordinates of the pixels' centres, in widths: 0 in the middle, x to the right, y down."""
    height, width = images.shape[-2:]
    x = (torch.arange(width, device=images.device) - (width - 1) / 2) / width
    y = (torch.arange(height, device=images.device) - (height - 1) / 2) / width
    return x[None], y[:, None]


def _squared_radius(images: Tensor) -> tuple[Tensor, float]:
    """Squared distance of every pixel from the middle, 1 in the corners; and how many widths that unit is."""
    height, width = images.shape[-2:]
    corner = (1 + (height / width) ** 2) ** 0.5 / 2
    x, y = _frame(images)
    return (x * x + y * y) / corner**2, corner


def _magnified(images: Float[Tensor, "n c h w"], factor: Float[Tensor, "n h w"]) -> Float[Tensor, "n c h w"]:
    """What each pixel shows is taken from `factor` times as far from the middle."""
    height, width = images.shape[-2:]
    x, y = _frame(images)
    at = torch.stack([2 * x * factor, 2 * y * (width / height) * factor], dim=-1)
    return F.grid_sample(images, at, mode="bilinear", padding_mode="border", align_corners=False)


def distort(images: Photos, corner: PerPhoto) -> Photos:
    """Radial lens distortion (Brown 1966, first term), of the image alone.

    The true points stay those of the pinhole camera, so that the network learns to undistort. That is why displacements
    have to stay small: the truth of a pixel is off by them.

    Args:
        corner: From how much further out the corners are taken, in image widths; barrel when positive.
    """
    radius, unit = _squared_radius(images)
    return _magnified(images, 1 + (corner[:, None, None] / unit) * radius)


def fringe(images: Photos, corner: PerPhoto) -> Photos:
    """Lateral chromatic aberration: red is magnified less than green, blue more.

    Args:
        corner: How far red and blue are displaced in the corners, in image widths.
    """
    _, unit = _squared_radius(images)
    scale = torch.stack([1 + corner / unit, 1 - corner / unit], dim=-1).flatten()[:, None, None]
    height, width = images.shape[-2:]
    moved = _magnified(images[:, ::2].reshape(-1, 1, height, width), scale.expand(-1, height, width))
    red, blue = moved.reshape(-1, 2, height, width).unbind(1)
    return torch.stack([red, images[:, 1], blue], dim=1)


def shake(images: Photos, length: PerPhoto, angle_rad: PerPhoto, longest: float) -> Photos:
    """Motion blur along a line.

    Args:
        length: Of the line, in pixels.
        longest: No length is greater.
    """
    x, y = _kernel_grid(longest / 2, images.device)
    cosine, sine = angle_rad.cos()[:, None, None], angle_rad.sin()[:, None, None]
    along, across = (x * cosine + y * sine).abs(), (y * cosine - x * sine).abs()
    return _convolved(images, (length[:, None, None] / 2 + 0.5 - along).clamp(0, 1) * (1 - across).clamp(min=0))


def defocus(images: Photos, radius: PerPhoto, largest: float) -> Photos:
    """Points become discs.

    Args:
        radius: In pixels.
        largest: No radius is greater.
    """
    x, y = _kernel_grid(largest, images.device)
    return _convolved(images, (radius[:, None, None] + 0.5 - (x * x + y * y).sqrt()).clamp(0, 1))


def _kernel_grid(reach: float, device: torch.device) -> tuple[Tensor, Tensor]:
    half = int(reach + 0.999)
    axis = torch.arange(-half, half + 1, device=device).float()
    return axis[None], axis[:, None]


def _convolved(images: Photos, kernels: Float[Tensor, "n k k"]) -> Photos:
    """Each photo with a kernel of its own, scaled to sum 1."""
    count, half = len(images), kernels.shape[-1] // 2
    kernels = kernels / kernels.sum(dim=(1, 2), keepdim=True)
    padded = F.pad(images, (half, half, half, half), mode="replicate").transpose(0, 1)
    return F.conv2d(padded, kernels[:, None], groups=count).transpose(0, 1)


def vignette(images: Photos, strength: PerPhoto) -> Photos:
    """Darker by `strength` (0..1) in the corners, by its half where the squared radius is half of theirs."""
    radius, _ = _squared_radius(images)
    return images * (1 - strength[:, None, None, None] * radius)


def soil(
    images: Photos,
    centre: Float[Tensor, "n spots 2"],
    radius: Float[Tensor, "n spots"],
    opacity: Float[Tensor, "n spots"],
    tone: PerPhoto,
) -> Photos:
    """Dust, drops or an insect on the lens: far out of focus, so that the scene behind turns into a soft blob.

    Args:
        centre: Of the spots, in widths from the middle.
        radius: In widths; a spot fades from its centre to there.
        opacity: In the middle of each spot, 0..1.
        tone: What the light is multiplied by: 0 for an insect, about 1 for a drop of water.
    """
    x, y = _frame(images)
    distance = (x - centre[..., 0, None, None]) ** 2 + (y - centre[..., 1, None, None]) ** 2
    fade = (1 - distance / radius[..., None, None] ** 2).clamp(min=0)
    clear = (1 - opacity[..., None, None] * (2 * fade).clamp(max=1)).prod(dim=1)[:, None]
    coarse = F.interpolate(F.adaptive_avg_pool2d(images, 6), images.shape[-2:], mode="bilinear", align_corners=False)
    blurred = coarse * tone[:, None, None, None]
    return blurred + (images - blurred) * clear


def obstacle(
    blank: Float[Tensor, "n 2 h w"],
    start: Float[Tensor, "n 2"],
    end: Float[Tensor, "n 2"],
    radius: PerPhoto,
    softness: PerPhoto,
) -> Float[Tensor, "n 2 h w"]:
    """A finger, strap or branch before the lens: a thick line.

    Args:
        blank: Gives the size.
        start: Of the line's axis, in widths from the middle.
        radius: In widths; 0: nothing is there.
        softness: Width of its unsharp border, in widths.

    Returns:
        How opaque it is at every pixel (0..1), and how bright by its roundness (0..1).
    """
    x, y = _frame(blank)
    dx, dy = (end - start)[:, :, None, None].unbind(1)
    px, py = x - start[:, 0, None, None], y - start[:, 1, None, None]
    along = ((px * dx + py * dy) / (dx * dx + dy * dy).clamp(min=1e-6)).clamp(0, 1)
    distance = ((px - along * dx) ** 2 + (py - along * dy) ** 2).sqrt()
    thick = radius[:, None, None]
    cover = ((thick - distance) / softness[:, None, None] + 0.5).clamp(0, 1) * (thick > 0)
    bright = (1 - (distance / thick.clamp(min=1e-6)) ** 2).clamp(min=0).sqrt()
    return torch.stack([cover, bright], dim=1)
