"""Gradients of the solution of global alignment with respect to the predictions.

At the minimum theta of F(theta, X) the slope vanishes whatever the predictions X are, hence
d theta / dX = -H^-1 d2F / (d theta dX) with the Hessian H (implicit function theorem). Going backwards that is one
linear solve with H for the gradient of the caller's loss, and the gradient by X of the slope of F along that solution.
No step of the solver is differentiated, so that how it arrived does not matter.

What makes this well defined:

- F is the objective of `AlignmentObjective`, except that a distance |r| counts sqrt(|r|^2 + smoothing^2): the norm has
  no second derivative at 0. The solver's answer is first brought to the exact minimum of that.
- The objective does not know where the world is and how large. One registered camera (or all those that are kept) and
  the groups' weighted geometric mean scale stay as they are; gradients are along what is left.
- Motions that the predictions do not determine have no gradient (minimum-norm solution).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from pointmap.alignment.given import shared_cameras
from pointmap.alignment.objective import counting_problem
from pointmap.alignment.problem import AnyGroup, Observation, Problem, Weighting, cleaned
from pointmap.alignment.result import Alignment
from pointmap.alignment.run import align
from pointmap.alignment.smoothed import (
    Change,
    NewtonEquations,
    Sight,
    Unknowns,
    median_distance,
    polish,
    smoothed_loss,
)
from pointmap.errors import InputError
from pointmap.geometry.cameras import pinhole, pixel_grid
from pointmap.scene import Group, LazyGroup
from pointmap.shapes import Float, Int

_SMOOTHING = 1e-2
"""Of the median distance between prediction and solution."""


@dataclass(frozen=True, eq=False)
class DifferentiableAlignment:
    """A solution of global alignment as float64 tensors through which gradients reach the predictions.

    Frame, scale and fields as in `Alignment`.
    """

    world_from_cam: Float[Tensor, "views 4 4"]
    """Rigid poses; NaN where a view is not registered."""

    intrinsics: Float[Tensor, "views 3 3"]
    """Pinhole K of the working images; only focal lengths depend on the predictions."""

    depths: list[Float[Tensor, "_ _"]]
    """N z-depth maps (h, w); 0 where no group says anything, NaN if not registered."""

    world_from_group: Float[Tensor, "groups 4 4"]
    """Similarities; NaN for those left out."""

    loss: float
    """The smoothed objective over all pixels that count."""

    smoothing: float
    """That was used, in world units."""

    @property
    def focals(self) -> Float[Tensor, "views"]:
        """Horizontal focal lengths in pixels."""
        return self.intrinsics[:, 0, 0]


def differentiable_align(
    groups: Sequence[AnyGroup],
    start: Alignment | None = None,
    *,
    keep_focals: bool | Sequence[int] = False,
    keep_poses: bool | Sequence[int] = False,
    shared_focal: bool | Sequence[int] = False,
    masks: Sequence[Any] | None = None,
    weighting: Weighting = "log",
    smoothing: float | None = None,
    device: torch.device | str = "cpu",
) -> DifferentiableAlignment:
    """Align groups whose points and confidences are tensors that require gradients.

    The exact minimum near `start`, and on `backward` its derivative (see the top of this file). Group weights that the
    solver found are kept as numbers; soft priors, and what else is known beyond the settings here, take no part.

    Meant for some 10 views and 100 groups: 300 bytes and 4 microseconds of one core for every pixel of every
    observation (8 views of 64x48 in all pairs: 1.5 s, then 0.1 s for each `backward`), and the cube of 7 numbers per
    view and group. Masks thin out larger maps.

    Args:
        groups: Predictions; tensors that require gradients receive them.
        start: A solution of the same groups, from `align`; found when left out. It holds what is kept.
        keep_focals: True, or the numbers of the views whose focal lengths are known: they stay as in `start`.
        keep_poses: Likewise of poses. Two or more at different places set the scale, too.
        shared_focal: As in `align`: True, or a number per view; where it is the same, the focal lengths change alike.
        masks: Per view (h, w), True = keep, or None. Other pixels count nothing and have the depth 0.
        weighting: How confidences become weights.
        smoothing: Distances that are to count as small, in world units; default 1 % of the median distance in `start`.
            More of it makes gradients gentler and the solution less robust.

    Raises:
        InputError: As `align`; or there is no minimum near `start`, or `start` is of other groups.
    """
    if start is None:
        start = align([_detached(group) for group in groups], masks=masks, shared_focal=shared_focal)
    problem, group_weights = counting_problem(groups, start, masks=masks, weighting=weighting, device=device)
    intrinsics = torch.as_tensor(start.intrinsics).to(device).double()
    sights, pixels = _sights(problem, intrinsics, group_weights)
    unknowns = _unknowns(problem, sights, pixels, start)
    still = [replace(sight, points=sight.points.detach(), weights=sight.weights.detach()) for sight in sights]
    if smoothing is None:
        # Where everything agrees exactly, what float32 resolves of the scene.
        resolved = 1e-6 * float(torch.cat(unknowns.depths).abs().median())
        smoothing = max(_SMOOTHING * median_distance(still, unknowns), resolved)
    cameras = shared_cameras(shared_focal, problem.num_views)
    kept_poses, kept_focals = (_views(kept, problem.num_views) for kept in (keep_poses, keep_focals))
    moves = _free_moves(unknowns, sights, kept_poses, kept_focals, cameras, group_weights)
    at, equations = polish(still, unknowns, moves, smoothing)

    live = [tensor for sight in sights for tensor in (sight.points, sight.weights)]
    views, group_changes, *depth_changes = _Solution.apply(still, at, equations, smoothing, *live)
    solution = at.moved(Change(views, group_changes, depth_changes))
    registered = torch.zeros(problem.num_views, dtype=torch.bool, device=device)
    registered[[sight.view for sight in sights]] = True
    depths = [torch.full((h * w,), torch.nan, dtype=torch.float64, device=device) for h, w in problem.shapes]
    for sight, place, depth in zip(sights, pixels, solution.depths, strict=True):
        depths[sight.view] = torch.zeros_like(depths[sight.view]).index_put((place,), depth.clamp_min(0))
    matrices = pinhole(solution.focals, intrinsics[:, :2, 2])
    matrices[:, 1, 1] *= intrinsics[:, 1, 1] / intrinsics[:, 0, 0]
    similarities = torch.full((len(groups), 4, 4), torch.nan, dtype=torch.float64, device=device)
    return DifferentiableAlignment(
        world_from_cam=torch.where(registered[:, None, None], solution.world_from_cam, torch.nan),
        intrinsics=matrices,
        depths=[depth.reshape(shape) for depth, shape in zip(depths, problem.shapes, strict=True)],
        world_from_group=similarities.index_put((problem.group_ids,), solution.world_from_group),
        loss=float(smoothed_loss(still, at, smoothing)),
        smoothing=smoothing,
    )


class _Solution(torch.autograd.Function):
    """Changes of the solution, all 0, whose gradients lead to the points and weights of all sights."""

    @staticmethod
    def forward(
        ctx: Any, sights: list[Sight], at: Unknowns, equations: NewtonEquations, smoothing: float, *live: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.sights, ctx.at, ctx.equations, ctx.smoothing = sights, at, equations, smoothing
        slope = equations.slope.scaled(0.0)
        return slope.views, slope.groups, *slope.depths

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, views: Tensor, groups: Tensor, *depths: Tensor) -> tuple[Tensor | None, ...]:
        answer = ctx.equations.solve(Change(views, groups, list(depths)))
        gradients: list[Tensor] = []
        for number, sight in enumerate(ctx.sights):
            with torch.enable_grad():
                points, weights = sight.points.clone().requires_grad_(), sight.weights.clone().requires_grad_()
                along = torch.zeros((), dtype=points.dtype, device=points.device, requires_grad=True)
                moved = ctx.at.moved(answer.scaled(along))
                part = smoothed_loss(
                    [replace(sight, points=points, weights=weights)],
                    replace(moved, depths=[moved.depths[number]]),
                    ctx.smoothing,
                )
                (slope,) = torch.autograd.grad(part, along, create_graph=True)
                gradients += torch.autograd.grad(-slope, [points, weights])
        return None, None, None, None, *gradients


def _views(kept: bool | Sequence[int], count: int) -> list[int]:
    if isinstance(kept, bool):
        return list(range(count)) if kept else []
    if not all(0 <= view < count for view in kept):
        raise InputError(f"Got {list(kept)} as the views to keep, but there are {count} views (0 to {count - 1}).")
    return list(kept)


def _detached(group: AnyGroup) -> AnyGroup:
    if isinstance(group, LazyGroup):
        return group
    maps = [[torch.as_tensor(array).detach() for array in arrays] for arrays in (group.points, group.confidences)]
    return Group(group.views, *maps)


def _sights(
    problem: Problem, intrinsics: Float[Tensor, "views 3 3"], group_weights: Float[Tensor, "groups"]
) -> tuple[list[Sight], list[Int[Tensor, "_"]]]:
    """What is seen of each registered view, still attached to the caller's tensors; and at which pixels."""
    sights, pixels = [], []
    for view in problem.view_of.unique().tolist():
        shown = (problem.view_of == view).nonzero()[:, 0].tolist()
        seen = [_attached(problem, o) for o in shown]
        groups = problem.group_of[shown]
        scale = problem.side_scale[shown] * group_weights[groups]
        weights = torch.stack([one.weights.reshape(-1) for one in seen]).double() * scale[:, None]
        place = (weights > 0).any(0).nonzero()[:, 0]
        grid = pixel_grid(*problem.shapes[view], device=problem.device, dtype=torch.float64).reshape(-1, 2)
        offsets = (grid[place] - intrinsics[view, :2, 2]).mT.contiguous()
        offsets[1] *= intrinsics[view, 0, 0] / intrinsics[view, 1, 1]
        points = torch.stack([one.points.reshape(-1, 3)[place].mT for one in seen]).double()
        sights.append(Sight(view, groups, points, weights[:, place], offsets))
        pixels.append(place)
    return sights, pixels


def _attached(problem: Problem, obs: int) -> Observation:
    """`Problem.observation`, but in the caller's precision and through which gradients flow back."""
    group, slot = problem.fetch(int(problem.group_of[obs])), int(problem.slot_of[obs])
    points, confidence = (torch.as_tensor(maps[slot]).to(problem.device) for maps in (group.points, group.confidences))
    return cleaned(points, confidence, problem.weighting, problem.masks[int(problem.view_of[obs])])


def _unknowns(problem: Problem, sights: list[Sight], pixels: list[Int[Tensor, "_"]], start: Alignment) -> Unknowns:
    """Where the start is."""

    def tensor(array: np.ndarray) -> Tensor:
        return torch.as_tensor(array).to(problem.device).double()

    poses = torch.eye(4).to(problem.device).double().repeat(problem.num_views, 1, 1)
    registered = [sight.view for sight in sights]
    poses[registered] = tensor(start.world_from_cam)[registered]
    return Unknowns(
        world_from_cam=poses,
        world_from_group=tensor(start.world_from_group)[problem.group_ids],
        focals=tensor(start.intrinsics)[:, 0, 0],
        depths=[
            tensor(start.depths[sight.view]).reshape(-1)[place] for sight, place in zip(sights, pixels, strict=True)
        ],
    )


def _free_moves(
    at: Unknowns,
    sights: list[Sight],
    keep_poses: list[int],
    keep_focals: list[int],
    cameras: Int[Tensor, "views"],
    group_weights: Float[Tensor, "groups"],
) -> Float[Tensor, "cameras free"]:
    """One column per free motion of views and groups; what is kept, and the world's frame and scale, have none."""
    views, groups = len(at.focals), len(at.world_from_group)
    motions = torch.eye(7 * (views + groups)).to(at.focals)
    of_view = torch.arange(7 * views).reshape(views, 7)
    of_group = 7 * views + torch.arange(7 * groups).reshape(groups, 7)
    free = torch.ones(len(motions), dtype=torch.bool)
    registered = [sight.view for sight in sights]
    kept = sorted(set(keep_poses) & set(registered)) or registered[:1]
    absent = sorted(set(range(views)) - set(registered))
    free[of_view[kept, :6]] = False
    free[of_view[absent]] = False
    free[of_view[keep_focals, 6]] = False
    for camera in cameras.unique().tolist():
        # Logarithms of focal lengths that are one change alike: the first stands for all.
        together = of_view[(cameras == camera).nonzero()[:, 0], 6]
        together = together[free[together]]
        if len(together) > 1:
            motions[together, together[0]] = 1.0
            free[together[1:]] = False
    centres = at.world_from_cam[kept, :3, 3]
    if float((centres - centres[0]).norm(dim=-1).max()) <= 1e-9 * float(1 + centres.norm(dim=-1).max()):
        # The scale of one group makes up for what all others do, and keeps their mean as the solver does.
        log_scales, most = of_group[:, 6], int(group_weights.argmax())
        motions[log_scales[most], log_scales] = -group_weights / group_weights[most]
        free[log_scales[most]] = False
    return motions[:, free]
