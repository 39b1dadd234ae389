"""Where another photo shows a patch of a photo: Lucas and Kanade's alignment on the patch's plane.

The plane says how the other photo stretches the patch; what is found is a shift only, from coarse to fine, and blind to
brightness and contrast. The gradients are those of the first photo (Baker and Matthews, "Lucas-Kanade 20 years on",
IJCV 2004), so that an iteration samples the other photo once.
"""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from pointmap.geometry.sampling import sample
from pointmap.shapes import Float

RADIUS = 5
"""Pixels on each side of a patch's centre."""
_ITERATIONS = 5
_LEAST_LONG_SIDE = 300
"""Coarser levels have too few pixels for patches."""
_MOST_STRETCH = 2.5
"""A patch that the other photo shows so much larger or smaller looks different."""


def pyramid(image: Float[Tensor, "h w"], most: int = 3) -> list[Float[Tensor, "_ _"]]:
    """The image, and halves of it."""
    levels = [image]
    while len(levels) < most and max(levels[-1].shape) >= 2 * _LEAST_LONG_SIDE:
        levels.append(avg_pool2d(levels[-1][None], 2)[0])
    return levels


def plane_homographies(
    pixels: Float[Tensor, "n 2"],
    inverse_depths: Float[Tensor, "n"],
    slopes: Float[Tensor, "n 2"],
    K_i: Float[Tensor, "3 3"],
    K_j: Float[Tensor, "3 3"],
    j_from_i: Float[Tensor, "4 4"],
) -> Float[Tensor, "n 3 3"]:
    """From pixels of i to those of j on the plane at each pixel, whose inverse depth is affine in the pixel.

    Args:
        inverse_depths: At the pixels.
        slopes: How the inverse depth changes per pixel along u and v.
    """
    constant = inverse_depths - (slopes * pixels).sum(-1)
    plane = torch.cat([slopes, constant[:, None]], dim=-1)
    return K_j @ j_from_i[:3, :3] @ K_i.inverse() + (K_j @ j_from_i[:3, 3])[:, None] * plane[:, None, :]


def align_patches(
    levels_i: list[Float[Tensor, "_ _"]],
    levels_j: list[Float[Tensor, "_ _"]],
    pixels_i: Float[Tensor, "n 2"],
    homographies: Float[Tensor, "n 3 3"],
) -> tuple[Float[Tensor, "n 2"], Float[Tensor, "n"]]:
    """Pixels of j that show what the pixels of i show, and how alike the patches are (correlation, -1 to 1).

    Args:
        levels_i, levels_j: Of grey images (see `pyramid`).
        pixels_i: (u, v) in the finest level.
        homographies: j from i, of the patch's plane, in pixels of the finest levels; the start.
    """
    expected = _mapped(homographies, pixels_i[:, None])[:, 0]
    shift = torch.zeros_like(expected)
    alike = torch.zeros(len(shift), dtype=shift.dtype)
    for level in range(min(len(levels_i), len(levels_j)) - 1, -1, -1):
        shift, alike = _align_level(levels_i[level], levels_j[level], 2**level, pixels_i, homographies, shift)
    stretch = _jacobians(homographies, pixels_i).det().abs().sqrt()
    fits = (stretch < _MOST_STRETCH) & (stretch > 1 / _MOST_STRETCH)
    return expected + shift, torch.where(fits, alike, -1.0)


def _align_level(
    image_i: Float[Tensor, "_ _"],
    image_j: Float[Tensor, "_ _"],
    step: int,
    pixels_i: Float[Tensor, "n 2"],
    homographies: Float[Tensor, "n 3 3"],
    shift: Float[Tensor, "n 2"],
) -> tuple[Float[Tensor, "n 2"], Float[Tensor, "n"]]:
    """`step` is the size of the level's pixels in those of the finest; pixels and shifts are in the latter."""
    side = step * torch.arange(-RADIUS - 1, RADIUS + 2, dtype=pixels_i.dtype)
    offsets = torch.stack(torch.meshgrid(side, side, indexing="xy"), dim=-1)
    wide = pixels_i[:, None, None] + offsets
    template, _ = _look(image_i, wide, step)
    gradient = torch.stack(
        [template[:, 1:-1, 2:] - template[:, 1:-1, :-2], template[:, 2:, 1:-1] - template[:, :-2, 1:-1]], dim=-1
    ).flatten(1, 2) / (2 * step)
    inner = wide[:, 1:-1, 1:-1].flatten(1, 2)
    template = template[:, 1:-1, 1:-1].flatten(1)
    contrast = template.std(1, keepdim=True).clamp_min(1e-6)
    template = (template - template.mean(1, keepdim=True)) / contrast
    # What i shows around p, j shows around H p: the gradient there is that of i through the inverse of H's derivative.
    jacobians = _jacobians(homographies, pixels_i)
    gradient = (gradient - gradient.mean(1, keepdim=True)) / contrast[..., None] @ _inverses(jacobians)
    normal = gradient.mT @ gradient
    normal = normal + 1e-6 * torch.eye(2, dtype=normal.dtype)
    solve = _inverses(normal) @ gradient.mT
    targets = _mapped(homographies, inner)
    alike = torch.zeros(len(shift), dtype=shift.dtype)
    best = shift
    for _ in range(_ITERATIONS + 1):
        seen, inside = _look(image_j, targets + shift[:, None], step)
        seen = (seen - seen.mean(1, keepdim=True)) / seen.std(1, keepdim=True).clamp_min(1e-6)
        now = torch.where(inside.all(1), (seen * template).mean(1), -1.0)
        better = now > alike
        best, alike = torch.where(better[:, None], shift, best), torch.where(better, now, alike)
        move = (solve @ (template - seen)[..., None])[..., 0]
        shift = shift + move.clamp(-2 * step, 2 * step)
    return best, alike


def _look(
    image: Float[Tensor, "_ _"], pixels: Float[Tensor, "n *k 2"], step: int
) -> tuple[Float[Tensor, "n *k"], Tensor]:
    """Values of a level at pixels of the finest, and True where these are inside."""
    at = (pixels + 0.5) / step - 0.5
    flat = at.reshape(1, len(at), -1, 2)
    values, inside = sample(image, flat[..., 0], flat[..., 1])
    return values.reshape(pixels.shape[:-1]), inside.reshape(pixels.shape[:-1])


def _mapped(homographies: Float[Tensor, "n 3 3"], pixels: Float[Tensor, "n k 2"]) -> Float[Tensor, "n k 2"]:
    mapped = pixels @ homographies[:, :, :2].mT + homographies[:, None, :, 2]
    return mapped[..., :2] / mapped[..., 2:]


def _jacobians(homographies: Float[Tensor, "n 3 3"], pixels: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2 2"]:
    """Derivative of the mapped pixel (rows) by the pixel (columns)."""
    mapped = (homographies[:, :, :2] @ pixels[..., None])[..., 0] + homographies[:, :, 2]
    there = mapped[:, :2] / mapped[:, 2:]
    return (homographies[:, :2, :2] - there[..., None] * homographies[:, 2:, :2]) / mapped[:, 2, None, None]


def _inverses(matrices: Float[Tensor, "n 2 2"]) -> Float[Tensor, "n 2 2"]:
    """Of 2x2 matrices; singular ones become large, not an error."""
    (a, b), (c, d) = matrices[:, 0].unbind(-1), matrices[:, 1].unbind(-1)
    det = a * d - b * c
    det = torch.where(det.abs() < 1e-12, 1e-12, det)
    return torch.stack([torch.stack([d, -b], -1), torch.stack([-c, a], -1)], 1) / det[:, None, None]
