"""One reference pointmap per view, and the similarity that takes every group's prediction of the view onto it.

Groups are tied to each other only by the views that they share. So all that is known of their relative poses is how
one group's prediction of a view lies against another's.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from pointmap.geometry.similarity import fit_similarity, split_similarity
from pointmap.geometry.transforms import rigid, transform_points
from pointmap.shapes import Bool, Float, Int

_PIXELS = 200
"""Per view, for the fits."""

_VOTING_PIXELS = 48
_CANDIDATES = 8
"""Per view, tried as the reference."""

_CHUNK = 4096
"""Observations at a time: some 20 MB."""

_ROUNDS = 4
_OUTVOTED = 0.3
"""A prediction in the view's camera frame that finds less than this part of another's agreement is no reference."""

_TOLERANCE = 0.1
"""Two predictions of a view that differ by this part of their size count half as agreeing."""


@dataclass(frozen=True)
class Registered:
    """How all predictions of each view lie against one of them, its reference.

    The view's frame is that of the reference with its median distance from the origin as unit: of the scene's distance
    from the camera, where a group is in the view's camera frame.
    """

    reference: Int[Tensor, "views"]
    """Observation whose frame and pointmap are the view's; -1 where nothing shows the view."""

    in_camera: Bool[Tensor, "views"]
    """The view's frame is its camera frame (up to scale)."""

    view_from_group: Float[Tensor, "obs 4 4"]
    """Similarities, finite always. float64."""

    residuals: Float[Tensor, "obs"]
    """Median distance to the reference, in the view's unit; 1 where no pixel is shared."""

    determined: Bool[Tensor, "obs"]
    """The pixels determine the similarity: at least three, not on a line."""

    centres: Float[Tensor, "obs 3"]
    """Mean of the predicted points, in the frame of the group: there the similarity is known best."""


def register(
    points: Float[Tensor, "obs 3 k"],
    weights: Float[Tensor, "obs k"],
    view_of: Int[Tensor, "obs"],
    first: Bool[Tensor, "obs"],
    num_views: int,
    *,
    believed: Bool[Tensor, "obs"] | None = None,
) -> Registered:
    """Choose the reference pointmaps by agreement, and fit all predictions to them robustly.

    Args:
        points: Predictions at the same k pixels of a view in all of its observations, in the frames of the groups. The
            first of the pixels are spread over the image.
        weights: Not negative; 0 where there is no prediction.
        view_of: View that each observation shows.
        first: True where the group is in the camera frame of the view that is shown.
        believed: False where an observation shall not be a reference, if its view has any other.
    """
    if believed is None:
        believed = torch.ones_like(first)
    points, weights = _few_pixels(points, weights, view_of, num_views)
    reference = _choose_references(points, weights, view_of, first, believed, num_views)
    shown = reference >= 0
    in_camera = shown & first[reference]
    size = _sizes(points[reference], weights[reference])
    fits = [
        _fit(points[part], weights[part], points[onto], weights[onto], size[of], first[part] & in_camera[of])
        for part in torch.arange(len(points), device=points.device).split(_CHUNK)
        for of in [view_of[part]]
        for onto in [reference[of]]
    ]
    view_from_group, residuals, determined, centres = (torch.cat(parts) for parts in zip(*fits, strict=True))
    return Registered(reference, in_camera, view_from_group, residuals, determined, centres)


def _few_pixels(
    points: Float[Tensor, "obs 3 k"], weights: Float[Tensor, "obs k"], view_of: Int[Tensor, "obs"], num_views: int
) -> tuple[Float[Tensor, "obs 3 few"], Float[Tensor, "obs few"]]:
    """The first `_PIXELS` of each view for which anything is predicted; float32."""
    k = weights.shape[1]
    few = min(k, _PIXELS)
    seen = torch.zeros(num_views, k, dtype=torch.int32, device=weights.device)
    for part in torch.arange(len(weights), device=weights.device).split(_CHUNK):
        seen.index_add_(0, view_of[part], (weights[part] > 0).int())
    columns = (seen == 0).to(torch.uint8).argsort(dim=1, stable=True)[:, :few][view_of]
    return points.gather(2, columns[:, None].expand(-1, 3, -1)).float(), weights.gather(1, columns).float()


def _choose_references(
    points: Float[Tensor, "obs 3 k"],
    weights: Float[Tensor, "obs k"],
    view_of: Int[Tensor, "obs"],
    first: Bool[Tensor, "obs"],
    believed: Bool[Tensor, "obs"],
    num_views: int,
) -> Int[Tensor, "views"]:
    """Per view the candidate that most predictions agree with, if possible one in the view's camera frame."""
    obs, device = len(points), points.device
    points, usable = points[:, :, :_VOTING_PIXELS], weights[:, :_VOTING_PIXELS] > 0
    candidates = _candidates(weights.sum(1), view_of, first, believed, num_views)
    shape = _log_distances(points, usable)
    votes = points.new_zeros(num_views, candidates.shape[1])
    camera_votes, camera_voters = torch.zeros_like(votes), torch.zeros_like(votes)
    for part in torch.arange(obs, device=device).split(_CHUNK // 4):
        of = view_of[part]
        onto = candidates[of]
        other = (onto >= 0) & (onto != part[:, None])
        vote = _agreement(_median(shape[part][:, None] - shape[onto]).where(other, torch.inf))
        votes.index_add_(0, of, vote)
        # In the same camera frame, nothing but the scale may differ.
        in_camera = other & first[part][:, None] & first[onto]
        off = _differences_in_camera(points[part], usable[part], points[onto], usable[onto])
        camera_votes.index_add_(0, of, _agreement(off).where(in_camera, 0))
        camera_voters.index_add_(0, of, in_camera.to(votes))
    agreed = (camera_votes + 1) / (camera_voters + 1)
    total = votes + 1e-3 * weights.sum(1).div(weights.sum(1).max().clamp_min(1e-30))[candidates]
    present = candidates >= 0
    with_camera, without = first[candidates] & present, ~first[candidates] & present
    which = (agreed * (1 + total)).where(with_camera, -1).argmax(1)
    best = total.where(with_camera, -1).gather(1, which[:, None])[:, 0]
    best_other, which_other = total.where(without, -1).max(1)
    # A camera frame of its own is worth much: without it, the camera must be found from the view's pixels.
    chosen = torch.where((best >= 0) & (best > _OUTVOTED * best_other), which, which_other)
    return candidates.gather(1, chosen[:, None])[:, 0]


def _candidates(
    strength: Float[Tensor, "obs"],
    view_of: Int[Tensor, "obs"],
    first: Bool[Tensor, "obs"],
    believed: Bool[Tensor, "obs"],
    num_views: int,
) -> Int[Tensor, "views candidates"]:
    """Observations to choose from, -1 for none: camera frames and others, spread over the range of their weights."""
    device, obs = strength.device, len(strength)
    chosen = torch.full((num_views, _CANDIDATES), -1, device=device)
    half = _CANDIDATES // 2
    others = torch.bincount(view_of[believed], minlength=num_views) > 0
    eligible = believed | ~others[view_of]
    for kind, slots in ((first & eligible, slice(0, half)), (~first & eligible, slice(half, None))):
        # By view, and by falling strength within a view; the others last.
        order = strength.argsort(descending=True, stable=True)
        order = order[view_of.where(kind, num_views)[order].argsort(stable=True)]
        counts = torch.bincount(view_of[kind], minlength=num_views)
        starts = counts.cumsum(0) - counts
        rank = torch.arange(half, device=device) * counts.clamp_min(half)[:, None] // half
        picked = order[(starts[:, None] + rank).clamp_max(max(obs - 1, 0))]
        chosen[:, slots] = picked.where(rank < counts[:, None], -1)
    return chosen


def _log_distances(points: Float[Tensor, "obs 3 k"], usable: Bool[Tensor, "obs k"]) -> Float[Tensor, "obs pairs"]:
    """Logarithms of distances between pixels far apart, less their median: the shape without pose and scale."""
    k = points.shape[2]
    shifts = sorted({max(1, k // 2), max(1, k // 3)})
    distances = torch.cat([(points - points.roll(shift, 2)).square().sum(1) for shift in shifts], dim=1)
    both = torch.cat([usable & usable.roll(shift, 1) for shift in shifts], dim=1)
    log = 0.5 * distances.log().where(both & (distances > 0), torch.nan)
    return log - log.nanmedian(1, keepdim=True).values


def _differences_in_camera(
    points_a: Float[Tensor, "obs 3 k"],
    usable_a: Bool[Tensor, "obs k"],
    points_b: Float[Tensor, "obs candidates 3 k"],
    usable_b: Bool[Tensor, "obs candidates k"],
) -> Float[Tensor, "obs candidates"]:
    """Median distance after the best scale about the common origin, by the size; infinite where nothing is shared."""
    both = usable_a[:, None] & usable_b
    norm_a, norm_b = _lengths(points_a.mT)[:, None], _lengths(points_b.mT)
    scale = (norm_b / norm_a).where(both & (norm_a > 0), torch.nan).nanmedian(-1).values
    off = _lengths((scale[..., None, None] * points_a[:, None] - points_b).mT).where(both, torch.nan)
    return _median(off) / norm_b.where(both, torch.nan).nanmedian(-1).values.clamp_min(1e-30)


def _median(values: Float[Tensor, "*batch k"]) -> Float[Tensor, "*batch"]:
    """Of the magnitudes, without NaN; infinite where there is nothing else."""
    return values.abs().nanmedian(-1).values.nan_to_num(torch.inf, torch.inf)


def _agreement(difference: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    return 1 / (1 + (difference / _TOLERANCE).square())


def _lengths(vectors: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch"]:
    # Several times faster here than torch.linalg.norm.
    return vectors.square().sum(-1).sqrt()


def _sizes(points: Float[Tensor, "n 3 k"], weights: Float[Tensor, "n k"]) -> Float[Tensor, "n"]:
    size = _lengths(points.mT).where(weights > 0, torch.nan).nanmedian(1).values
    return size.where(size > 0, 1.0)


def _fit(
    points: Float[Tensor, "n 3 k"],
    weights: Float[Tensor, "n k"],
    target: Float[Tensor, "n 3 k"],
    target_weights: Float[Tensor, "n k"],
    size: Float[Tensor, "n"],
    in_camera: Bool[Tensor, "n"],
) -> tuple[Float[Tensor, "n 4 4"], Float[Tensor, "n"], Bool[Tensor, "n"], Float[Tensor, "n 3"]]:
    """`view_from_group`, residuals, whether they are determined, and centres."""
    own_size = _sizes(points, weights)
    points, target = points.mT / own_size[:, None, None], target.mT / size[:, None, None]
    weights = (weights * target_weights).sqrt()
    fit = torch.empty(len(points), 4, 4).to(points)
    free = ~in_camera
    fit[free] = fit_robustly(points[free], target[free], weights[free])
    # Both in the frame of one camera: the scale is all that may differ.
    scale = _fit_scale(points[in_camera], target[in_camera], weights[in_camera])
    fit[in_camera] = rigid(scale[:, None, None] * torch.eye(3).to(scale), torch.zeros_like(points[in_camera, 0]))
    used = weights > 0
    off = _lengths(transform_points(fit, points) - target).where(used, torch.nan)
    residuals = off.nanmedian(1).values.nan_to_num(1.0).clamp_max(1e3)
    share = (weights / weights.sum(1, keepdim=True).clamp_min(1e-30))[..., None]
    centres = (share * points).sum(1)
    determined = used.sum(1) >= 3
    for cloud in (points, target):
        centred = (cloud - (share * cloud).sum(1, keepdim=True)) * share.sqrt()
        spread = torch.linalg.svdvals(centred.mT @ centred).clamp_min(0).sqrt()
        # A line or a point leaves rotations open; for the scale alone, any point but the origin will do.
        determined &= in_camera | ((spread[:, 0] > 1e-4) & (spread[:, 1] > 1e-3 * spread[:, 0]))
    # A float32 rotation is one to 1e-7 only.
    scale, rotation, offset = split_similarity(fit.double())
    left, _, right = torch.linalg.svd(rotation)
    fit = rigid((scale / own_size)[:, None, None] * (left @ right), offset)
    return fit, residuals.double(), determined, (centres * own_size[:, None]).double()


def fit_robustly(
    points_a: Float[Tensor, "*#batch n 3"], points_b: Float[Tensor, "*#batch n 3"], weights: Float[Tensor, "*#batch n"]
) -> Float[Tensor, "*batch 4 4"]:
    """The similarity of about the least sum of distances: `fit_similarity`, reweighted."""
    b_from_a = fit_similarity(points_a, points_b, weights)
    for _ in range(_ROUNDS):
        off = _lengths(transform_points(b_from_a, points_a) - points_b)
        b_from_a = fit_similarity(points_a, points_b, weights / off.clamp_min(_floor(off, weights)))
    return b_from_a


def _fit_scale(
    points_a: Float[Tensor, "n k 3"], points_b: Float[Tensor, "n k 3"], weights: Float[Tensor, "n k"]
) -> Float[Tensor, "n"]:
    reweighted = weights
    scale = torch.ones_like(weights[:, 0])
    for _ in range(_ROUNDS + 1):
        along = (reweighted[..., None] * points_a * points_b).sum((1, 2))
        length = (reweighted[..., None] * points_a.square()).sum((1, 2))
        fitted = along / length.clamp_min(1e-30)
        scale = torch.where((fitted > 0) & (length > 0), fitted, scale)
        off = _lengths(scale[:, None, None] * points_a - points_b)
        reweighted = weights / off.clamp_min(_floor(off, weights))
    return scale


def _floor(off: Float[Tensor, "*batch n"], weights: Float[Tensor, "*#batch n"]) -> Float[Tensor, "*batch 1"]:
    """Smaller distances weigh as if they had this one, a part of the median: so weights stay finite."""
    median = off.where(weights > 0, torch.nan).nanmedian(-1, keepdim=True).values.nan_to_num(0.0)
    return (1e-2 * median).clamp_min(1e-30)
