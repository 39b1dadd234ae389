"""Colours of a mesh's vertices from the photos that see them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from pointmap.geometry.cameras import project_points
from pointmap.geometry.sampling import sample
from pointmap.geometry.transforms import transform_points
from pointmap.shapes import Bool, Float, UInt8

_SLANT = 4.0
"""Photos that look straight at a surface count so much the more: the power of the cosine."""
_HIDDEN = 3.0
"""A vertex further behind what is seen than so many times their spacing is hidden."""


def vertex_colors(
    vertices: Float[Tensor, "n 3"],
    normals: Float[Tensor, "n 3"],
    images: Sequence[UInt8[Tensor, "_ _ 3"]],
    masks: Sequence[Bool[Tensor, "_ _"]],
    intrinsics: Float[Tensor, "views 3 3"],
    cam_from_world: Float[Tensor, "views 4 4"],
    *,
    spacing: float,
) -> UInt8[Tensor, "n 3"]:
    """Mean of the colours in the photos that see a vertex, those that look straight at it first.

    A vertex is seen where no other is nearer in the same small square of the photo, and the mask shows the object. What
    no photo sees takes the colour of the nearest vertex that one does.

    Args:
        vertices: In the world, dense: about `spacing` apart.
        normals: Unit, outwards.
    """
    total = torch.zeros_like(vertices)
    weights = torch.zeros_like(vertices[:, 0])
    for image, mask, K, camera in zip(images, masks, intrinsics, cam_from_world, strict=True):
        local = transform_points(camera, vertices)
        facing = -(torch.nn.functional.normalize(local, dim=-1) * (normals @ camera[:3, :3].T)).sum(dim=-1)
        pixels = project_points(local, K)
        u, v = pixels[None, :, 0], pixels[None, :, 1]
        shown, within = sample(mask.float(), u, v)
        seen = within[0] & (shown[0] > 0.5) & (local[:, 2] > 0) & (facing > 0.1)
        seen &= local[:, 2] < _nearest(local, pixels, K, spacing) + _HIDDEN * spacing
        weight = torch.where(seen, facing.clamp(min=0) ** _SLANT, 0.0)
        colors = torch.stack([sample(channel.float(), u, v)[0][0] for channel in image.unbind(-1)], dim=-1)
        total += weight[:, None] * colors
        weights += weight
    known = weights > 0
    if not bool(known.any()):
        return torch.full_like(vertices, 128).to(torch.uint8)
    colors = total / weights.clamp(min=1e-9)[:, None]
    if not bool(known.all()):
        from scipy.spatial import KDTree

        _, nearest = KDTree(vertices[known].cpu().numpy()).query(vertices[~known].cpu().numpy())
        colors[~known] = colors[known][torch.from_numpy(nearest).to(vertices.device)]
    return colors.round().clamp(0, 255).to(torch.uint8)


def _nearest(
    local: Float[Tensor, "n 3"], pixels: Float[Tensor, "n 2"], K: Float[Tensor, "3 3"], spacing: float
) -> Float[Tensor, "n"]:
    """Least depth of all vertices around the place of each, in squares so large that a surface fills them."""
    depth = local[:, 2]
    side = 2 * spacing * float(K[0, 0]) / float(depth[depth > 0].median().clamp(min=1e-9)) if (depth > 0).any() else 1.0
    cells = (pixels / side).round().clamp(-1e6, 1e6).long()
    cells = cells - cells.amin(dim=0)
    _, index = torch.unique(cells[:, 0] * (int(cells[:, 1].max()) + 1) + cells[:, 1], return_inverse=True)
    least = torch.full((int(index.max()) + 1,), torch.inf, device=depth.device)
    least.scatter_reduce_(0, index, torch.where(depth > 0, depth, torch.inf), "amin")
    return least[index]
