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
    """Some pixels of one view, with all its observations."""

    view: int
    obs: slice
    pixels: slice


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
            chunks=_chunks(self.view_of, size),
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
        chunks=_chunks(view_of, size),
    )


def pixel_runs(pixels: int, observations: int, device: torch.device) -> list[slice]:
    """Runs of pixels that are few enough, with so many observations of each, to be worked on at a time."""
    most = _CHUNK.get(device.type, _CHUNK["cpu"])
    step = max(256, most // max(1, observations))
    return [slice(begin, min(begin + step, pixels)) for begin in range(0, pixels, step)]


def _chunks(view_of: Int[Tensor, "obs"], size: int) -> list[Chunk]:
    """All pixels of all observations, which are sorted by view."""
    chunks, begin = [], 0
    for view, number in enumerate(torch.bincount(view_of).tolist() if len(view_of) else []):
        if number:
            obs = slice(begin, begin + number)
            chunks += [Chunk(view, obs, pixels) for pixels in pixel_runs(size, number, view_of.device)]
        begin += number
    return chunks
