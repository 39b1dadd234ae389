"""The yardstick takes the steps of the public implementation (tests/golden/post/alignment_*)."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pointmap.alignment import AlignmentObjective, align, make_problem
from pointmap.eval.studies.adam_tree_start import tree_start
from pointmap.eval.studies.adam_unknowns import Unknowns, rotation_matrix
from pointmap.eval.studies.adam_yardstick import AdamYardstick, autograd_adam
from pointmap.eval.studies.alignment_scenes import GOLDEN, camera_errors, golden, synthetic


def public(name: str) -> dict[str, torch.Tensor]:
    return load_file(Path(__file__).parents[2] / "golden" / "post" / f"alignment_{name}.safetensors")


def golden_unknowns(scene: str, name: str) -> Unknowns:
    data = public(scene)
    pixels = data["imshapes"].prod(-1).tolist()
    depths = [row[:count].clone() for row, count in zip(data[f"{name}.im_depthmaps"], pixels, strict=True)]
    return Unknowns(data[f"{name}.pw_poses"], data[f"{name}.im_poses"], data[f"{name}.im_focals"], depths)


@pytest.mark.parametrize("name", GOLDEN)
def test_loss_and_gradients_are_those_of_the_objective(name):
    scene = golden(name)
    at = golden_unknowns(name, "fixed").trainable()
    objective = AlignmentObjective(make_problem(scene.groups), centres=torch.from_numpy(scene.centres))
    parameters = [objective.group_poses, objective.view_poses, objective.log_focals, *objective.log_depths]
    with torch.no_grad():
        for parameter, value in zip(parameters, at.all(), strict=True):
            parameter.copy_(value)

    loss = AdamYardstick(scene.groups, scene.centres).loss_and_gradients(at)
    expected = objective()
    expected.backward()

    assert loss == pytest.approx(expected.item(), rel=1e-5)
    for value, parameter in zip(at.all(), parameters, strict=True):
        torch.testing.assert_close(value.grad, parameter.grad, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", GOLDEN)
def test_twenty_steps_lose_what_the_public_implementation_loses(name):
    scene = golden(name)

    outcome = AdamYardstick(scene.groups, scene.centres).run(golden_unknowns(name, "fixed"), 20)

    assert outcome.losses[:20] == pytest.approx(public(name)["short.losses"].tolist(), rel=1e-4)


@pytest.mark.parametrize("name", GOLDEN)
def test_a_whole_run_ends_where_the_public_implementation_ends(name):
    scene = golden(name)

    outcome = AdamYardstick(scene.groups, scene.centres).run(golden_unknowns(name, "init"))

    assert outcome.losses[0] == pytest.approx(public(name)["init.loss"].item(), rel=1e-5)
    assert outcome.losses[-1] == pytest.approx(public(name)["traj.cosine.final.loss"].item(), rel=1e-2)


def test_both_forms_take_the_same_steps():
    scene = golden("n3mixed")
    start = golden_unknowns(scene.name, "fixed")

    by_hand = AdamYardstick(scene.groups, scene.centres).run(start, 5)
    by_autograd = autograd_adam(scene.groups, scene.centres, start, 5)

    assert by_hand.losses == pytest.approx(by_autograd.losses, rel=1e-4)
    np.testing.assert_allclose(by_hand.world_from_cam, by_autograd.world_from_cam, atol=1e-4)
    assert min(by_hand.cpu_seconds, by_autograd.cpu_seconds) > 0


def test_it_begins_where_our_alignment_starts():
    scene = synthetic(3, 28, 20)
    found = align(scene.groups, refine="none", principal_points=scene.centres)
    start = Unknowns.start(found, scene.first_views)

    outcome = AdamYardstick(scene.groups, scene.centres).run(start, 0)

    assert outcome.losses == pytest.approx([found.loss], rel=1e-4)
    np.testing.assert_allclose(outcome.focals, found.intrinsics[:, 0, 0], rtol=1e-5)
    before = camera_errors(found.world_from_cam, scene.world_from_cam)
    after = camera_errors(outcome.world_from_cam, scene.world_from_cam)
    assert after.centres == pytest.approx(before.centres, rel=1e-3)


@pytest.mark.parametrize("name", ["n4", "n3mixed"])
def test_the_start_along_a_tree_is_near_the_truth_with_a_focal_length_for_each_view(name):
    scene = golden(name)

    outcome = AdamYardstick(scene.groups, scene.centres).run(tree_start(scene.groups, scene.centres), 0)

    errors = camera_errors(outcome.world_from_cam, scene.world_from_cam)
    assert errors.relative_rotation < 2
    assert errors.centres < 0.03
    np.testing.assert_allclose(outcome.focals, scene.focals, rtol=0.01)
    assert outcome.losses[0] < public(name)["init.loss"].item()


def test_a_quaternion_of_any_length_is_a_rotation():
    quarter_turn = rotation_matrix(3 * torch.tensor([0.0, 0.0, 0.5**0.5, 0.5**0.5]))

    torch.testing.assert_close(quarter_turn, torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]))
