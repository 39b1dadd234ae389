"""The smoothed objective: its slope and curvature are exact, and Newton's method arrives."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from pointmap.alignment import smoothed
from pointmap.alignment.smoothed import (
    Change,
    NewtonEquations,
    Sight,
    Unknowns,
    median_distance,
    polish,
    settle_depths,
    smoothed_loss,
)
from pointmap.errors import InputError
from pointmap.geometry.cameras import pixel_grid
from pointmap.geometry.transforms import rigid, transform_points

VIEWS, GROUPS = 3, 4
SEEN_BY = [[0, 1, 3], [0, 2], [1, 2, 3]]
"""Groups that show each view."""
SHAPES = [(2, 4), (4, 3), (3, 2)]


def make_case(noise: float = 0.05) -> tuple[list[Sight], Unknowns]:
    """Random cameras in front of random depths, groups that saw them with noise, and where they truly are."""
    random = torch.Generator().manual_seed(3)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random, dtype=torch.float64)

    def rotations(count: int) -> Tensor:
        orthogonal = torch.linalg.qr(normal(count, 3, 3)).Q
        return orthogonal * torch.linalg.det(orthogonal)[:, None, None]

    world_from_cam = rigid(rotations(VIEWS), normal(VIEWS, 3))
    scales = (0.3 * normal(GROUPS)).exp()[:, None, None]
    world_from_group = rigid(scales * rotations(GROUPS), normal(GROUPS, 3))
    focals = 5 + normal(VIEWS).abs()
    sights, depths = [], []
    for view, (height, width) in enumerate(SHAPES):
        offsets = pixel_grid(height, width, dtype=torch.float64).reshape(-1, 2) - torch.tensor([1.5, 2.5])
        depth = 3 + 0.3 * normal(len(offsets))
        rays = torch.cat([offsets / focals[view], torch.ones(len(offsets), 1)], dim=-1)
        points_world = transform_points(world_from_cam[view], depth[:, None] * rays)
        groups = torch.tensor(SEEN_BY[view])
        noisy = points_world + noise * normal(len(groups), *points_world.shape)
        points = transform_points(world_from_group[groups].inverse(), noisy)
        weights = normal(len(groups), len(offsets)).abs()
        sights.append(Sight(view, groups, points.mT.contiguous(), weights, offsets.mT.contiguous()))
        depths.append(depth)
    return sights, Unknowns(world_from_cam, world_from_group, focals, depths)


def free_moves() -> Tensor:
    """The first camera stays, and so does the first group's scale."""
    motions = torch.eye(7 * (VIEWS + GROUPS), dtype=torch.float64)
    free = [row for row in range(len(motions)) if row >= 6 and row != 7 * VIEWS + 6]
    return motions[:, free]


def as_change(numbers: Tensor) -> Change:
    cameras, depths = numbers.split([7 * (VIEWS + GROUPS), numbers.numel() - 7 * (VIEWS + GROUPS)])
    return Change(
        cameras[: 7 * VIEWS].reshape(VIEWS, 7),
        cameras[7 * VIEWS :].reshape(GROUPS, 7),
        list(depths.split([h * w for h, w in SHAPES])),
    )


def as_numbers(change: Change) -> Tensor:
    return torch.cat([change.views.flatten(), change.groups.flatten(), *change.depths])


def test_slope_and_curvature_are_those_of_the_loss():
    sights, at = make_case()
    cameras, depths = 7 * (VIEWS + GROUPS), sum(h * w for h, w in SHAPES)
    random = torch.Generator().manual_seed(0)
    moves = free_moves()
    direction = torch.randn(moves.shape[1], generator=random, dtype=torch.float64)
    direction = torch.cat([moves @ direction, torch.randn(depths, generator=random, dtype=torch.float64)])

    still = torch.zeros(cameras + depths, dtype=torch.float64, requires_grad=True)
    loss = smoothed_loss(sights, at.moved(as_change(still)), 0.03)
    (slope,) = torch.autograd.grad(loss, still, create_graph=True)
    (hessian_of_direction,) = torch.autograd.grad(slope @ direction, still)

    equations = NewtonEquations(sights, at, moves, 0.03)

    torch.testing.assert_close(as_numbers(equations.slope), slope)
    torch.testing.assert_close(as_numbers(equations.solve(as_change(hessian_of_direction))), direction)


def test_newton_arrives_at_a_minimum():
    sights, truth = make_case()
    smoothing = 0.01 * median_distance(sights, truth)

    at, equations = polish(sights, truth, free_moves(), smoothing)

    start, least = (float(smoothed_loss(sights, place, smoothing)) for place in (truth, at))
    before = NewtonEquations(sights, truth, free_moves(), smoothing)
    assert least < start
    free = [free_moves().mT @ as_numbers(e.slope)[: 7 * (VIEWS + GROUPS)] for e in (before, equations)]
    assert free[1].abs().max() < 1e-9 * free[0].abs().max()
    assert max(float(depth.abs().max()) for depth in equations.slope.depths) < 1e-9
    assert bool((equations.curvatures > 0).all())


def test_not_arriving_is_an_error_that_says_what_helps(monkeypatch):
    sights, truth = make_case()
    monkeypatch.setattr(smoothed, "_MAX_STEPS", 1)

    with pytest.raises(InputError, match="A larger smoothing than"):
        polish(sights, truth, free_moves(), 1e-3)


def test_settled_depths_are_no_worse_and_soon_the_best():
    sights, truth = make_case()
    smoothing = 0.1 * median_distance(sights, truth)
    losses = [float(smoothed_loss(sights, truth, smoothing))]

    at = truth
    for _ in range(10):
        at = settle_depths(sights, at, smoothing, rounds=1)
        losses.append(float(smoothed_loss(sights, at, smoothing)))

    assert all(after <= before * (1 + 1e-14) for before, after in pairwise(losses))
    assert losses[-1] < losses[0]
    slopes = NewtonEquations(sights, at, free_moves(), smoothing).slope.depths
    assert max(float(slope.abs().max()) for slope in slopes) < 1e-6
