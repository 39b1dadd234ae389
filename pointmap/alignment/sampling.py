"""A few pixels per view stand for all: what the solver works on.

The same pixels of a view are taken from every group that shows it, since they share one unknown depth. So views of all
sizes fit into one tensor, and memory does not grow with the image size.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from pointmap.alignment.problem import Problem
from pointmap.shapes import Float, Int


@dataclass(frozen=True)
class Sample:
    """The observations of a problem at k pixels per view. All float64.

    Points are stored as (3, k), not (k, 3): sums over three numbers side by side are slow.
    """

    group_of: Int[Tensor, "obs"]
    view_of: Int[Tensor, "obs"]
    members: Int[Tensor, "groups slots"]
    """Observations of each group, -1 where a group has fewer than the largest."""

    points: Float[Tensor, "obs 3 k"]
    """In the frame of the group."""

    weights: Float[Tensor, "obs k"]
    """Such that the weighted sum of distances estimates the objective over all pixels."""

    offsets: Float[Tensor, "views 2 k"]
    """(x, y) of the pixels from the principal point, in pixels; y stretched where pixels are not square, so that
    `offsets / focal` are the slopes of the rays."""

    @property
    def size(self) -> int:
        """Number of pixels per view."""
        return self.weights.shape[1]

    @property
    def num_groups(self) -> int:
        """Number of groups."""
        return self.members.shape[0]

    @property
    def num_views(self) -> int:
        """Number of views."""
        return self.offsets.shape[0]

    def sum_by_view(self, per_obs: Float[Tensor, "obs *rest"]) -> Float[Tensor, "views *rest"]:
        """Add up what the groups say of each view."""
        return per_obs.new_zeros(self.num_views, *per_obs.shape[1:]).index_add_(0, self.view_of, per_obs)

    def sum_by_group(self, per_obs: Float[Tensor, "obs *rest"]) -> Float[Tensor, "groups *rest"]:
        """Add up over the views of each group."""
        return per_obs.new_zeros(self.num_groups, *per_obs.shape[1:]).index_add_(0, self.group_of, per_obs)


def draw_sample(
    problem: Problem,
    centres: Float[Tensor, "views 2"],
    aspects: Float[Tensor, "views"],
    *,
    per_view: int,
    generator: torch.Generator,
) -> Sample:
    """Take about `per_view` pixels of each view, spread evenly, one at a random place in each stretch of the image.

    Args:
        centres: Principal points in pixels.
        aspects: Horizontal over vertical focal length.
        generator: On the CPU.
    """
    device = problem.side_scale.device
    sizes = [h * w for h, w in problem.shapes]
    k = min(per_view, max(sizes))
    obs, views = len(problem.points), problem.num_views
    points = torch.zeros(obs, 3, k, dtype=torch.float64, device=device)
    weights = torch.zeros(obs, k, dtype=torch.float64, device=device)
    offsets = torch.zeros(views, 2, k, dtype=torch.float64, device=device)
    chosen = [_spread_pixels(h, w, k, generator).to(device) for h, w in problem.shapes]
    for v, (h, w) in enumerate(problem.shapes):
        if h * w:
            n = len(chosen[v])
            xy = torch.stack([chosen[v] % w, chosen[v] // w], dim=-1).double() - centres[v]
            offsets[v, 0, :n] = xy[:, 0]
            offsets[v, 1, :n] = xy[:, 1] * aspects[v]
    for o, v in enumerate(problem.view_of.tolist()):
        n = len(chosen[v])
        points[o, :, :n] = problem.points[o].reshape(-1, 3)[chosen[v]].mT.double()
        weights[o, :n] = problem.weights[o].reshape(-1)[chosen[v]].double() * (sizes[v] / n)
    return Sample(
        group_of=problem.group_of,
        view_of=problem.view_of,
        members=_members(problem.group_of, problem.num_groups),
        points=points,
        weights=weights * problem.side_scale[:, None],
        offsets=offsets,
    )


def _spread_pixels(height: int, width: int, count: int, generator: torch.Generator) -> Int[Tensor, "n"]:
    pixels = height * width
    if pixels <= count:
        return torch.arange(pixels)
    # Cells of about equal size, at least one pixel wide each way; one random pixel per cell.
    rows = min(height, max(1, round((count * height / width) ** 0.5)))
    columns = min(width, max(1, count // rows))
    v, u = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    jitter = torch.rand(2, rows, columns, generator=generator, dtype=torch.float64)
    v = ((v + jitter[0]) * height / rows).long()
    u = ((u + jitter[1]) * width / columns).long()
    return (v * width + u).flatten()


def _members(group_of: Int[Tensor, "obs"], num_groups: int) -> Int[Tensor, "groups slots"]:
    counts = torch.bincount(group_of, minlength=num_groups)
    slot = torch.arange(len(group_of), device=group_of.device) - (counts.cumsum(0) - counts)[group_of]
    members = torch.full((num_groups, int(counts.max())), -1, device=group_of.device)
    members[group_of, slot] = torch.arange(len(group_of), device=group_of.device)
    return members
