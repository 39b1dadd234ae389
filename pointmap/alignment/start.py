"""A start that survives wrong groups: robust averages of all relations between views, then the cameras."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pointmap.alignment.averaging import Averaged, average
from pointmap.alignment.contradictions import named_contradictions
from pointmap.alignment.pixels import directions, sweep
from pointmap.alignment.problem import Problem
from pointmap.alignment.registration import Registered, fit_robustly, register
from pointmap.alignment.sampling import Sample
from pointmap.alignment.state import Fixed, State, move
from pointmap.geometry.cameras import pinhole
from pointmap.geometry.focal import focal_at_pixels
from pointmap.geometry.pnp import estimate_pose, estimate_pose_and_focal
from pointmap.geometry.similarity import align_cameras, split_similarity
from pointmap.geometry.transforms import rigid, transform_points
from pointmap.shapes import Bool, Float, Int

_PIXELS = 200
_RESECTION_PIXELS = 1500
_HARDLY = 0.1
"""Groups of a smaller weight are no reference for any view."""


@dataclass(frozen=True)
class Start:
    """Where the solver starts, and what it should not believe."""

    state: State
    """Without depths."""

    lost: list[int]
    """Views of which nothing tells where their camera is. The state is of use only without them."""

    group_weights: Float[Tensor, "groups"]
    """In [0, 1]: 1 for groups that agree with the others, towards 0 for those that contradict them."""

    contradictions: list[str]
    """One sentence per group that hardly counts."""


def place_views(problem: Problem, sample: Sample, focals: Float[Tensor, "views"], fixed: Fixed) -> Start:
    """Poses of all views and groups of a connected problem, in closed form.

    Args:
        focals: In pixels; those that are not fixed only begin the search.
    """
    registered, averaged = _averaged(problem, None)
    hardly = averaged.group_weights.to(problem.device) < _HARDLY
    reference = registered.reference[registered.reference >= 0]
    if bool(hardly[problem.group_of[reference]].any()):
        # A view's frame, and with it the camera, must not come from a group that the others contradict.
        registered, averaged = _averaged(problem, ~hardly[problem.group_of])
    device = problem.device
    world_from_view, world_from_group = averaged.world_from_view.to(device), averaged.world_from_group.to(device)
    _, rotation, offset = split_similarity(world_from_view)
    world_from_cam = rigid(rotation, offset)
    few = sample.fewer(_PIXELS)
    focals = _implied_focals(few, focals, fixed, registered)
    lost = sorted(set(problem.view_of.tolist()) - set(averaged.parts[0]))
    # Where no group is in a view's camera frame, its pixels and their world points have to tell where it is.
    unplaced = ~registered.in_camera & averaged.reached.to(device)
    for view in unplaced.nonzero()[:, 0].tolist():
        obs = int(registered.reference[view])
        seen = problem.sampled_weights[obs, : few.size] > 0
        points = problem.sampled_points[obs, :, : few.size].mT[seen].double()
        points = transform_points(world_from_view[view] @ registered.view_from_group[obs], points)
        offsets = few.offsets[view].mT[seen].double()
        height, width = problem.shapes[view]
        centre = torch.zeros(2).to(focals)
        if bool(fixed.focals[view]):
            estimate = estimate_pose(points, offsets, pinhole(focals[view], centre))
        else:
            estimate = estimate_pose_and_focal(points, offsets, (width, height), centre=centre)
        if estimate is None:
            lost.append(view)
            continue
        world_from_cam[view] = estimate.world_from_cam
        focals[view] = estimate.intrinsics[0, 0]
    focals = _one_per_camera(focals, fixed)
    return Start(
        State(world_from_cam, world_from_group, focals, torch.zeros_like(sample.offsets[:, 0])),
        lost,
        averaged.group_weights.to(device),
        named_contradictions(problem, averaged),
    )


def _averaged(problem: Problem, believed: Bool[Tensor, "obs"] | None) -> tuple[Registered, Averaged]:
    """All relations between views and groups, and their robust averages; see `register` for `believed`."""
    registered = register(
        problem.sampled_points,
        problem.sampled_weights,
        problem.view_of,
        problem.first,
        problem.num_views,
        believed=believed,
    )
    averaged = average(
        registered.view_from_group,
        registered.centres,
        registered.residuals,
        problem.mean_confidences.clamp_min(1).where(registered.determined, 0),
        problem.group_of,
        problem.view_of,
        problem.num_views,
        problem.num_groups,
    )
    return registered, averaged


def _implied_focals(
    sample: Sample, guesses: Float[Tensor, "views"], fixed: Fixed, registered: Registered
) -> Float[Tensor, "views"]:
    """What the mean of the pointmaps in each view's own frame implies; the guess where there is none."""
    residuals = registered.residuals[sample.obs_ids]
    reference = registered.reference[sample.view_of] == sample.obs_ids
    agrees = reference | (residuals <= 2 * residuals.median())
    own = (sample.first & registered.in_camera[sample.view_of] & agrees).nonzero()[:, 0]
    scale, _, _ = split_similarity(registered.view_from_group[sample.obs_ids[own]])
    weights = sample.weights[own, None]
    points = torch.zeros(sample.num_views, 3, sample.size).to(weights)
    points.index_add_(0, sample.view_of[own], weights * scale[:, None, None].float() * sample.points[own])
    focals = focal_at_pixels(points.mT, sample.offsets.mT, points[:, 2] != 0).double()
    ratio = focals / sample.offsets.abs().amax((1, 2)).double()
    # Comparisons with NaN are false.
    return torch.where(~fixed.focals & (ratio > 0.2) & (ratio < 20), focals, guesses)


def _one_per_camera(focals: Float[Tensor, "views"], fixed: Fixed) -> Float[Tensor, "views"]:
    """Views of one camera begin with the geometric mean of their focal lengths."""
    logs, free = focals.log(), (~fixed.focals).to(focals)
    total = torch.zeros_like(logs).index_add(0, fixed.cameras, logs * free)
    number = torch.zeros_like(logs).index_add(0, fixed.cameras, free)
    return torch.where(fixed.focals, focals, (total / number.clamp_min(1)).exp()[fixed.cameras])


def resect_cameras(sample: Sample, state: State, fixed: Fixed) -> State:
    """Place every camera by its pixels and the mean of what all groups predict for them (PnP).

    Predicted points err most along their rays, where pixels do not: without an optimisation afterwards such a camera is
    several times nearer to the truth than one from a fit of points to points.
    """
    few = sample.fewer(_RESECTION_PIXELS)
    weights = few.weights.double()
    total = few.sum_by_view(weights)
    predicted = move(state.world_from_group[few.group_of], few.points.double())
    points = few.sum_by_view(weights[:, None] * predicted) / total.clamp_min(1e-300)[:, None]
    world_from_cam = state.world_from_cam.clone()
    for view in few.view_of.unique().tolist():
        seen = total[view] > 0
        estimate = estimate_pose(
            points[view].mT[seen],
            few.offsets[view].double().mT[seen],
            pinhole(state.focals[view], torch.zeros(2).to(points)),
        )
        if estimate is not None and not bool(fixed.poses[view]):
            world_from_cam[view] = estimate.world_from_cam
    return replace(state, world_from_cam=world_from_cam)


def move_to_known_poses(sample: Sample, state: State, fixed: Fixed, known: Float[Tensor, "views 4 4"]) -> State:
    """Bring a state into the world of the poses that are known, and put those views there."""
    known_from_world = align_cameras(state.world_from_cam, known, fixed.poses.double())
    scale, rotation, _ = split_similarity(known_from_world)
    moved = rigid(
        rotation @ state.world_from_cam[:, :3, :3],
        transform_points(known_from_world, state.world_from_cam[:, :3, 3]),
    )
    world_from_cam = torch.where(fixed.poses[:, None, None], known, moved)
    few = sample.fewer(_PIXELS)
    depths = sweep(few, state).state.depths.double() * scale
    points = move(world_from_cam, depths[:, None] * directions(few.offsets, state.focals).double()).mT
    weights = few.sum_by_view(few.weights.double())
    return State(world_from_cam, fit_groups(few, points, weights), state.focals, state.depths)


def fit_groups(
    sample: Sample, points_world: Float[Tensor, "views k 3"], weights: Float[Tensor, "views k"]
) -> Float[Tensor, "groups 4 4"]:
    """Similarities that take every group's predictions nearest to given world points of its views."""
    members = _members(sample.group_of, sample.num_groups)
    present = (members >= 0)[..., None]
    views = sample.view_of[members]
    weight = (sample.weights.double()[members] * weights[views]).sqrt().where(present, 0)
    return fit_robustly(
        sample.points.double().mT[members].flatten(1, 2), points_world[views].flatten(1, 2), weight.flatten(1, 2)
    )


def _members(group_of: Int[Tensor, "obs"], num_groups: int) -> Int[Tensor, "groups slots"]:
    """Observations of each group, -1 where a group has fewer than the largest."""
    order = group_of.argsort(stable=True)
    counts = torch.bincount(group_of, minlength=num_groups)
    slot = torch.arange(len(group_of), device=group_of.device) - (counts.cumsum(0) - counts)[group_of[order]]
    members = torch.full((num_groups, int(counts.max())), -1, device=group_of.device)
    members[group_of[order], slot] = order
    return members
