"""One step of Gauss-Newton for cameras and similarities, from small moments of the weighted points.

A camera moves in its own frame, p -> exp(xi) p with xi = (rotation, translation), and p -> (p_x / a, p_y / a, p_z) when
its focal length grows by the factor a; a group moves by a similarity of its own frame. All of these move a point by
J(p) xi where J is linear in (p, 1), so that every product of two J, summed over pixels, is a contraction of moments. No
quantity depends on where the world's origin is.

Depths follow every step: what a camera's motion does along the rays does not count, since the depths undo it, and what
groups do along the rays of a view counts as far as they do not all do the same. That, for similarities, is in the span
of four functions of the ray (its direction n and the distance |p|), so that four more unknowns per view stand for all
its depths.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from pointmap.alignment.linear_system import LinearSystem
from pointmap.alignment.pixels import Swept
from pointmap.alignment.sampling import Sample
from pointmap.alignment.state import BASE_SCALE, Fixed, State, cam_from_group, mean_scale
from pointmap.geometry.similarity import invert_similarity
from pointmap.shapes import Float

VIEW_UNKNOWNS = 11
"""Rotation, translation; how far points move along their rays, as a . (n, |p|); log focal length."""
POSE, DEPTHS, FOCAL = slice(0, 6), slice(6, 10), 10
"""Their places."""
_FOCAL_LIMITS = (0.2, 20.0)
"""Of the longer half side of the image: fields of view from 157 to 6 degrees."""


@dataclass(frozen=True)
class Step:
    """A change of a state, in tangents about each camera and each group's origin."""

    views: Float[Tensor, "views 11"]
    groups: Float[Tensor, "groups 7"]

    def apply(self, sample: Sample, state: State, fixed: Fixed) -> State:
        """The changed state; depths remain to be found."""
        rigid_motion = torch.cat([self.views[:, POSE], torch.zeros_like(self.views[:, :1])], dim=1)
        world_from_cam = state.world_from_cam @ _exponential(rigid_motion)
        world_from_cam = torch.where(fixed.poses[:, None, None], state.world_from_cam, world_from_cam)
        world_from_group = state.world_from_group @ _exponential(self.groups)
        if not fixed.scale:
            # The common scale is free: keep it where losses are stated.
            world = BASE_SCALE / mean_scale(world_from_group, sample.group_weights)
            world_from_group[:, :3] *= world
            world_from_cam[:, :3, 3] *= world
        # At most a factor of 2 at a time: the step is exact only near the answer.
        focals = state.focals * self.views[:, FOCAL].clamp(-0.7, 0.7).exp()
        limited = focals.clamp(_FOCAL_LIMITS[0] * sample.half_sides, _FOCAL_LIMITS[1] * sample.half_sides)
        return State(world_from_cam, world_from_group, torch.where(fixed.focals, state.focals, limited), state.depths)


class NormalEquations:
    """Second-order model of the objective about a swept state.

    The groups' weighted mean log scale is tied by a Lagrange multiplier: the objective grows in proportion to a common
    scale, so that at its constrained minimum the multiplier is the loss.
    """

    def __init__(self, sample: Sample, at: Swept, system: LinearSystem) -> None:
        self.system = system
        of_view, of_group = _view_generators(at.points), _group_generators(sample, at.state)
        view_along, group_along = _along(of_view), _along(of_group)
        points, ray_points, pulls = at.points, at.rays, at.pulls
        group_pulls = pulls.clone()  # of the group's points, p - r
        group_pulls[:, :3] -= at.squares

        views, obs = sample.num_views, len(sample.group_of)
        moving = torch.tensor([0, 1, 2, 3, 4, 5, FOCAL], device=sample.device)
        view_points, view_rays = sample.sum_by_view(points), sample.sum_by_view(ray_points)
        self.views = points.new_zeros(views, VIEW_UNKNOWNS, VIEW_UNKNOWNS)
        across = _products(of_view[None], view_points, of_view[None]) - view_along @ view_rays @ view_along.mT
        self.views[:, moving[:, None], moving] = across
        self.views[:, DEPTHS, DEPTHS] = view_rays[:, :4, :4]
        rays_by_group = ray_points @ group_along.mT
        self.coupling = points.new_zeros(obs, VIEW_UNKNOWNS, 7)
        self.coupling[:, moving] = view_along @ rays_by_group - _products(of_view[None], points, of_group)
        self.coupling[:, DEPTHS] = -rays_by_group[:, :4]
        self.groups = sample.sum_by_group(_products(of_group, points, of_group))

        self.view_slopes = points.new_zeros(views, VIEW_UNKNOWNS)
        along_pull = sample.sum_by_view(at.pulls_along)
        self.view_slopes[:, moving] = (
            torch.einsum("akj,vjk->va", of_view, sample.sum_by_view(pulls)) - along_pull @ view_along.mT
        )
        self.view_slopes[:, DEPTHS] = along_pull[:, :4]
        self.group_slopes = -sample.sum_by_group(torch.einsum("oakj,ojk->oa", of_group, group_pulls))
        # A group that hardly counts would otherwise grow without bound, and all others shrink.
        share = sample.group_weights / sample.group_weights.sum()
        self.group_slopes[:, 6] -= at.loss * share
        self.extra: Tensor | None = None

    def add(
        self,
        slopes: Float[Tensor, "views 11"],
        blocks: Float[Tensor, "views 11 11"],
        pair_blocks: Float[Tensor, "pairs 11 11"],
    ) -> None:
        """Terms of views, and of the pairs that the linear system knows, in units of the loss."""
        self.view_slopes, self.views, self.extra = self.view_slopes + slopes, self.views + blocks, pair_blocks

    def step(self, damping: float) -> Step:
        """Damped step; the groups are eliminated first (Schur complement)."""
        views, groups = self.system.solve(
            damped(self.views, damping),
            damped(self.groups, damping),
            self.coupling,
            self.view_slopes,
            self.group_slopes,
            self.extra,
        )
        return Step(views, groups)


def _generators(like: Tensor) -> Float[Tensor, "8 3 4"]:
    """J(p) xi = sum_a xi_a G_a (p, 1): rotation about x, y, z, translation along x, y, z, scale, log focal length."""
    generators = torch.zeros(8, 3, 4)
    for axis, (a, b) in enumerate([(1, 2), (2, 0), (0, 1)]):
        generators[axis, b, a], generators[axis, a, b] = 1.0, -1.0
        generators[3 + axis, axis, 3] = 1.0
        generators[6, axis, axis] = 1.0
    generators[7, 0, 0] = generators[7, 1, 1] = -1.0
    return generators.to(like)


def _view_generators(like: Tensor) -> Float[Tensor, "7 3 4"]:
    """Of the camera's rotation, translation and log focal length."""
    return _generators(like)[[0, 1, 2, 3, 4, 5, 7]]


def _group_generators(sample: Sample, state: State) -> Float[Tensor, "obs 7 3 4"]:
    """Of a group's motion in its own frame, for its points in the camera frames of its views."""
    transform = cam_from_group(sample, state)
    back = invert_similarity(transform)
    return transform[:, None, :3, :3] @ _generators(transform)[None, :7] @ back[:, None]


def _along(generators: Float[Tensor, "*batch a 3 4"]) -> Float[Tensor, "*batch a 5"]:
    """n . J(p) as a linear function of m = (n, |p|, n_z^2 |p|).

    With p = |p| n and a linear part that is antisymmetric + s I + c diag(1, 1, 0), which is all there is here,
    n . J(p) = n . t + s |p| + c (1 - n_z^2) |p|.
    """
    scale = generators[..., 2, 2]
    flattened = (generators[..., 0, 0] + generators[..., 1, 1]) / 2 - scale
    return torch.cat([generators[..., 3], (scale + flattened)[..., None], -flattened[..., None]], dim=-1)


def _products(
    left: Float[Tensor, "*#n a 3 4"], moment: Float[Tensor, "n 4 4"], right: Float[Tensor, "*#n b 3 4"]
) -> Float[Tensor, "n a b"]:
    """Sums of J_left^T J_right, where `moment` sums the products of the points that they act on."""
    folded = (left @ moment[:, None]).flatten(2)
    return folded @ right.flatten(2).mT


def _exponential(tangents: Float[Tensor, "n 7"]) -> Float[Tensor, "n 4 4"]:
    algebra = torch.zeros(len(tangents), 4, 4, dtype=tangents.dtype, device=tangents.device)
    # Longer steps are beyond what the linearisation knows.
    size = tangents[:, [0, 1, 2, 6]].abs().amax(dim=1).clamp_min(1.0)
    algebra[:, :3] = torch.einsum("na,aki->nki", tangents / size[:, None], _generators(tangents)[:7])
    return torch.linalg.matrix_exp(algebra)


def damped(blocks: Float[Tensor, "n a a"], damping: float) -> Float[Tensor, "n a a"]:
    """Blocks with a larger diagonal, by a part of it, and just enough to be invertible."""
    # The largest entry's share keeps blocks without any weight invertible.
    diagonal = blocks.diagonal(dim1=-2, dim2=-1)
    return blocks + torch.diag_embed(damping * diagonal + 1e-12 * blocks.abs().amax().clamp_min(1e-300))
