"""The yardstick of global alignment: the optimisation of DUSt3R (Wang et al., CVPR 2024, section 3.4), as a reference
for time, loss and poses.

Adam with betas 0.9 and 0.9 over every unknown, all pixels of all groups in every step, 300 steps, the learning rate
falling from 0.01 to 1e-6 as half a cosine. Parameters, weights and loss are those of `AlignmentObjective`.

Two forms of the same steps, which differ in cost alone: `autograd_adam` leaves gradients to autograd, as the public
implementation does; `AdamYardstick` derives them by hand, in buffers that are allocated once, for some thousand points
at a time, which stay in the cache. It works in camera frames, where a group's points are M X with one 3x4 matrix per
pointmap: one product gives the residuals, another one all gradients of poses, and only the short chain from these
matrices to quaternions is left to autograd.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pointmap.alignment import AlignmentObjective, make_problem
from pointmap.alignment.objective import signed_expm1
from pointmap.scene import Group

from .adam_unknowns import BASE_SCALE, FOCAL_RATE, Outcome, Unknowns, rotation_matrix

STEPS = 300
_CHUNK_POINTS = 65_536
"""Of all pointmaps of one view together, two megabytes in all; a quarter of it costs half as much again."""


def autograd_adam(groups: Sequence[Group], centres: np.ndarray, start: Unknowns, steps: int = STEPS) -> Outcome:
    """The plain form: every step through `AlignmentObjective` and autograd."""
    objective = AlignmentObjective(make_problem(groups), centres=torch.from_numpy(centres))
    parameters = [objective.group_poses, objective.view_poses, objective.log_focals]
    at = Unknowns(*parameters, list(objective.log_depths))
    with torch.no_grad():
        for parameter, value in zip(at.all(), start.all(), strict=True):
            parameter.copy_(value)

    def loss_and_gradients() -> float:
        objective.zero_grad()
        loss = objective()
        loss.backward()
        return loss.item()

    return _descend(at, loss_and_gradients, steps)


def _descend(at: Unknowns, loss_and_gradients: Callable[[], float], steps: int) -> Outcome:
    cpu, wall = time.process_time(), time.perf_counter()
    adam = torch.optim.Adam(at.all(), lr=0.01, betas=(0.9, 0.9), fused=True)
    losses = []
    for step in range(steps):
        adam.param_groups[0]["lr"] = 1e-6 + (0.01 - 1e-6) * (1 + np.cos(np.pi * step / steps)) / 2
        losses.append(loss_and_gradients())
        adam.step()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return Outcome.of(at, [*losses, loss_and_gradients()], cpu, wall)


@dataclass(frozen=True)
class _Chunk:
    """Some pixels of one view in all its pointmaps."""

    view: int
    pixels: slice
    observations: slice
    points: Tensor
    """(O, 4, p) homogeneous."""
    weights: Tensor
    """(O, p), over the number of points of their side."""
    offsets: Tensor
    """(2, p) from the principal point, in pixels."""


class AdamYardstick:
    """The optimisation, ready to run.

    Args:
        groups: Finite predictions of pairs.
        centres: (N, 2) principal points x and y.
    """

    def __init__(self, groups: Sequence[Group], centres: np.ndarray) -> None:
        # Pointmaps of one view follow each other.
        places = sorted(((g, k, v) for g, group in enumerate(groups) for k, v in enumerate(group.views)), key=_view)
        sides = [0, 0]
        for g, k, _ in places:
            sides[k > 0] += groups[g].confidences[k].shape[0] * groups[g].confidences[k].shape[1]
        self._group_of = torch.tensor([g for g, _, _ in places])
        self._view_of = torch.tensor([view for _, _, view in places])
        self._chunks: list[_Chunk] = []
        for view in range(len(centres)):
            chosen = [number for number, place in enumerate(places) if place[2] == view]
            self._chunks += _chunks_of_view(groups, places, chosen, sides, centres[view])
        largest = max(chunk.weights.numel() for chunk in self._chunks)
        self._residuals, self._norms = torch.empty(3 * largest), torch.empty(largest)
        self._cam_points, self._sum = torch.empty(3 * largest), torch.empty(3 * largest)

    def run(self, start: Unknowns, steps: int = STEPS) -> Outcome:
        """All steps of the schedule from a start, which is left as it is."""
        at = start.trainable()
        return _descend(at, lambda: self.loss_and_gradients(at), steps)

    def loss_and_gradients(self, at: Unknowns) -> float:
        """The loss; `grad` of the parameters, which must exist, becomes its gradient."""
        at.group_poses.grad.zero_()
        at.view_poses.grad.zero_()
        camera_from_group = self._camera_from_group(at)
        matrices = camera_from_group.detach()
        gradient = torch.zeros_like(matrices)
        at.log_focals.grad.zero_()
        loss = sum(self._pass_over(chunk, matrices, at, gradient) for chunk in self._chunks)
        camera_from_group.backward(gradient)
        return loss

    def _camera_from_group(self, at: Unknowns) -> Tensor:
        """(O, 3, 4) what takes the points of each pointmap to its view's camera."""
        log_scale = at.group_poses[:, 7]
        scale = BASE_SCALE * (log_scale - log_scale.mean()).exp()
        linear = scale[:, None, None] * rotation_matrix(at.group_poses[:, :4])
        shift = scale[:, None] * signed_expm1(at.group_poses[:, 4:7])
        centre = signed_expm1(at.view_poses[:, 4:7])[self._view_of]
        camera_from_world = rotation_matrix(at.view_poses[:, :4]).mT[self._view_of]
        in_world = torch.cat([linear[self._group_of], (shift[self._group_of] - centre)[..., None]], dim=-1)
        return camera_from_world @ in_world

    @torch.no_grad()
    def _pass_over(self, chunk: _Chunk, matrices: Tensor, at: Unknowns, gradient: Tensor) -> float:
        """Add a chunk's part to the gradients; gives its part of the loss."""
        count, pixels = chunk.weights.shape
        residuals = self._residuals[: 3 * count * pixels].view(count, 3, pixels)
        norms = self._norms[: count * pixels].view(count, pixels)
        cam_points, total = (b[: 3 * pixels].view(3, pixels) for b in (self._cam_points, self._sum))
        torch.exp(at.log_depths[chunk.view][chunk.pixels], out=cam_points[2])
        torch.mul(chunk.offsets, cam_points[2], out=cam_points[:2])
        cam_points[:2] *= (-at.log_focals[chunk.view] / FOCAL_RATE).exp()
        torch.baddbmm(
            cam_points.expand(count, 3, pixels),
            matrices[chunk.observations],
            chunk.points,
            alpha=-1,
            out=residuals,
        )
        # Not linalg.vector_norm: over an inner axis it costs twenty times as much.
        torch.mul(residuals[:, 0], residuals[:, 0], out=norms)
        norms.addcmul_(residuals[:, 1], residuals[:, 1]).addcmul_(residuals[:, 2], residuals[:, 2]).sqrt_()
        loss = torch.dot(chunk.weights.view(-1), norms.view(-1))
        # Here the residuals become the gradients of the points.
        torch.div(chunk.weights, norms.clamp_min_(1e-30), out=norms)
        residuals *= norms[:, None]
        gradient[chunk.observations] -= residuals @ chunk.points.mT
        torch.sum(residuals, 0, out=total)
        total *= cam_points
        torch.sum(total, 0, out=at.log_depths[chunk.view].grad[chunk.pixels])
        at.log_focals.grad[chunk.view, 0] -= total[:2].sum() / FOCAL_RATE
        return float(loss)


def _chunks_of_view(
    groups: Sequence[Group], places: list[tuple[int, int, int]], chosen: list[int], sides: list[int], centre: np.ndarray
) -> list[_Chunk]:
    if not chosen:
        return []
    shown = [(groups[g], k) for g, k, _ in (places[number] for number in chosen)]
    points = torch.stack([torch.as_tensor(group.points[k]).reshape(-1, 3).T for group, k in shown])
    points = torch.cat([points, torch.ones_like(points[:, :1])], dim=1)
    weights = torch.stack([torch.as_tensor(group.confidences[k]).flatten().log() / sides[k > 0] for group, k in shown])
    height, width = shown[0][0].confidences[shown[0][1]].shape
    x, y = torch.meshgrid(torch.arange(width) - centre[0], torch.arange(height) - centre[1], indexing="xy")
    offsets = torch.stack([x.flatten(), y.flatten()]).float()
    length = max(1, _CHUNK_POINTS // len(chosen))
    parts = [slice(begin, min(begin + length, height * width)) for begin in range(0, height * width, length)]
    view, observations = places[chosen[0]][2], slice(chosen[0], chosen[-1] + 1)
    return [
        _Chunk(
            view,
            part,
            observations,
            points[:, :, part].contiguous(),
            weights[:, part].contiguous(),
            offsets[:, part].contiguous(),
        )
        for part in parts
    ]


def _view(place: tuple[int, int, int]) -> int:
    return place[2]
