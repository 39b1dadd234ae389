"""A start in closed form: similarities along the spanning tree, then all other groups, then the cameras."""

from dataclasses import replace

import torch
from torch import Tensor

from pointmap.alignment.pixels import directions, sweep
from pointmap.alignment.problem import Problem, group_scores
from pointmap.alignment.sampling import Sample
from pointmap.alignment.spanning_tree import Tree
from pointmap.alignment.state import Fixed, State, move
from pointmap.geometry.cameras import pinhole
from pointmap.geometry.focal import focal_at_pixels
from pointmap.geometry.pnp import estimate_pose, estimate_pose_and_focal
from pointmap.geometry.similarity import align_cameras, fit_similarity, split_similarity
from pointmap.geometry.transforms import rigid, transform_points
from pointmap.shapes import Float, Int

_FIT_ROUNDS = 4
_PIXELS = 200
_RESECTION_PIXELS = 1500


def place_along_tree(
    problem: Problem, sample: Sample, tree: Tree, focals: Float[Tensor, "views"], fixed: Fixed
) -> tuple[State, list[int]]:
    """State of all views and groups of a connected part, in the frame of the group of its strongest tie.

    Args:
        focals: In pixels; those that are not fixed only begin the search.

    Returns:
        The state, without depths, and the views of the part whose camera could not be found.
    """
    sample = sample.fewer(_PIXELS)
    world_from_group, points, weights = _chain(problem, sample, tree)
    # Groups outside the tree: each to all of its views at once. Those of the tree stay where they are.
    loose = world_from_group.isnan().any(-1).any(-1)
    world_from_group[loose] = fit_groups(sample, points, weights)[loose]
    world_from_cam = torch.eye(4, dtype=torch.float64, device=points.device).repeat(problem.num_views, 1, 1)
    focals, lost = _implied_focals(sample, focals, fixed), []
    own = _best_own_group(problem)
    for view in tree.views:
        if view in own:
            _, rotation, offset = split_similarity(world_from_group[own[view]])
            world_from_cam[view] = rigid(rotation, offset)
            continue
        # No group is in this camera's frame: its pixels and their world points have to tell where it is.
        seen = weights[view] > 0
        height, width = problem.shapes[view]
        offsets = sample.offsets[view].mT[seen].double()
        if bool(fixed.focals[view]):
            estimate = estimate_pose(points[view][seen], offsets, pinhole(focals[view], torch.zeros(2).to(focals)))
        else:
            centre = torch.zeros(2).to(focals)
            estimate = estimate_pose_and_focal(points[view][seen], offsets, (width, height), centre=centre)
        if estimate is None:
            lost.append(view)
            continue
        world_from_cam[view] = estimate.world_from_cam
        focals[view] = estimate.intrinsics[0, 0]
    focals = _one_per_camera(focals, fixed)
    return State(world_from_cam, world_from_group, focals, torch.zeros_like(sample.offsets[:, 0])), lost


def _implied_focals(sample: Sample, guesses: Float[Tensor, "views"], fixed: Fixed) -> Float[Tensor, "views"]:
    """Median of the focal lengths that the pointmaps in each view's own frame imply; the guess where there is none."""
    own = sample.first.nonzero()[:, 0]
    votes = focal_at_pixels(
        sample.points[own].mT, sample.offsets[sample.view_of[own]].mT, sample.weights[own] > 0
    ).double()
    focals = guesses.clone()
    half_side = sample.offsets.abs().amax((1, 2)).double()
    for view in (~fixed.focals).nonzero()[:, 0].tolist():
        of_view = votes[sample.view_of[own] == view]
        of_view = of_view[of_view.isfinite() & (of_view > 0.2 * half_side[view]) & (of_view < 20 * half_side[view])]
        if len(of_view):
            focals[view] = of_view.quantile(0.5)
    return focals


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
    depths = sweep(few, state, None, rounds=4).state.depths.double() * scale
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
    return _fit_robustly(
        sample.points.double().mT[members].flatten(1, 2), points_world[views].flatten(1, 2), weight.flatten(1, 2)
    )


def _chain(
    problem: Problem, sample: Sample, tree: Tree
) -> tuple[Float[Tensor, "groups 4 4"], Float[Tensor, "views k 3"], Float[Tensor, "views k"]]:
    """Similarities of the groups on the tree (NaN elsewhere), and the views' points in their common frame."""
    device = sample.points.device
    views, groups = sample.view_of.tolist(), sample.group_of.tolist()
    obs_of = {(g, v): o for o, (g, v) in reversed(list(enumerate(zip(groups, views, strict=True))))}
    world_from_group = torch.full((problem.num_groups, 4, 4), torch.nan, dtype=torch.float64, device=device)
    predicted, sampled_weights = sample.points.double().mT, sample.weights.double()
    points = torch.zeros(problem.num_views, *predicted.shape[1:], dtype=torch.float64, device=device)
    weights = torch.zeros(problem.num_views, predicted.shape[1], dtype=torch.float64, device=device)
    if tree.edges:
        origin = tree.edges[0].group
    else:
        scores = group_scores(problem)
        origin = max((g for g, v in obs_of if v == tree.root), key=lambda g: float(scores[g]))
    world_from_group[origin] = torch.eye(4)
    root = obs_of[origin, tree.root]
    points[tree.root], weights[tree.root] = predicted[root], sampled_weights[root]
    for edge in tree.edges:
        known, new = obs_of[edge.group, edge.known], obs_of[edge.group, edge.new]
        if bool(world_from_group[edge.group].isnan().any()):
            weight = (sampled_weights[known] * weights[edge.known]).sqrt()
            world_from_group[edge.group] = _fit_robustly(predicted[known], points[edge.known], weight)
        points[edge.new] = transform_points(world_from_group[edge.group], predicted[new])
        weights[edge.new] = sampled_weights[new]
    return world_from_group, points, weights


def _fit_robustly(
    points_a: Float[Tensor, "*batch n 3"], points_b: Float[Tensor, "*batch n 3"], weights: Float[Tensor, "*batch n"]
) -> Float[Tensor, "*batch 4 4"]:
    """The similarity of about the least sum of distances: `fit_similarity`, reweighted."""
    b_from_a = fit_similarity(points_a, points_b, weights)
    for _ in range(_FIT_ROUNDS):
        distances = (transform_points(b_from_a, points_a) - points_b).norm(dim=-1)
        floor = 1e-2 * distances.where(weights > 0, torch.nan).nanmedian(-1, keepdim=True).values.nan_to_num(0.0)
        b_from_a = fit_similarity(points_a, points_b, weights / distances.clamp_min(floor.clamp_min(1e-150)))
    return b_from_a


def _best_own_group(problem: Problem) -> dict[int, int]:
    """For every view in whose camera frame some group is: the most reliable of these groups."""
    scores = group_scores(problem).tolist()
    best: dict[int, int] = {}
    for group, view, first in zip(
        problem.group_of.tolist(), problem.view_of.tolist(), problem.first.tolist(), strict=True
    ):
        if first and (view not in best or scores[group] > scores[best[view]]):
            best[view] = group
    return best


def _members(group_of: Int[Tensor, "obs"], num_groups: int) -> Int[Tensor, "groups slots"]:
    """Observations of each group, -1 where a group has fewer than the largest."""
    order = group_of.argsort(stable=True)
    counts = torch.bincount(group_of, minlength=num_groups)
    slot = torch.arange(len(group_of), device=group_of.device) - (counts.cumsum(0) - counts)[group_of[order]]
    members = torch.full((num_groups, int(counts.max())), -1, device=group_of.device)
    members[group_of[order], slot] = order
    return members
