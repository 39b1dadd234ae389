"""Similarities `x_b = scale * rotation @ x_a + translation` as 4x4 matrices `b_from_a`, and their closed-form fit."""

import torch
from torch import Tensor

from pointmap.geometry.transforms import rigid
from pointmap.shapes import Float


def fit_similarity(
    points_a: Float[Tensor, "*#batch n 3"],
    points_b: Float[Tensor, "*#batch n 3"],
    weights: Float[Tensor, "*#batch n"] | None = None,
    *,
    with_scale: bool = True,
) -> Float[Tensor, "*batch 4 4"]:
    """The similarity that minimises `sum(weights * |b_from_a(points_a) - points_b|^2)`.

    Closed form of Umeyama (PAMI 1991). The rotation is always proper, also for points in a plane. Where the points do
    not determine it (a line, a single point, all weights zero) it is one of the minimisers, and the result is finite.

    Args:
        weights: Not negative; 1 each when left out. Points of weight zero may be NaN or infinite.
        with_scale: False fits a rigid motion, scale 1.
    """
    if weights is None:
        weights = torch.ones_like(points_a[..., 0])
    used = weights[..., None] > 0
    points_a, points_b = points_a.where(used, 0), points_b.where(used, 0)
    tiny = torch.finfo(weights.dtype).tiny
    share = (weights / weights.sum(-1, keepdim=True).clamp_min(tiny))[..., None]

    mean_a, mean_b = (share * points_a).sum(-2), (share * points_b).sum(-2)
    centred_a, centred_b = points_a - mean_a[..., None, :], points_b - mean_b[..., None, :]
    left, singular, right = torch.linalg.svd((share * centred_b).mT @ centred_a)  # descending singular values
    # A mirrored optimum is turned into the best proper rotation along its least certain axis.
    sign = torch.ones_like(singular)
    sign[..., 2] = torch.where(torch.linalg.det(left @ right) < 0, -1.0, 1.0)
    rotation = (left * sign[..., None, :]) @ right

    scale = torch.ones_like(singular[..., 0])
    if with_scale:
        spread_a = (share * centred_a.square()).sum((-2, -1))
        fitted = (singular * sign).sum(-1) / spread_a.clamp_min(tiny)
        # Without extent on either side no scale is better than another.
        scale = torch.where((spread_a > tiny) & (fitted > 0), fitted, scale)
    linear = scale[..., None, None] * rotation
    return rigid(linear, mean_b - (linear @ mean_a[..., None])[..., 0])


def split_similarity(
    b_from_a: Float[Tensor, "*batch 4 4"],
) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch 3 3"], Float[Tensor, "*batch 3"]]:
    """Scale, rotation and translation of a similarity."""
    # The length of a row is the scale; the mean over rows spreads the rounding.
    scale = torch.linalg.norm(b_from_a[..., :3, :3], dim=-1).mean(-1)
    return scale, b_from_a[..., :3, :3] / scale[..., None, None], b_from_a[..., :3, 3]


def invert_similarity(b_from_a: Float[Tensor, "*batch 4 4"]) -> Float[Tensor, "*batch 4 4"]:
    """`a_from_b`, without a matrix inversion."""
    scale, rotation, translation = split_similarity(b_from_a)
    linear = rotation.mT / scale[..., None, None]
    return rigid(linear, -(linear @ translation[..., None])[..., 0])


def move_cameras(
    b_from_a: Float[Tensor, "*#batch 4 4"], a_from_cam: Float[Tensor, "*#batch 4 4"]
) -> Float[Tensor, "*batch 4 4"]:
    """Poses known in frame `a` in frame `b`, still rigid: the scale moves the centres, not the camera axes."""
    _, rotation, _ = split_similarity(b_from_a)
    return rigid(rotation @ a_from_cam[..., :3, :3], (b_from_a @ a_from_cam)[..., :3, 3])


def align_cameras(
    a_from_cam: Float[Tensor, "*#batch views 4 4"],
    b_from_cam: Float[Tensor, "*#batch views 4 4"],
    weights: Float[Tensor, "*#batch views"] | None = None,
) -> Float[Tensor, "*batch 4 4"]:
    """The similarity that takes cameras known in frame `a` best onto the same cameras in frame `b`.

    Fits the centres together with a second point per camera, a little ahead on its optical axis. These settle the
    rotation about the line of a camera that moved sideways, and hardly weigh where the centres say enough. Only for
    a camera that moved straight along its optical axis does the roll remain arbitrary.

    Args:
        weights: Of the cameras, not negative; 1 each when left out. Cameras of weight zero may be NaN.
    """
    if weights is None:
        weights = torch.ones_like(a_from_cam[..., 0, 0])
    step_a, step_b = _camera_spacing(a_from_cam, weights) / 100, _camera_spacing(b_from_cam, weights) / 100
    # One place for all cameras, in either frame, says nothing of the scale: the axes alone decide then.
    apart = (step_a > 0) & (step_b > 0)
    points_a = _centres_and_ahead(a_from_cam, step_a.where(apart, 1))
    points_b = _centres_and_ahead(b_from_cam, step_b.where(apart, 1))
    return fit_similarity(points_a, points_b, torch.cat([weights, weights], dim=-1))


def _centres_and_ahead(
    world_from_cam: Float[Tensor, "*batch views 4 4"], step: Float[Tensor, "*batch"]
) -> Float[Tensor, "*batch points 3"]:
    centres, forward = world_from_cam[..., :3, 3], world_from_cam[..., :3, 2]
    return torch.cat([centres, centres + step[..., None, None] * forward], dim=-2)


def _camera_spacing(
    world_from_cam: Float[Tensor, "*batch views 4 4"], weights: Float[Tensor, "*#batch views"]
) -> Float[Tensor, "*batch"]:
    """Median distance over all pairs of cameras; 0 where there is no pair."""
    centres = world_from_cam[..., :3, 3].where(weights[..., None] > 0, torch.nan)
    views = centres.shape[-2]
    first, second = torch.triu_indices(views, views, offset=1, device=centres.device)
    distances = torch.linalg.norm(centres[..., first, :] - centres[..., second, :], dim=-1)
    if views < 2:
        return distances.new_zeros(distances.shape[:-1])
    return distances.nanquantile(0.5, dim=-1).nan_to_num(0.0)
