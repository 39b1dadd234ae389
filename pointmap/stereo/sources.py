"""Which photos to compare a photo with: those that see the same from a little aside."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from pointmap.geometry.cameras import unproject_depth
from pointmap.geometry.transforms import invert_rigid, transform_points
from pointmap.shapes import Float
from pointmap.stereo.views import StereoView

_BEST_ANGLE_DEG = 10.0
_ANGLE_SPREAD = 0.9
"""Of the logarithm of the angle: 4 and 25 degrees are worth 60 % of the best."""
_SAMPLES = 24
"""Along each side of a depth map."""
_LEAST_SHARE = 0.05
"""Of the pixels that another photo must see well."""


def choose_sources(
    views: Sequence[StereoView],
    depths: Sequence[Float[Tensor, "h w"]],
    max_sources: int,
    on_view: Callable[[], None] | None = None,
) -> list[list[int]]:
    """For every view the views to compare it with, best first.

    A view is worth the sum over the pixels that it sees too, each weighted by the angle between the two rays.

    Args:
        depths: z-depth of every view, of its size; 0 or NaN where unknown.
        on_view: Called for each; may raise.
    """
    scores = []
    for i in range(len(views)):
        if on_view is not None:
            on_view()
        scores.append([_worth(views, depths, i, j) for j in range(len(views))])
    chosen = []
    for row in scores:
        order = sorted((j for j in range(len(row)) if row[j] > _LEAST_SHARE), key=lambda j: -row[j])
        chosen.append(order[:max_sources])
    return chosen


def _worth(views: Sequence[StereoView], depths: Sequence[Float[Tensor, "h w"]], i: int, j: int) -> float:
    if i == j:
        return 0.0
    depth = depths[i]
    height, width = depth.shape
    rows = torch.linspace(0, height - 1, min(height, _SAMPLES), device=depth.device).round().long()
    columns = torch.linspace(0, width - 1, min(width, _SAMPLES), device=depth.device).round().long()
    points = unproject_depth(depth, views[i].intrinsics)[rows[:, None], columns].reshape(-1, 3)
    j_from_i = invert_rigid(views[j].world_from_cam) @ views[i].world_from_cam
    in_j = transform_points(j_from_i, points)
    pixel = in_j @ views[j].intrinsics.mT
    u, v = pixel[:, 0] / pixel[:, 2], pixel[:, 1] / pixel[:, 2]
    seen = (in_j[:, 2] > 0) & (u > -0.5) & (v > -0.5) & (u < views[j].shape[1] - 0.5) & (v < views[j].shape[0] - 0.5)
    from_j = points - invert_rigid(j_from_i)[:3, 3]
    across = torch.linalg.cross(points, from_j).norm(dim=-1)
    angle = torch.rad2deg(torch.atan2(across, (points * from_j).sum(-1)))
    worth = torch.exp(-((angle.clamp_min(1e-3) / _BEST_ANGLE_DEG).log() / _ANGLE_SPREAD).square() / 2)
    return float(torch.where(seen & (points[:, 2] > 0), worth, 0.0).mean())
