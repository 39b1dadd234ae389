"""What bundle adjustment knows and varies: matches as rays with depths, cameras, and the distances they leave."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pointmap.alignment.state import move
from pointmap.geometry.matching import PairMatches
from pointmap.geometry.transforms import invert_rigid
from pointmap.shapes import Bool, Float, Int

FINAL_WIDTH = 3.0
"""Where the robust cost turns flat, and up to which a match is an inlier, in units of the noise: 99 % of a Gaussian in
two dimensions."""

SCALE_SIGMA = 0.5
"""Of the logarithm of the factor between a view's depth map and the world. Far wider than such factors are: it is there
to keep what the matches leave open."""

_BLOCK = 128
_STEPS_PER_PIXEL = 64
"""Pixels of one view that are nearer than a step show one point."""

_NEAREST = 1e-3
"""Part of its depth in the one view that a point must be in front of the other."""


@dataclass(frozen=True)
class Matched:
    """The matches, in blocks of k of one list each. A point lies on the ray of its pixel in view i, its host.

    A list has its host's pixels on a grid, as a rule, so that one point has matches in several other views.
    """

    view_i: Int[Tensor, "lists"]
    view_j: Int[Tensor, "lists"]
    list_of: Int[Tensor, "blocks"]
    point_of: Int[Tensor, "blocks k"]
    offsets_i: Float[Tensor, "blocks 2 k"]
    """From the principal point of i, in pixels."""
    offsets_j: Float[Tensor, "blocks 2 k"]
    """From the principal point of j, in units of the noise."""
    weights: Float[Tensor, "blocks k"]
    """0 fills the last block of a list."""
    source: list[Int[Tensor, "_"]]
    """Per list, where each of its matches is among all places of all blocks."""

    host: Int[Tensor, "points"]
    log_prior: Float[Tensor, "points"]
    """Logarithm of what the host's depth map says."""
    has_prior: Bool[Tensor, "points"]

    aspects: Float[Tensor, "views"]
    """fx / fy."""
    noise_px: float
    depth_sigma: float
    focal_sigma: float
    start_log_focals: Float[Tensor, "views"]
    """At the middle of the prior."""

    @property
    def num_views(self) -> int:
        return len(self.aspects)

    def sum_by_point(self, values: Float[Tensor, "blocks k"]) -> Float[Tensor, "points"]:
        """Add what the matches of each point say."""
        return values.new_zeros(len(self.host)).index_add(0, self.point_of.flatten(), values.flatten())


@dataclass(frozen=True)
class Unknowns:
    """What is varied. All float64."""

    world_from_cam: Float[Tensor, "views 4 4"]
    log_focals: Float[Tensor, "views"]
    """Of fx in pixels."""
    log_scales: Float[Tensor, "views"]
    """Of the factor from a view's depth map to the world."""
    log_depths: Float[Tensor, "points"]
    """Of the z-depth in the host."""


def lay_out(
    matches: Sequence[PairMatches],
    intrinsics: Float[Tensor, "views 3 3"],
    depths: Sequence[Float[Tensor, "_ _"]],
    *,
    noise_px: float,
    depth_sigma: float,
    focal_sigma: float,
) -> Matched:
    """Bring lists of matches, none of them empty, into blocks, and find which of them share a point."""
    device, centres = intrinsics.device, intrinsics[:, :2, 2]
    view_i = torch.tensor([pair.view_i for pair in matches], device=device)
    view_j = torch.tensor([pair.view_j for pair in matches], device=device)
    counts = [len(pair.weights) for pair in matches]
    ends = torch.tensor([-(-count // _BLOCK) for count in counts]).cumsum(0)
    list_of = torch.repeat_interleave(torch.arange(len(matches)), ends.diff(prepend=ends.new_zeros(1))).to(device)
    starts = (ends.roll(1) * _BLOCK).tolist()
    starts[0] = 0
    source = [torch.arange(start, start + count, device=device) for start, count in zip(starts, counts, strict=True)]
    places = torch.cat(source)

    pixels_i = torch.cat([pair.pixels_i for pair in matches]).to(centres)
    pixels_j = torch.cat([pair.pixels_j for pair in matches]).to(centres)
    weights = torch.cat([pair.weights for pair in matches]).to(centres)
    usable = pixels_i.isfinite().all(1) & pixels_j.isfinite().all(1) & weights.isfinite()
    list_of_match = torch.repeat_interleave(torch.arange(len(matches)), torch.tensor(counts)).to(device)
    offsets_i = torch.where(usable[:, None], pixels_i - centres[view_i][list_of_match], 0)
    offsets_j = torch.where(usable[:, None], pixels_j - centres[view_j][list_of_match], 0) / noise_px
    weights = torch.where(usable, weights, 0)

    host, representative, point_of = _points(view_i[list_of_match], offsets_i)
    log_prior, has_prior = _priors(host, (offsets_i + centres[view_i][list_of_match])[representative], depths)

    def blocks(values: Tensor) -> Tensor:
        """(matches, ...) -> (blocks, ..., k)."""
        filled = values.new_zeros(len(list_of) * _BLOCK, *values.shape[1:])
        filled[places] = values
        return filled.unflatten(0, (len(list_of), _BLOCK)).movedim(1, -1).contiguous()

    return Matched(
        view_i=view_i,
        view_j=view_j,
        list_of=list_of,
        point_of=blocks(point_of),
        offsets_i=blocks(offsets_i),
        offsets_j=blocks(offsets_j),
        weights=blocks(weights),
        source=source,
        host=host,
        log_prior=log_prior,
        has_prior=has_prior,
        aspects=intrinsics[:, 0, 0] / intrinsics[:, 1, 1],
        noise_px=noise_px,
        depth_sigma=depth_sigma,
        focal_sigma=focal_sigma,
        start_log_focals=intrinsics[:, 0, 0].log(),
    )


def _points(
    host: Int[Tensor, "matches"], pixels: Float[Tensor, "matches 2"]
) -> tuple[Int[Tensor, "points"], Int[Tensor, "points"], Int[Tensor, "matches"]]:
    """Host of each point, one match of it, and the point of each match."""
    steps = (pixels * _STEPS_PER_PIXEL).round().long() + 2**21
    keys = (host << 44) + (steps[:, 1] << 22) + steps[:, 0]
    point_of = torch.unique(keys, return_inverse=True)[1]
    count = int(point_of.max()) + 1
    order = torch.arange(len(keys), device=keys.device)
    representative = torch.full((count,), len(keys), device=keys.device).scatter_reduce(0, point_of, order, "amin")
    return host[representative], representative, point_of


def _priors(
    host: Int[Tensor, "points"], pixels: Float[Tensor, "points 2"], depths: Sequence[Float[Tensor, "_ _"]]
) -> tuple[Float[Tensor, "points"], Bool[Tensor, "points"]]:
    """Log depth of each point in its host's map, between pixels bilinear, and where there is one.

    Elsewhere the number is the median of the map, a place to start.
    """
    log_prior, has_prior = pixels.new_zeros(len(host)), torch.zeros(len(host), dtype=torch.bool, device=host.device)
    for view in torch.unique(host).tolist():
        of_view = host == view
        depth = depths[view].to(pixels)
        log_depth = torch.where(depth > 0, depth, torch.nan).log()
        x, y = pixels[of_view].unbind(1)
        height, width = depth.shape
        left, top = (x.floor().long().clamp(0, max(width - 2, 0)), y.floor().long().clamp(0, max(height - 2, 0)))
        right, bottom = (left + 1).clamp_max(width - 1), (top + 1).clamp_max(height - 1)
        across, down = (x - left).clamp(0, 1), (y - top).clamp(0, 1)
        # NaN in a corner with a part in it is NaN in the sum.
        corners = [
            (part * log_depth[rows, columns]).where(part > 0, 0)
            for part, rows, columns in (
                ((1 - across) * (1 - down), top, left),
                (across * (1 - down), top, right),
                ((1 - across) * down, bottom, left),
                (across * down, bottom, right),
            )
        ]
        found = torch.stack(corners).sum(0)
        median = log_depth.nanmedian().nan_to_num(0.0)
        has_prior[of_view] = found.isfinite()
        log_prior[of_view] = torch.where(found.isfinite(), found, median)
    return log_prior, has_prior


class Reprojection:
    """The points in both views of every match, and how far from the pixel of j they appear."""

    def __init__(self, matched: Matched, at: Unknowns) -> None:
        self.matched, self.at = matched, at
        self.j_from_i = invert_rigid(at.world_from_cam[matched.view_j]) @ at.world_from_cam[matched.view_i]
        focals = at.log_focals.exp()
        both = torch.stack([focals, focals / matched.aspects], dim=1)
        focals_i = both[matched.view_i][matched.list_of][..., None]
        self.focals_j = both[matched.view_j][matched.list_of][..., None] / matched.noise_px
        depths = at.log_depths.exp()[matched.point_of]
        slopes = matched.offsets_i / focals_i
        self.points_i: Float[Tensor, "blocks 3 k"] = depths[:, None] * torch.cat(
            [slopes, torch.ones_like(slopes[:, :1])], dim=1
        )
        self.points_j: Float[Tensor, "blocks 3 k"] = move(self.j_from_i[matched.list_of], self.points_i)
        self.in_front: Bool[Tensor, "blocks k"] = self.points_j[:, 2] > _NEAREST * depths
        z = self.points_j[:, 2].where(self.in_front, 1.0)[:, None]
        self.projected: Float[Tensor, "blocks 2 k"] = self.focals_j * self.points_j[:, :2] / z
        self.residuals: Float[Tensor, "blocks 2 k"] = self.projected - matched.offsets_j
        """In units of the noise."""
        self.squared = self.residuals.square().sum(1).where(self.in_front, torch.inf)
        self.off_prior = (at.log_depths - matched.log_prior - at.log_scales[matched.host]) / matched.depth_sigma

    def cost(self, width: float, cameras: Int[Tensor, "views"]) -> float:
        """What is minimised: Geman-McClure on the matches, Cauchy on the depths, squares on scales and focal lengths.

        Args:
            width: In units of the noise. It also stands for the noise: the wider, the more the depth maps count.
            cameras: Views with the same number have one focal length, and one prior on it.
        """
        matched, at = self.matched, self.at
        # w r^2 / (r^2 + c^2), written so that what is behind the camera costs no more than what is far off.
        of_matches = (matched.weights * (1 - width**2 / (width**2 + self.squared))).sum() * FINAL_WIDTH**2
        of_depths = (self.off_prior.square().log1p() * matched.has_prior).sum()
        of_scales = (at.log_scales / SCALE_SIGMA).square().sum()
        changes = ((at.log_focals - matched.start_log_focals) / matched.focal_sigma).square()
        of_focals = (changes / torch.bincount(cameras)[cameras]).sum()
        return float(of_matches + of_depths + of_scales + of_focals)

    def match_weights(self, width: float) -> Float[Tensor, "blocks k"]:
        """Of the squared residuals: the slope of the robust cost; 0 behind the camera."""
        return self.matched.weights * (FINAL_WIDTH * width / (width**2 + self.squared)).square()

    def inliers(self, width: float) -> Bool[Tensor, "blocks k"]:
        """True where the match agrees with the cameras."""
        return (self.squared < width**2) & (self.matched.weights > 0)
