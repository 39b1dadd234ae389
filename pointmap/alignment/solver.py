"""The fast solver: reweighted least squares on the objective of `pointmap.alignment.objective`.

A norm is a weighted square whose weights are one over the distance (IRLS; Weiszfeld 1937). With weights and depths fixed,
the similarities of all views and groups see the pixels only through 4x4 moments, so that a Levenberg-Marquardt step on
Sim(3) costs one pass over the pixels and one small linear system; with the similarities fixed, depths and focal lengths
have closed forms. The two alternate.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pointmap.alignment.sampling import Sample
from pointmap.geometry.transforms import invert_rigid, transform_points
from pointmap.shapes import Bool, Float

BASE_SCALE = 0.5
"""Geometric mean of the groups' scales at which losses are stated: the reference's."""

# Distances below this part of the median distance weigh as if they had it, which keeps the weights finite.
_RESIDUAL_FLOOR = 1e-3
_FOCAL_LIMITS = (0.2, 20.0)


@dataclass(frozen=True)
class State:
    """What the solver has found so far. All float64."""

    world_from_cam: Float[Tensor, "views 4 4"]
    """Rigid."""

    world_from_group: Float[Tensor, "groups 4 4"]
    """Similarities."""

    focals: Float[Tensor, "views"]
    """Horizontal focal lengths in pixels."""

    depths: Float[Tensor, "views k"]
    """z-depths of the sampled pixels."""


@dataclass(frozen=True)
class Fixed:
    """What the caller knows and the solver keeps."""

    poses: Bool[Tensor, "views"]
    focals: Bool[Tensor, "views"]

    shared_focal: bool = False
    """All focal lengths that are not fixed are one."""

    scale: bool = False
    """The known poses set the scale of the world."""


def solve(
    sample: Sample,
    start: State,
    fixed: Fixed,
    *,
    max_passes: int = 60,
    tolerance: float = 1e-6,
    on_pass: Callable[[int, int], None] | None = None,
) -> tuple[State, list[float]]:
    """Minimise the objective over the sampled pixels.

    Args:
        start: Poses, similarities and focal lengths to start from; its depths play no part.
        tolerance: Stop when two passes together lower the loss by less than this part of it.
        on_pass: Called with (pass, max_passes); may raise.

    Returns:
        The best state, and the loss before the first and after every pass, at the mean group scale `BASE_SCALE`.
    """
    state = fit_depths_and_focals(sample, start, fixed)
    distances, world_points, predicted = residuals(sample, state)
    loss = normalised_loss(sample, state, distances)
    history, damping = [loss], 1e-4
    for number in range(max_passes):
        if on_pass is not None:
            on_pass(number, max_passes)
        if loss == 0:
            break
        weights = sample.weights / _floored(distances, sample.weights)
        system = _NormalEquations(sample, weights, world_points, predicted, fixed)
        for _ in range(8):
            candidate = fit_depths_and_focals(sample, _moved(state, *system.step(damping), fixed), fixed)
            new_distances, new_world, new_predicted = residuals(sample, candidate)
            new_loss = normalised_loss(sample, candidate, new_distances)
            if new_loss <= loss:
                break
            damping = max(damping, 1e-6) * 10
        else:
            break
        state, loss = candidate, new_loss
        distances, world_points, predicted = new_distances, new_world, new_predicted
        damping = max(damping / 10, 1e-9)
        history.append(loss)
        if len(history) > 2 and history[-3] - loss < tolerance * loss:
            break
    return state, history


def residuals(
    sample: Sample, state: State
) -> tuple[Float[Tensor, "obs k"], Float[Tensor, "obs k 3"], Float[Tensor, "obs k 3"]]:
    """Distances between the views' world points and the groups' predictions, and both of these."""
    points_world = transform_points(state.world_from_cam, state.depths[..., None] * rays(sample, state.focals))
    predicted = transform_points(state.world_from_group[sample.group_of], sample.points)
    points_world = points_world[sample.view_of]
    return (points_world - predicted).norm(dim=-1), points_world, predicted


def rays(sample: Sample, focals: Float[Tensor, "views"]) -> Float[Tensor, "views k 3"]:
    """Directions of the sampled pixels in the camera frame, z = 1."""
    slopes = sample.offsets / focals[:, None, None]
    return torch.cat([slopes, torch.ones_like(slopes[..., :1])], dim=-1)


def normalised_loss(sample: Sample, state: State, distances: Float[Tensor, "obs k"]) -> float:
    """The objective at the mean group scale `BASE_SCALE`."""
    return float((sample.weights * distances).sum() * BASE_SCALE / mean_scale(state.world_from_group))


def mean_scale(world_from_group: Float[Tensor, "groups 4 4"]) -> Float[Tensor, ""]:
    """Geometric mean of the scales of similarities."""
    return (torch.linalg.det(world_from_group[:, :3, :3]).log() / 3).mean().exp()


def fit_depths_and_focals(sample: Sample, state: State, fixed: Fixed, *, rounds: int = 3) -> State:
    """Best depths and focal lengths for given poses and similarities."""
    cam_from_group = invert_rigid(state.world_from_cam)[sample.view_of] @ state.world_from_group[sample.group_of]
    points_cam = transform_points(cam_from_group, sample.points)
    focals = state.focals
    depths = fit_depths(sample, rays(sample, focals), points_cam)
    if bool(fixed.focals.all()):
        return replace(state, depths=depths)
    for _ in range(rounds):
        directions = rays(sample, focals)
        distances = (depths[sample.view_of, :, None] * directions[sample.view_of] - points_cam).norm(dim=-1)
        weights = sample.weights / _floored(distances, sample.weights)
        focals = _focal_step(sample, weights, points_cam, focals, fixed)
        depths = fit_depths(sample, rays(sample, focals), points_cam, start=depths)
    return replace(state, focals=focals, depths=depths)


def fit_depths(
    sample: Sample,
    directions: Float[Tensor, "views k 3"],
    points_cam: Float[Tensor, "obs k 3"],
    *,
    start: Float[Tensor, "views k"] | None = None,
    rounds: int = 4,
) -> Float[Tensor, "views k"]:
    """Depths with the smallest weighted sum of distances to the predicted points, each along its own ray."""
    along, across, length = along_ray(directions[sample.view_of], points_cam)
    depth = start
    if depth is None:
        total = sample.sum_by_view(sample.weights).clamp_min(1e-300)
        depth = sample.sum_by_view(sample.weights * along) / total
    for _ in range(rounds):
        distances = (length * (depth[sample.view_of] - along).square() + across).sqrt()
        weights = sample.weights / _floored(distances, sample.weights)
        depth = sample.sum_by_view(weights * along) / sample.sum_by_view(weights).clamp_min(1e-300)
    return depth


def along_ray(
    directions: Float[Tensor, "*#batch 3"], points: Float[Tensor, "*batch 3"]
) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"], Float[Tensor, "*batch"]]:
    """Depth of the nearest point of a ray, squared distance to it, and squared length of the direction."""
    length = directions.square().sum(-1)
    along = (directions * points).sum(-1) / length
    across = (along[..., None] * directions - points).square().sum(-1)
    return along, across, length.expand_as(along)


def _focal_step(
    sample: Sample,
    weights: Float[Tensor, "obs k"],
    points_cam: Float[Tensor, "obs k 3"],
    focals: Float[Tensor, "views"],
    fixed: Fixed,
) -> Float[Tensor, "views"]:
    """One Gauss-Newton step in 1/focal, the depths following along their rays."""
    total = sample.sum_by_view(weights)
    mean = sample.sum_by_view(weights[..., None] * points_cam) / total.clamp_min(1e-300)[..., None]
    direction = rays(sample, focals)
    length = direction.square().sum(-1)
    depth = (direction * mean).sum(-1) / length
    offsets = torch.cat([sample.offsets, torch.zeros_like(length[..., None])], dim=-1)
    slide = offsets - direction * ((direction * offsets).sum(-1) / length)[..., None]
    change = depth[..., None] * slide  # of the point by 1/focal, at right angles to the ray
    rise = (total * (change * mean).sum(-1)).sum(-1)
    curvature = (total * change.square().sum(-1)).sum(-1)
    free = ~fixed.focals
    if fixed.shared_focal:
        rise, curvature = (x.where(free, 0).sum().expand_as(x) for x in (rise, curvature))
    inverse = 1 / focals
    stepped = inverse + torch.where(curvature > 0, rise / curvature.clamp_min(1e-300), 0.0)
    # At most a factor of 2 at a time: the step is exact only near the answer.
    stepped = torch.minimum(torch.maximum(stepped, inverse / 2), inverse * 2)
    size = 2 * sample.offsets.abs().amax((1, 2)).clamp_min(0.5)
    stepped = torch.minimum(torch.maximum(stepped, 1 / (_FOCAL_LIMITS[1] * size)), 1 / (_FOCAL_LIMITS[0] * size))
    if fixed.shared_focal and bool(free.any()):
        stepped = stepped[free].mean().expand_as(stepped)
    return torch.where(free, 1 / stepped, focals)


def _floored(distances: Float[Tensor, "*shape"], weights: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    used = distances[weights > 0]
    floor = _RESIDUAL_FLOOR * used.median() if used.numel() else distances.new_zeros(())
    return distances.clamp_min(max(float(floor), 1e-150))


class _NormalEquations:
    """Gauss-Newton on Sim(3) for all views and groups, from moments of the weighted points.

    A similarity S becomes exp(xi) S with xi = (rotation, translation, log scale), which moves its point p by
    J(p) xi = rotation x p + translation + log scale * p. J is linear in (p, 1), so all products of two J summed over pixels are
    contractions of 4x4 moments. The groups' mean log scale is tied by a Lagrange multiplier: the objective grows in
    proportion to a common scale, so that at its constrained minimum the multiplier is loss / number of groups.
    """

    def __init__(
        self,
        sample: Sample,
        weights: Float[Tensor, "obs k"],
        world_points: Float[Tensor, "obs k 3"],
        predicted: Float[Tensor, "obs k 3"],
        fixed: Fixed,
    ) -> None:
        self.sample = sample
        self.free_views = ~fixed.poses
        generators = _generators(weights)
        # About the middle of the scene, to keep sums and damping independent of where the world's origin is.
        middle = (weights[..., None] * world_points).sum((0, 1)) / weights.sum()
        p, y = _homogeneous(world_points - middle), _homogeneous(predicted - middle)
        self.middle = middle
        wp, wy = (weights[..., None] * p).mT, (weights[..., None] * y).mT
        difference = world_points - predicted
        hessian = torch.einsum("aki,bkj->abij", generators, generators)
        self.views = sample.sum_by_view(torch.einsum("abij,oij->oab", hessian, wp @ p))
        self.groups = sample.sum_by_group(torch.einsum("abij,oij->oab", hessian, wy @ y))
        self.coupling = -torch.einsum("abij,oij->oab", hessian, wp @ y)  # rows: view, columns: group
        self.view_slope = sample.sum_by_view(torch.einsum("aki,oik->oa", generators, wp @ difference))
        self.group_slope = -sample.sum_by_group(torch.einsum("aki,oik->oa", generators, wy @ difference))
        if not fixed.scale:
            loss = (weights * difference.square().sum(-1)).sum()
            self.group_slope[:, 6] -= loss / sample.num_groups

    def step(self, damping: float) -> tuple[Float[Tensor, "views 4 4"], Float[Tensor, "groups 4 4"]]:
        """Damped step as similarities in the world, one per view and group: the groups are eliminated first."""
        sample, views = self.sample, self.sample.num_views
        groups = _damped(self.groups, damping)
        blocks = _damped(self.views, damping)
        members = sample.members
        present = (members >= 0)[..., None, None]
        coupling = self.coupling[members].where(present, 0)  # (groups, slots, 7, 7)
        view_of = sample.view_of[members]
        inverse = torch.linalg.inv(groups)
        scaled = coupling @ inverse[:, None]
        # One block per two views of a group: (groups, slots, slots, 7, 7).
        fill = scaled[:, :, None] @ coupling[:, None].mT
        reduced = blocks.new_zeros(views, views, 7, 7)
        diagonal = torch.arange(views, device=blocks.device)
        reduced[diagonal, diagonal] = blocks
        reduced.index_put_((view_of[:, :, None], view_of[:, None, :]), -fill, accumulate=True)
        slope = self.view_slope.index_add(
            0, view_of.flatten(), -(scaled @ self.group_slope[:, None, :, None]).flatten(0, 1)[..., 0]
        )
        free = self.free_views
        view_step = torch.zeros_like(self.view_slope)
        if bool(free.any()):
            matrix = reduced[free][:, free].transpose(1, 2).reshape(7 * int(free.sum()), -1)
            matrix = matrix + 1e-14 * matrix.diagonal().abs().max() * torch.eye(len(matrix)).to(matrix)
            view_step[free] = torch.linalg.solve(matrix, -slope[free].flatten()).reshape(-1, 7)
        back = (coupling.mT @ view_step[view_of][..., None]).sum(1)[..., 0]
        group_step = -(inverse @ (self.group_slope + back)[..., None])[..., 0]
        return self._similarities(view_step), self._similarities(group_step)

    def _similarities(self, step: Float[Tensor, "n 7"]) -> Float[Tensor, "n 4 4"]:
        algebra = torch.zeros(len(step), 4, 4, dtype=step.dtype, device=step.device)
        algebra[:, :3] = torch.einsum("na,aki->nki", step.clamp(-1, 1) if len(step) else step, _generators(step))
        motion = torch.linalg.matrix_exp(algebra)
        # exp() acts about the middle of the scene; the world's origin is elsewhere.
        motion[:, :3, 3] += self.middle - (motion[:, :3, :3] @ self.middle[:, None])[..., 0]
        return motion


def _generators(like: Tensor) -> Float[Tensor, "7 3 4"]:
    """J(p) = G_a (p, 1) for rotation about x, y, z, translation along x, y, z, and scale."""
    generators = torch.zeros(7, 3, 4)
    for axis, (a, b) in enumerate([(1, 2), (2, 0), (0, 1)]):
        generators[axis, b, a], generators[axis, a, b] = 1.0, -1.0
        generators[3 + axis, axis, 3] = 1.0
        generators[6, axis, axis] = 1.0
    return generators.to(like)


def _homogeneous(points: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 4"]:
    return torch.cat([points, torch.ones_like(points[..., :1])], dim=-1)


def _damped(blocks: Float[Tensor, "n 7 7"], damping: float) -> Float[Tensor, "n 7 7"]:
    # The largest entry's share keeps blocks without any weight invertible.
    diagonal = blocks.diagonal(dim1=-2, dim2=-1)
    return blocks + torch.diag_embed(damping * diagonal + 1e-12 * blocks.abs().amax().clamp_min(1e-300))


def _moved(
    state: State, view_motion: Float[Tensor, "views 4 4"], group_motion: Float[Tensor, "groups 4 4"], fixed: Fixed
) -> State:
    """Apply a step. A view's change of scale goes to its depths, which are fitted anew: only its camera moves."""
    linear = view_motion[:, :3, :3]
    scale = torch.linalg.det(linear).pow(1 / 3)
    world_from_cam = view_motion @ state.world_from_cam
    world_from_cam[:, :3, :3] /= scale[:, None, None]
    world_from_group = group_motion @ state.world_from_group
    if not bool(fixed.poses.any()):
        # The common scale is free: keep it where losses are stated.
        world = BASE_SCALE / mean_scale(world_from_group)
        world_from_group[:, :3] *= world
        world_from_cam[:, :3, 3] *= world
    return replace(state, world_from_cam=world_from_cam, world_from_group=world_from_group)
