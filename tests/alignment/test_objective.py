"""The differentiable objective against numbers of the public reference (tests/golden/post/alignment_*)."""

import pytest
import torch
from alignment_scenes import SCENES, read_golden
from torch import Tensor

from pointmap.alignment.objective import AlignmentObjective
from pointmap.alignment.problem import group_scores, make_problem
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


@pytest.mark.parametrize("scene", SCENES)
def test_group_scores_agree_with_the_reference(golden_dir, scene):
    data, groups = read_golden(golden_dir, scene)

    assert group_scores(make_problem(groups)).tolist() == pytest.approx(data["edge_scores"].tolist(), rel=1e-6)


def assert_near(value: Tensor, expected: Tensor) -> None:
    assert ((value - expected).abs() / (1 + expected.abs())).max() <= 1e-5
