"""A small renderer of points: perspective, nearest first, shaded at depth steps. For previews without a GPU."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pointmap.geometry.cameras import project_points
from pointmap.geometry.transforms import invert_rigid, transform_points
from pointmap.shapes import Float, UInt8

_MAX_RADIUS = 6
"""Pixels; a point close to the eye is not drawn larger."""

_NOTHING = torch.iinfo(torch.int64).max


@dataclass(frozen=True)
class Splats:
    """Coloured discs that face the eye."""

    centres_world: Float[Tensor, "n 3"]

    colors: UInt8[Tensor, "n 3"]

    widths: Float[Tensor, "n"]
    """Diameter in scene units."""

    min_radius_px: float = 0.0
    """No disc is drawn smaller."""


def render_splats(
    layers: list[Splats],
    world_from_cam: Float[Tensor, "4 4"],
    intrinsics: Float[Tensor, "3 3"],
    size: tuple[int, int],
    *,
    background: tuple[int, int, int] = (255, 255, 255),
) -> UInt8[np.ndarray, "height width 3"]:
    """Draw the discs of all layers into one image, the nearest in front.

    Args:
        world_from_cam: Pose of the eye.
        intrinsics: Of the eye, in pixels of the image.
        size: Width and height of the image in pixels.
    """
    width, height = size
    # A border takes what discs at the image's edge leave over.
    border = 2 * _MAX_RADIUS + 1
    canvas_height, canvas_width = height + 2 * border, width + 2 * border
    nearest = torch.full((canvas_height * canvas_width,), _NOTHING)
    colors = torch.cat([layer.colors for layer in layers])
    first = 0
    for layer in layers:
        points = transform_points(invert_rigid(world_from_cam), layer.centres_world)
        depth = points[:, 2]
        uv = project_points(points, intrinsics)
        radius = (0.5 * layer.widths * intrinsics[0, 0] / depth).clamp(layer.min_radius_px, _MAX_RADIUS)
        # The bits of a positive float sort like the number; below them travels which point it is.
        keys = (depth.view(torch.int32).to(torch.int64) << 32) | torch.arange(first, first + len(points))
        first += len(points)
        seen = (depth > 1e-6) & (uv > -_MAX_RADIUS).all(-1) & (uv < torch.tensor(size) + _MAX_RADIUS).all(-1)
        # Largest first: those that reach a pixel of the disc are then the first so many.
        radius, order = radius[seen].sort(descending=True)
        keys, (u, v) = keys[seen][order], uv[seen][order].round().long().unbind(-1)
        pixels = (v + border) * canvas_width + (u + border)
        for du, dv in _disc_offsets():
            count = int(torch.searchsorted(-radius, -((du * du + dv * dv) ** 0.5), right=True))
            nearest.scatter_reduce_(0, pixels[:count] + (dv * canvas_width + du), keys[:count], "amin")
    nearest = nearest.reshape(canvas_height, canvas_width)[border:-border, border:-border]
    hit = nearest < _NOTHING
    image = torch.tensor(background, dtype=torch.float32).repeat(height, width, 1)
    depth = torch.full((height, width), torch.inf)
    depth[hit] = (nearest[hit] >> 32).to(torch.int32).view(torch.float32)
    image[hit] = colors[nearest[hit] & 0xFFFFFFFF] * _edge_shading(depth)[hit][:, None]
    return image.round().to(torch.uint8).numpy()


def _disc_offsets() -> list[tuple[int, int]]:
    """Pixels of the largest disc."""
    reach = range(-_MAX_RADIUS, _MAX_RADIUS + 1)
    return [(du, dv) for dv in reach for du in reach if du * du + dv * dv <= _MAX_RADIUS**2]


def _edge_shading(
    depth: Float[Tensor, "h w"], *, reach: int = 2, dead_zone: float = 0.02, strength: float = 1.5
) -> Float[Tensor, "h w"]:
    """Darken what lies behind its surroundings: eye-dome lighting (Boucheny 2009), which makes shape readable.

    Args:
        dead_zone: Relative depth steps that count as none, since discs on a slanted surface overlap in steps.
    """
    log_depth = depth.log()
    height, width = depth.shape
    padded = torch.nn.functional.pad(log_depth, (reach,) * 4, value=torch.inf)
    steps = torch.zeros_like(depth)
    for dv, du in ((0, reach), (2 * reach, reach), (reach, 0), (reach, 2 * reach)):
        step = log_depth - padded[dv : dv + height, du : du + width]
        steps += (torch.nan_to_num(step, nan=0.0, posinf=0.0, neginf=0.0) - dead_zone).clamp(0, 0.2)
    return torch.exp(-strength * steps)
