"""The differentiable objective against numbers of the public reference (tests/golden/post/alignment_*)."""

import numpy as np
import pytest
import torch
from alignment_scenes import SCENES, Truth, complete, make_groups, make_truth, read_golden
from torch import Tensor

from pointmap.alignment import Alignment, align
from pointmap.alignment.objective import AlignmentObjective
from pointmap.alignment.problem import make_problem
from pointmap.errors import InputError
from pointmap.scene import Group

VARIANTS = {
    "default": {},
    "l2": {"distance": "l2"},
    "conf_sqrt": {},
    "adaptors": {"adapt_groups": True},
    "pp": {"adapt_centres": True},
    "adaptors_pp": {"adapt_groups": True, "adapt_centres": True, "base_scale": 0.7},
}


def make_objective(
    data: dict[str, Tensor], groups: list[Group], variant: str, dtype: torch.dtype = torch.float32
) -> AlignmentObjective:
    problem = make_problem(groups, weighting="sqrt" if variant == "conf_sqrt" else "log")
    height_width = data["imshapes"].double()
    objective = AlignmentObjective(problem, centres=height_width.flip(-1) / 2, dtype=dtype, **VARIANTS[variant])
    with torch.no_grad():
        objective.group_poses.copy_(data["fixed.pw_poses"])
        objective.view_poses.copy_(data["fixed.im_poses"])
        objective.log_focals.copy_(data["fixed.im_focals"])
        for parameter, padded in zip(objective.log_depths, data["fixed.im_depthmaps"], strict=True):
            parameter.copy_(padded[: parameter.numel()])
        if objective.adaptors.requires_grad:
            objective.adaptors.copy_(data["fixed.pw_adaptors"])
        if objective.centre_offsets.requires_grad:
            objective.centre_offsets.copy_(data["fixed.im_pp"])
    return objective


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_loss_agrees_with_the_reference(golden_dir, scene, variant):
    data, groups = read_golden(golden_dir, scene)

    single = make_objective(data, groups, variant)()
    double = make_objective(data, groups, variant, torch.float64)()

    assert single.item() == pytest.approx(data[f"fixed.{variant}.loss"].item(), rel=1e-6)
    assert double.item() == pytest.approx(data[f"fixed.{variant}.loss_f64"].item(), rel=1e-7)


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("variant", ["default", "adaptors_pp"])
def test_gradients_agree_with_the_reference(golden_dir, scene, variant):
    data, groups = read_golden(golden_dir, scene)
    objective = make_objective(data, groups, variant)

    objective().backward()

    expected = {key.rsplit(".", 1)[1]: value for key, value in data.items() if key.startswith(f"fixed.{variant}.grad.")}
    assert expected
    names = {"pw_poses": "group_poses", "im_poses": "view_poses", "im_focals": "log_focals"}
    names |= {"pw_adaptors": "adaptors", "im_pp": "centre_offsets"}
    for key, gradient in expected.items():
        if key == "im_depthmaps":
            for row, parameter in zip(gradient, objective.log_depths, strict=True):
                assert_near(parameter.grad, row[: parameter.numel()])
        else:
            assert_near(getattr(objective, names[key]).grad, gradient)


@pytest.mark.parametrize("scene", SCENES)
def test_twenty_adam_steps_agree_with_the_reference(golden_dir, scene):
    data, groups = read_golden(golden_dir, scene)
    objective = make_objective(data, groups, "default")
    optimizer = torch.optim.Adam([p for p in objective.parameters() if p.requires_grad], lr=0.01, betas=(0.9, 0.9))

    losses = []
    for step in range(20):
        optimizer.param_groups[0]["lr"] = (
            1e-6 + (0.01 - 1e-6) * (1 + torch.cos(torch.tensor(torch.pi * step / 20)).item()) / 2
        )
        optimizer.zero_grad()
        loss = objective()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

    assert losses == pytest.approx(data["short.losses"].tolist(), rel=1e-4)


def assert_near(value: Tensor, expected: Tensor) -> None:
    assert ((value - expected).abs() / (1 + expected.abs())).max() <= 1e-5


def test_refining_an_alignment_with_a_term_of_ones_own():
    shapes = [(12, 16), (15, 10), (12, 16)]
    groups = make_groups(make_truth(shapes), complete(3), noise=0.02)
    alignment = align(groups)
    before = alignment.world_from_cam[1, 1, 3]

    # Somebody knows that the second camera is 0.05 lower than was found.
    objective = AlignmentObjective.from_alignment(groups, alignment)
    optimizer = torch.optim.Adam([p for p in objective.parameters() if p.requires_grad], lr=1e-3, betas=(0.9, 0.9))
    for _ in range(100):
        optimizer.zero_grad()
        height = objective.world_from_cam[1, 1, 3] - objective.world_from_cam[0, 1, 3]
        (objective() + 10 * (height - (before + 0.05)) ** 2).backward()
        optimizer.step()
    refined = objective.alignment()

    height = refined.world_from_cam[1, 1, 3] - refined.world_from_cam[0, 1, 3]
    assert height == pytest.approx(before + 0.05, abs=0.01)
    assert alignment.loss < refined.loss < 1.5 * alignment.loss


def test_an_alignment_comes_back_as_it_was():
    truth = make_truth([(12, 16), (15, 10), (12, 16)], offset=(1.5, -1.0))
    groups = make_groups(truth, complete(3), noise=0.02)
    groups[2].points[0][3, 4] = np.nan
    stretched = truth.intrinsics * np.array([1.0, 0.8, 1.0])[:, None]
    alignment = align(groups, num_views=4, intrinsics=[None, stretched[1], None, None], world_from_cam=poses_of(truth))

    objective = AlignmentObjective.from_alignment(groups, alignment).double()
    back = objective.alignment()

    assert back.loss == pytest.approx(alignment.loss, rel=1e-5)
    assert back.registered.tolist() == [True, True, True, False]
    assert np.isnan(back.pose_covariances).all()
    assert not np.isnan(alignment.pose_covariances[:3]).all()
    for name in ("world_from_cam", "intrinsics", "world_from_group", "depths"):
        for value, expected in zip(getattr(back, name), getattr(alignment, name), strict=True):
            np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5, err_msg=name)


def poses_of(truth: Truth) -> list[np.ndarray | None]:
    """Two that set the world's scale, and place it somewhere else than in the first camera."""
    return [None, truth.world_from_cam[1], truth.world_from_cam[2], None]


def test_only_what_came_from_an_alignment_goes_back_to_one(golden_dir):
    _, groups = read_golden(golden_dir, "n4")

    with pytest.raises(InputError, match="from_alignment"):
        AlignmentObjective(make_problem(groups)).alignment()


@pytest.mark.parametrize("scene", SCENES)
def test_the_solvers_answer_is_where_the_gradient_vanishes(golden_dir, scene):
    _, groups = read_golden(golden_dir, scene)

    def slope(alignment: Alignment) -> float:
        objective = AlignmentObjective.from_alignment(groups, alignment, dtype=torch.float64)
        objective().backward()
        cameras = (objective.group_poses, objective.view_poses, objective.log_focals)
        return torch.cat([parameter.grad.flatten() for parameter in cameras]).norm().item()

    # How near in terms of the loss, says test_align_ends_within_a_ten_thousandth_of_the_minimum.
    assert slope(align(groups)) < 0.2 * slope(align(groups, refine="none"))
