"""One step of Gauss-Newton for the similarities of all views and groups, from 4x4 moments."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pointmap.alignment.sampling import Sample
from pointmap.alignment.state import BASE_SCALE, Fixed, Residuals, State, mean_scale
from pointmap.shapes import Float


@dataclass(frozen=True)
class Step:
    """A change of a state: tangents of Sim(3) (rotation, translation, log scale) about `middle`."""

    views: Float[Tensor, "views 7"]
    groups: Float[Tensor, "groups 7"]
    log_focals: Float[Tensor, "views"]
    middle: Float[Tensor, "3"]

    def scaled(self, factor: float) -> "Step":
        """The same change, shorter or longer."""
        return Step(factor * self.views, factor * self.groups, factor * self.log_focals, self.middle)

    def added_to(self, earlier: "Step") -> "Step":
        """Both changes in one, to first order."""
        return Step(
            earlier.views + self.views, earlier.groups + self.groups, earlier.log_focals + self.log_focals, self.middle
        )

    def apply(self, state: State, fixed: Fixed) -> State:
        """The changed state. A view's change of scale goes to its depths, so that its camera stays rigid."""
        view_motion, group_motion = self._similarities(self.views), self._similarities(self.groups)
        scale = torch.linalg.det(view_motion[:, :3, :3]).pow(1 / 3)
        world_from_cam = view_motion @ state.world_from_cam
        world_from_cam[:, :3, :3] /= scale[:, None, None]
        world_from_group = group_motion @ state.world_from_group
        if not bool(fixed.poses.any()):
            # The common scale is free: keep it where losses are stated.
            world = BASE_SCALE / mean_scale(world_from_group)
            world_from_group[:, :3] *= world
            world_from_cam[:, :3, 3] *= world
            scale = scale * world
        return State(
            world_from_cam=world_from_cam,
            world_from_group=world_from_group,
            focals=state.focals * self.log_focals.exp(),
            depths=state.depths * scale[:, None],
        )

    def _similarities(self, tangents: Float[Tensor, "n 7"]) -> Float[Tensor, "n 4 4"]:
        algebra = torch.zeros(len(tangents), 4, 4, dtype=tangents.dtype, device=tangents.device)
        # Longer steps are beyond what the linearisation knows.
        size = tangents[:, [0, 1, 2, 6]].abs().amax(dim=1).clamp_min(1.0)
        algebra[:, :3] = torch.einsum("na,aki->nki", tangents / size[:, None], _generators(tangents))
        motion = torch.linalg.matrix_exp(algebra)
        # exp() acts about the middle of the scene; the world's origin is elsewhere.
        motion[:, :3, 3] += self.middle - motion[:, :3, :3] @ self.middle
        return motion


class NormalEquations:
    """Gauss-Newton on Sim(3) for all views and groups, from moments of the weighted points.

    A similarity S becomes exp(xi) S with xi = (rotation, translation, log scale), which moves its point p by
    J(p) xi = rotation x p + translation + log scale * p. J is linear in (p, 1), so all products of two J summed over
    pixels are contractions of 4x4 moments. The groups' mean log scale is tied by a Lagrange multiplier: the objective
    grows in proportion to a common scale, so that at its constrained minimum the multiplier is loss / number of groups.
    """

    def __init__(self, sample: Sample, at: Residuals, fixed: Fixed) -> None:
        self.sample = sample
        self.free_views = ~fixed.poses
        generators = _generators(at.weights)
        # About the middle of the scene, to keep sums and damping independent of where the world's origin is.
        self.middle = (at.weights[:, None] * at.of_views).sum((0, 2)) / at.weights.sum()
        p, y = _homogeneous(at.of_views - self.middle[:, None]), _homogeneous(at.of_groups - self.middle[:, None])
        wp, wy = at.weights[:, None] * p, at.weights[:, None] * y
        hessian = torch.einsum("aki,bkj->abij", generators, generators)
        self.views = sample.sum_by_view(torch.einsum("abij,oij->oab", hessian, wp @ p.mT))
        self.groups = sample.sum_by_group(torch.einsum("abij,oij->oab", hessian, wy @ y.mT))
        self.coupling = -torch.einsum("abij,oij->oab", hessian, wp @ y.mT)  # rows: view, columns: group
        self.view_slope = sample.sum_by_view(torch.einsum("aki,oik->oa", generators, wp @ at.differences.mT))
        self.group_slope = -sample.sum_by_group(torch.einsum("aki,oik->oa", generators, wy @ at.differences.mT))
        if not fixed.scale:
            loss = (at.weights * at.differences.square().sum(1)).sum()
            self.group_slope[:, 6] -= loss / sample.num_groups

    def step(self, damping: float) -> Step:
        """Damped step; the groups are eliminated first (Schur complement)."""
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
        return Step(view_step, group_step, torch.zeros_like(view_step[:, 0]), self.middle)


def _generators(like: Tensor) -> Float[Tensor, "7 3 4"]:
    """J(p) = G_a (p, 1) for rotation about x, y, z, translation along x, y, z, and scale."""
    generators = torch.zeros(7, 3, 4)
    for axis, (a, b) in enumerate([(1, 2), (2, 0), (0, 1)]):
        generators[axis, b, a], generators[axis, a, b] = 1.0, -1.0
        generators[3 + axis, axis, 3] = 1.0
        generators[6, axis, axis] = 1.0
    return generators.to(like)


def _homogeneous(points: Float[Tensor, "n 3 k"]) -> Float[Tensor, "n 4 k"]:
    return torch.cat([points, torch.ones_like(points[:, :1])], dim=1)


def _damped(blocks: Float[Tensor, "n 7 7"], damping: float) -> Float[Tensor, "n 7 7"]:
    # The largest entry's share keeps blocks without any weight invertible.
    diagonal = blocks.diagonal(dim1=-2, dim2=-1)
    return blocks + torch.diag_embed(damping * diagonal + 1e-12 * blocks.abs().amax().clamp_min(1e-300))
