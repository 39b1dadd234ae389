"""A few pixels per view stand for all: what the solver works on.

The same pixels of a view are taken from every group that shows it, since they share one unknown depth. So views of all
sizes fit into one tensor, and memory does not grow with the image size.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pointmap.alignment.problem import Problem
from pointmap.shapes import Bool, Float, Int

_CHUNK = {"cpu": 40_000, "cuda": 8_000_000}
"""Points that are worked on at a time. On a processor, twenty numbers for each of them have to stay in its cache."""


@dataclass(frozen=True)
class Chunk:
    """Some pixels of some views, with all their observations."""

    views: slice
    """The views from here to there; some may have none."""

    obs: slice

    pixels: slice

    local_view: Int[Tensor, "n"] | None
    """Of each of these observations: the place of its view among the chunk's; None where that is one view alone."""

    def spread(self, per_view: Float[Tensor, "views *rest"]) -> Float[Tensor, "n *rest"]:
        """To each observation what its view has."""
        return per_view if self.local_view is None else per_view[self.local_view]

    def gather(self, per_obs: Float[Tensor, "n *rest"]) -> Float[Tensor, "views *rest"]:
        """Sums over the observations of each view."""
        if self.local_view is None:
            return per_obs.sum(0, keepdim=True)
        views = self.views.stop - self.views.start
        return per_obs.new_zeros(views, *per_obs.shape[1:]).index_add_(0, self.local_view, per_obs)


@dataclass(frozen=True)
class Sample:
    """The observations of a problem at k pixels per view, those of one view after each other.

    Points are stored as (3, k), not (k, 3): sums over three numbers side by side are slow. Numbers per pixel are
    float32, those per observation float64.
    """

    num_views: int
    num_groups: int

    group_of: Int[Tensor, "obs"]
    view_of: Int[Tensor, "obs"]

    first: Bool[Tensor, "obs"]
    """True where the observation shows the view in whose camera frame its group is."""

    obs_ids: Int[Tensor, "obs"]
    """Place of each observation in the problem."""

    points: Float[Tensor, "obs 3 k"]
    """In the frame of the group."""

    weights: Float[Tensor, "obs k"]
    """Such that the weighted sum of distances estimates the objective over all pixels."""

    offsets: Float[Tensor, "views 2 k"]
    """(x, y) of the pixels from the principal point, in pixels; y stretched where pixels are not square, so that
    `offsets / focal` are the slopes of the rays."""

    half_sides: Float[Tensor, "views"]
    """Largest of these offsets."""

    group_weights: Float[Tensor, "groups"]
    """In [0, 1]: how much each group counts; contained in `weights`."""

    counts: Int[Tensor, "views"]
    """Number of pixels of each view that are taken; points and weights beyond are 0."""

    chunks: list[Chunk]

    @property
    def size(self) -> int:
        """Number of pixels per view."""
        return self.weights.shape[1]

    @property
    def device(self) -> torch.device:
        """Where all tensors are."""
        return self.points.device

    def sum_by_view(self, per_obs: Float[Tensor, "obs *rest"]) -> Float[Tensor, "views *rest"]:
        """Add up what the groups say of each view."""
        return per_obs.new_zeros(self.num_views, *per_obs.shape[1:]).index_add_(0, self.view_of, per_obs)

    def sum_by_group(self, per_obs: Float[Tensor, "obs *rest"]) -> Float[Tensor, "groups *rest"]:
        """Add up over the views of each group."""
        return per_obs.new_zeros(self.num_groups, *per_obs.shape[1:]).index_add_(0, self.group_of, per_obs)

    def fewer(self, size: int) -> "Sample":
        """The first pixels of each view alone, which are spread as evenly."""
        if size >= self.size:
            return self
        counts = self.counts.clamp_max(size)
        share = self.counts / counts.clamp_min(1)
        weights = self.weights[:, :size] * share[self.view_of, None].float()
        return replace(
            self,
            points=self.points[:, :, :size].contiguous(),
            weights=weights,
            offsets=self.offsets[:, :, :size].contiguous(),
            counts=counts,
            chunks=split(self.view_of, size),
        )

    def reweighted(self, group_weights: Float[Tensor, "groups"]) -> "Sample":
        """The groups counting as much as given."""
        change = group_weights / self.group_weights.clamp_min(1e-12)
        return replace(
            self,
            weights=self.weights * change[self.group_of, None].float(),
            group_weights=group_weights.clamp_min(1e-12),
        )


def draw_sample(problem: Problem, centres: Float[Tensor, "views 2"], aspects: Float[Tensor, "views"]) -> Sample:
    """The sampled pixels of a problem, ready for the solver.

    Args:
        centres: Principal points in pixels.
        aspects: Horizontal over vertical focal length.
    """
    order = problem.view_of.argsort(stable=True)
    view_of = problem.view_of[order]
    size = problem.sampled_weights.shape[1]
    offsets = torch.zeros(problem.num_views, 2, size, dtype=torch.float32, device=problem.device)
    populations = torch.zeros(problem.num_views, dtype=torch.float64, device=problem.device)
    counts = torch.tensor([len(place) for place in problem.pixels], device=problem.device)
    for view, (place, (height, width), mask) in enumerate(
        zip(problem.pixels, problem.shapes, problem.masks, strict=True)
    ):
        if len(place):
            xy = torch.stack([place % width, place // width]).double() - centres[view, :, None]
            xy[1] *= aspects[view]
            offsets[view, :, : len(place)] = xy.float()
            populations[view] = height * width if mask is None else int(mask.sum())
    share = populations / counts.clamp_min(1)
    weights = problem.sampled_weights[order] * (share[view_of] * problem.side_scale[order])[:, None].float()
    return Sample(
        num_views=problem.num_views,
        num_groups=problem.num_groups,
        group_of=problem.group_of[order],
        view_of=view_of,
        first=problem.first[order],
        obs_ids=order,
        points=problem.sampled_points[order],
        weights=weights,
        offsets=offsets,
        half_sides=offsets.abs().amax((1, 2)).clamp_min(0.5).double(),
        group_weights=torch.ones(problem.num_groups, dtype=torch.float64, device=problem.device),
        counts=counts,
        chunks=split(view_of, size),
    )


def split(view_of: Int[Tensor, "obs"], size: int) -> list[Chunk]:
    """Runs of whole views, and of pixels where one view alone has too many.

    Args:
        view_of: Of observations that are sorted by view.
        size: Number of pixels per view.
    """
    most = _CHUNK.get(view_of.device.type, _CHUNK["cpu"])
    numbers = torch.bincount(view_of).tolist() if len(view_of) else []
    chunks, first_view, first_obs, obs = [], 0, 0, 0
    for view, number in enumerate(numbers):
        obs += number
        points = (obs - first_obs) * size
        following = numbers[view + 1] * size if view + 1 < len(numbers) else most
        if points + following <= most:
            continue
        part, shown = slice(first_obs, obs), [v for v in range(first_view, view + 1) if numbers[v]]
        alone = len(shown) == 1
        views = slice(shown[0], shown[0] + 1) if alone else slice(first_view, view + 1)
        local = None if alone else view_of[part] - first_view
        step = max(256, most // max(1, obs - first_obs))
        if obs > first_obs:
            chunks += [Chunk(views, part, slice(k, min(k + step, size)), local) for k in range(0, size, step)]
        first_view, first_obs = view + 1, obs
    return chunks
