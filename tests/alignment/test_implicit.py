"""Gradients of the solution of alignment, against solving again with other predictions."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from alignment_scenes import SCENES, complete, make_group, make_groups, make_truth, read_golden
from torch import Tensor

from pointmap.alignment import Alignment, align
from pointmap.alignment.implicit import DifferentiableAlignment, differentiable_align
from pointmap.alignment.objective import AlignmentObjective
from pointmap.errors import InputError
from pointmap.scene import Group

SHAPES = [(6, 8), (5, 9), (8, 6)]
STEP = 3e-7


@cache
def make_case(noise: float = 0.03, weight: float = 1.0) -> tuple[list[Group], Alignment]:
    """Noisy float64 predictions of three photos with principal points off their centres, and their alignment.

    Args:
        weight: Of one of the seven groups, of which one is of all views.
    """
    truth = make_truth(SHAPES, offset=(0.7, -0.4))
    random = np.random.default_rng(5)
    groups = []
    for group in [*make_groups(truth, complete(3), noise=noise), make_group(truth, (1, 0, 2), noise=noise)]:
        points = [torch.tensor(points, dtype=torch.float64) for points in group.points]
        confidences = [torch.tensor(c * random.uniform(0.5, 1.5, c.shape)) for c in group.confidences]
        groups.append(Group(group.views, points, confidences))
    start = align(groups, principal_points=truth.intrinsics[:, :2, 2])
    return groups, replace(start, group_weights=np.array([1, weight, 1, 1, 1, 1, 1]))


def requiring_gradients(groups: list[Group]) -> list[Group]:
    return changed(groups, lambda points: points.clone().requires_grad_(), lambda c: c.clone().requires_grad_())


def changed(
    groups: list[Group], of_points: Callable[[Tensor], Tensor], of_confidences: Callable[[Tensor], Tensor]
) -> list[Group]:
    return [Group(g.views, [*map(of_points, g.points)], [*map(of_confidences, g.confidences)]) for g in groups]


def inputs(groups: list[Group], what: str) -> list[Tensor]:
    return [tensor for group in groups for tensor in getattr(group, what)]


def directions(groups: list[Group], what: str) -> list[Tensor]:
    random = torch.Generator().manual_seed(1)
    return [torch.randn(x.shape, generator=random, dtype=x.dtype) for x in inputs(groups, what)]


def moved(groups: list[Group], what: str, along: list[Tensor], step: float) -> list[Group]:
    rest = iter(along)
    return [replace(g, **{what: [x + step * next(rest) for x in getattr(g, what)]}) for g in groups]


def of_poses(solution: DifferentiableAlignment) -> Tensor:
    return (solution.world_from_cam[:3] * torch.arange(48).reshape(3, 4, 4).cos()).sum()


def of_focals(solution: DifferentiableAlignment) -> Tensor:
    return (solution.focals * torch.tensor([0.2, -0.1, 0.3])).sum()


def of_depths(solution: DifferentiableAlignment) -> Tensor:
    return sum(((depth - 1.5) ** 2).sum() for depth in solution.depths)


def of_groups(solution: DifferentiableAlignment) -> Tensor:
    return solution.world_from_group.square().sum()


@pytest.mark.parametrize("what", ["points", "confidences"])
@pytest.mark.parametrize(
    "settings",
    [{}, {"keep_focals": True}, {"keep_poses": [0, 2], "shared_focal": True}],
    ids=["nothing", "focals", "poses"],
)
def test_gradients_say_how_the_solution_changes(settings, what):
    groups, start = make_case(weight=0.3)
    live = requiring_gradients(groups)
    along = directions(groups, what)

    solution = differentiable_align(live, start, **settings)
    settings = settings | {"smoothing": solution.smoothing}
    ahead, behind = (
        differentiable_align(moved(groups, what, along, step), start, **settings) for step in (STEP, -STEP)
    )

    for loss in (of_poses, of_focals, of_depths, of_groups):
        gradients = torch.autograd.grad(loss(solution), inputs(live, what), retain_graph=True)
        found = sum((g * direction).sum().item() for g, direction in zip(gradients, along, strict=True))
        expected = (loss(ahead) - loss(behind)).item() / (2 * STEP)
        assert found == pytest.approx(expected, rel=2e-4), loss.__name__
        assert (found != 0) == (loss is not of_focals or "keep_focals" not in settings)


def test_solution_is_that_of_align_and_what_is_kept_stays():
    groups, start = make_case(noise=0.003)

    free = differentiable_align(groups, start)
    held = differentiable_align(groups, start, keep_poses=True, keep_focals=[1])

    np.testing.assert_allclose(free.world_from_cam, start.world_from_cam, atol=0.02)
    np.testing.assert_allclose(free.intrinsics, start.intrinsics, rtol=0.02)
    for depth, expected in zip(free.depths, start.depths, strict=True):
        np.testing.assert_allclose(depth, expected, rtol=0.05)
    np.testing.assert_array_equal(free.world_from_cam[0], start.world_from_cam[0])
    np.testing.assert_array_equal(held.world_from_cam, start.world_from_cam)
    assert held.focals[1] == start.intrinsics[1, 0, 0]


@pytest.mark.parametrize("scene", SCENES)
def test_align_ends_within_a_ten_thousandth_of_the_minimum(golden_dir, scene):
    _, groups = read_golden(golden_dir, scene)
    alignment = align(groups)

    minimum = differentiable_align(groups, alignment)

    exact = objective_at(groups, as_alignment(minimum, alignment))
    assert exact <= alignment.loss <= exact * (1 + 1e-4)


def test_group_weights_are_those_of_the_solver():
    groups = make_groups(make_truth(SHAPES), complete(3), noise=0.003)
    wrong = make_groups(make_truth(SHAPES, seed=4), [(1, 2)], noise=0.003)
    groups = [wrong[0] if group.views == (1, 2) else group for group in groups]
    alignment = align(groups)
    assert 0 < alignment.group_weights.min() < 0.5

    minimum = differentiable_align(groups, alignment)

    exact = objective_at(groups, as_alignment(minimum, alignment))
    assert exact <= alignment.loss <= exact * (1 + 1e-3)
    np.testing.assert_allclose(minimum.world_from_cam, alignment.world_from_cam, atol=0.02)


def as_alignment(solution: DifferentiableAlignment, like: Alignment) -> Alignment:
    return replace(
        like,
        world_from_cam=solution.world_from_cam.numpy(),
        world_from_group=solution.world_from_group.numpy(),
        intrinsics=solution.intrinsics.numpy(),
        depths=[depth.numpy() for depth in solution.depths],
    )


def objective_at(groups: list[Group], alignment: Alignment) -> float:
    return AlignmentObjective.from_alignment(groups, alignment, dtype=torch.float64)().item()


def test_one_camera_has_one_focal_length_change():
    groups, start = make_case()

    solution = differentiable_align(groups, start, shared_focal=[0, 1, 0])

    ratio = solution.focals / torch.tensor(start.intrinsics[:, 0, 0])
    assert ratio[0].item() == pytest.approx(ratio[2].item(), rel=1e-12)
    assert ratio[0].item() != pytest.approx(ratio[1].item(), rel=1e-6)


def test_gradients_know_that_twice_the_predictions_are_twice_the_world():
    groups, start = make_case()
    live = requiring_gradients(groups)
    solution = differentiable_align(live, start, smoothing=1e-4)
    distance = solution.world_from_cam[1, :3, 3].norm()

    of_distance = torch.autograd.grad(distance, inputs(live, "points"), retain_graph=True)
    of_focal = torch.autograd.grad(solution.focals[1], inputs(live, "points"))

    def of_size(gradients: tuple[Tensor, ...]) -> float:
        return sum((g * x).sum().item() for g, x in zip(gradients, inputs(groups, "points"), strict=True))

    assert of_size(of_distance) == pytest.approx(distance.item(), rel=1e-3)
    assert of_size(of_focal) == pytest.approx(0, abs=1e-3 * solution.focals[1].item())


def test_exact_predictions_have_gradients_too():
    groups, start = make_case(noise=0)
    live = requiring_gradients(groups)

    solution = differentiable_align(live, start)
    of_poses(solution).backward()

    assert solution.loss < 1e-4
    assert all(bool(points.grad.isfinite().all()) for points in inputs(live, "points"))
    assert any(bool(points.grad.abs().max() > 0) for points in inputs(live, "points"))


def test_what_does_not_count_gets_no_gradient():
    groups = changed(make_case()[0], Tensor.clone, Tensor.clone)
    groups[0].points[0][2, 3, 1] = torch.nan
    groups[1].confidences[1][0, 1] = torch.inf
    mask = np.ones(SHAPES[1], bool)
    mask[:, :3] = False
    masks = [None, mask, None, None]
    start = align(groups, num_views=4, shapes=[*SHAPES, (4, 4)], masks=masks)
    live = requiring_gradients(groups)

    solution = differentiable_align(live, start, masks=masks)
    (of_poses(solution) + solution.depths[0].sum()).backward()

    for tensor in inputs(live, "points") + inputs(live, "confidences"):
        assert bool(tensor.grad.isfinite().all())
    assert not live[0].points[0].grad[2, 3].any()
    assert live[0].points[0].grad[2, 4].any()
    assert not live[1].confidences[1].grad[0, 1].any()
    second = live[0].points[1].grad
    assert live[0].views[1] == 1
    assert not second[:, :3].any()
    assert second[:, 3:].any()
    assert not solution.depths[1][:, :3].any()
    assert bool(solution.world_from_cam[3].isnan().all())
    assert bool(solution.depths[3].isnan().all())


def test_float32_predictions_get_float32_gradients_and_need_no_start():
    groups, _ = make_case()
    live = requiring_gradients(changed(groups, Tensor.float, Tensor.float))

    solution = differentiable_align(live)
    solution.world_from_cam[1, :3, 3].sum().backward()

    assert solution.world_from_cam.dtype == torch.float64
    for tensor in inputs(live, "points") + inputs(live, "confidences"):
        assert tensor.grad.dtype == torch.float32
        assert tensor.grad.abs().max() > 0


def test_views_that_do_not_exist_and_starts_of_other_groups_are_errors():
    groups, start = make_case()

    with pytest.raises(InputError, match=r"\[0, 3\] as the views to keep, but there are 3"):
        differentiable_align(groups, start, keep_poses=[0, 3])

    with pytest.raises(InputError, match="7 groups, but 5 were given"):
        differentiable_align(groups[:5], start)
