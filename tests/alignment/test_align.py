"""The aligner on scenes whose truth is known, with predictions of which some are bad."""

import json

import golden_inputs
import numpy as np
import pytest
import torch
from alignment_scenes import (
    MIXED,
    SCENES,
    complete,
    make_group,
    make_groups,
    make_truth,
    pose_errors,
    read_golden,
    relative_rotation_error,
)
from safetensors import safe_open

from pointmap.alignment import AlignmentObjective, align, make_problem
from pointmap.errors import Cancelled, InputError
from pointmap.scene import Group

# Against the truth


@pytest.mark.parametrize("refine", ["align", "none"])
def test_exact_predictions_of_mixed_shapes_give_the_true_cameras_and_depths(refine):
    truth = make_truth(MIXED)

    result = align(make_groups(truth, complete(4)), refine=refine)

    rotation, centre = pose_errors(result.world_from_cam, truth)
    assert rotation < 0.01
    assert centre < 1e-3
    np.testing.assert_allclose(result.intrinsics, truth.intrinsics, rtol=1e-3)
    for found, true in zip(result.depths, truth.depths, strict=True):
        ratio = found / true
        assert ratio.std() / ratio.mean() < 1e-3
    assert result.registered.all()
    assert result.dropped == []
    np.testing.assert_allclose(result.world_from_cam[0], np.eye(4), atol=1e-12)


def test_principal_points_off_the_centre_are_kept():
    truth = make_truth(MIXED, offset=(3.0, -2.0))

    result = align(make_groups(truth, complete(4)), principal_points=truth.intrinsics[:, :2, 2])

    np.testing.assert_allclose(result.intrinsics, truth.intrinsics, rtol=1e-3)
    assert pose_errors(result.world_from_cam, truth)[0] < 0.01


def test_refinement_brings_noisy_predictions_nearer_to_the_truth():
    truth = make_truth(MIXED)
    groups = make_groups(truth, complete(4), noise=0.03)

    start, result = align(groups, refine="none"), align(groups)

    assert result.loss < start.loss
    assert pose_errors(result.world_from_cam, truth)[1] < 0.02
    assert result.history[-1] <= result.history[0]


@pytest.mark.parametrize("refine", ["align", "none"])
def test_groups_of_many_views_are_aligned(refine):
    truth = make_truth([(30, 44), (44, 30), (26, 44), (30, 44), (44, 30)])
    groups = [make_group(truth, (0, 1, 2), scale=2.0), make_group(truth, (2, 3, 1, 4), scale=0.7)]

    result = align(groups, refine=refine)

    rotation, centre = pose_errors(result.world_from_cam, truth)
    assert rotation < 0.3
    assert centre < 0.01


def test_a_view_that_is_never_first_gets_its_camera_and_focal_from_its_pixels():
    truth = make_truth([(30, 44), (44, 30)])

    result = align([make_group(truth, (0, 1))])

    assert result.intrinsics[1, 0, 0] == pytest.approx(truth.intrinsics[1, 0, 0], rel=5e-3)
    assert relative_rotation_error(result.world_from_cam, truth, 0, 1) < 0.2


# Against the reference


@pytest.mark.parametrize("scene", SCENES)
def test_final_loss_and_poses_are_not_above_the_reference(golden_dir, scene):
    data, groups = read_golden(golden_dir, scene)

    result = align(groups, principal_points=data["imshapes"].flip(-1).double().numpy() / 2)

    assert result.loss <= min(data["traj.cosine.losses"][-1].item(), data["traj.linear.losses"][-1].item())
    with safe_open(golden_dir / "post" / f"alignment_{scene}.safetensors", "pt") as file:
        reference = json.loads(file.metadata()["info"])["cosine"]
    errors = golden_inputs.pose_errors(result.world_from_cam, data["gt_poses"].numpy())
    assert errors["rel_rot_deg_mean"] < reference["pose"]["rel_rot_deg_mean"]
    focal_error = np.abs(result.intrinsics[:, 0, 0] / data["gt_focals"].numpy() - 1).mean()
    assert focal_error < max(reference["focal_rel"], 0.003)  # the reference stops short of the minimum


@pytest.mark.parametrize("scene", SCENES)
def test_the_objective_at_the_answer_is_the_stated_loss_and_stationary(golden_dir, scene):
    data, groups = read_golden(golden_dir, scene)
    centres = data["imshapes"].flip(-1).double() / 2
    start, result = (align(groups, principal_points=centres.numpy(), refine=refine) for refine in ("none", "align"))

    before, after = (objective_at(groups, centres, alignment) for alignment in (start, result))

    assert after().item() == pytest.approx(result.loss, rel=1e-5)
    slopes = [torch.cat([p.grad.norm()[None] for p in with_gradients(o)]) for o in (before, after)]
    # Similarities, cameras, focal lengths: a tenth of the slope at the start, which is near already.
    assert (slopes[1] < 0.1 * slopes[0] + 1e-4).all()


def test_two_photos_without_optimisation_are_as_good_as_the_reference(golden_dir):
    data, groups = read_pair(golden_dir)
    height, width = groups[0].points[0].shape[:2]

    result = align(groups, refine="none", principal_points=np.tile([width / 2, height / 2], (2, 1)))

    def error(world_from_cam: np.ndarray) -> float:
        found = np.linalg.inv(world_from_cam[0]) @ world_from_cam[1]
        true = np.linalg.inv(data["gt_poses"][0].numpy()) @ data["gt_poses"][1].numpy()
        return np.degrees(np.arccos(min(1.0, (np.trace(found[:3, :3].T @ true[:3, :3]) - 1) / 2)))

    assert error(result.world_from_cam) < error(data["cam2world"].double().numpy())
    np.testing.assert_allclose(result.intrinsics[:, 0, 0], data["gt_focals"], rtol=2e-3)


# What the caller knows


def test_known_intrinsics_are_kept():
    truth = make_truth(MIXED, offset=(2.0, 1.0))
    known = [truth.intrinsics[0] @ np.diag([1.0, 1.0, 1.0]), None, truth.intrinsics[2], None]

    result = align(
        make_groups(truth, complete(4), noise=0.01), intrinsics=known, principal_points=truth.intrinsics[:, :2, 2]
    )

    np.testing.assert_array_equal(result.intrinsics[[0, 2]], truth.intrinsics[[0, 2]])
    assert result.intrinsics[1, 0, 0] == pytest.approx(truth.intrinsics[1, 0, 0], rel=0.01)


def test_a_shared_focal_length_is_one_for_all():
    truth = make_truth([(30, 44)] * 3, identical=False)
    focal = truth.intrinsics[0, 0, 0]
    truth.intrinsics[:, 0, 0] = truth.intrinsics[:, 1, 1] = focal

    result = align(make_groups(truth, complete(3), noise=0.01), shared_focal=True)

    assert np.ptp(result.intrinsics[:, 0, 0]) == 0
    assert result.intrinsics[0, 0, 0] == pytest.approx(focal, rel=0.01)


def test_views_of_one_camera_share_its_focal_length():
    truth = make_truth(MIXED)
    focals = np.array([40.0, 40.0, 52.0, 52.0])
    truth.intrinsics[:, 0, 0] = truth.intrinsics[:, 1, 1] = focals

    result = align(make_groups(truth, complete(4), noise=0.01), shared_focal=[7, 7, 3, 3])

    np.testing.assert_allclose(result.intrinsics[:, 0, 0], focals, rtol=0.01)
    assert np.ptp(result.intrinsics[:2, 0, 0]) == np.ptp(result.intrinsics[2:, 0, 0]) == 0


def test_one_camera_per_view_is_what_sharing_takes():
    with pytest.raises(InputError, match="shared_focal has 2 entries for 4 views"):
        align(make_groups(make_truth(MIXED), complete(4)), shared_focal=[0, 1])


def test_two_known_poses_are_kept_and_set_world_and_scale():
    truth = make_truth(MIXED)
    known = [truth.world_from_cam[0], None, truth.world_from_cam[2], None]

    result = align(make_groups(truth, complete(4), noise=0.003), world_from_cam=known)

    np.testing.assert_allclose(result.world_from_cam[[0, 2]], truth.world_from_cam[[0, 2]], atol=1e-9)
    np.testing.assert_allclose(result.world_from_cam[[1, 3]], truth.world_from_cam[[1, 3]], atol=0.02)
    assert np.median(result.depths[1] / truth.depths[1]) == pytest.approx(1, rel=0.01)


def test_one_known_pose_places_the_world():
    truth = make_truth(MIXED)

    result = align(make_groups(truth, complete(4)), world_from_cam=[None, truth.world_from_cam[1], None, None])

    np.testing.assert_allclose(result.world_from_cam[1], truth.world_from_cam[1], atol=1e-12)
    assert pose_errors(result.world_from_cam, truth)[0] < 0.01


# Bad predictions


def test_a_view_without_one_finite_point_is_left_out_and_the_rest_registered():
    truth = make_truth(MIXED)
    groups = make_groups(truth, complete(4))
    for group in groups:
        if 2 in group.views:
            group.points[group.views.index(2)][:] = np.nan

    result = align(groups)

    assert result.registered.tolist() == [True, True, False, True]
    assert any("View 2: 6 of 6 predictions have no finite point" in line for line in result.dropped)
    assert np.isnan(result.world_from_cam[2]).all()
    assert np.isnan(result.depths[2]).all()
    assert result.depths[2].shape == MIXED[2]
    others = [0, 1, 3]
    errors = golden_inputs.pose_errors(result.world_from_cam[others], truth.world_from_cam[others])
    assert errors["rel_rot_deg_max"] < 0.01


def test_of_separate_parts_the_largest_is_registered():
    truth = make_truth([(30, 44)] * 5)
    pairs = [(0, 1), (1, 0), (2, 3), (3, 4), (4, 3), (3, 2)]

    result = align(make_groups(truth, pairs))

    assert result.registered.tolist() == [False, False, True, True, True]
    assert any("Views 0, 1: not tied" in line and "2 separate parts" in line for line in result.dropped)
    np.testing.assert_allclose(result.world_from_cam[2], np.eye(4), atol=1e-12)
    assert np.isnan(result.world_from_group[:2]).all()
    assert np.isfinite(result.world_from_group[2:]).all()


def test_photos_that_no_group_shows_are_not_registered():
    truth = make_truth([(30, 44)] * 2)

    result = align(make_groups(truth, complete(2)), num_views=3, shapes=[(30, 44), (30, 44), (20, 44)])

    assert result.registered.tolist() == [True, True, False]
    assert result.depths[2].shape == (20, 44)
    assert any("View 2" in line for line in result.dropped)


def test_one_wrong_group_hardly_matters():
    truth = make_truth([(30, 44)] * 4)
    groups = make_groups(truth, complete(4), noise=0.003)
    wrong = groups[3]
    groups[3] = Group(wrong.views, [p[:, ::-1].copy() for p in wrong.points], [0.3 * c for c in wrong.confidences])

    result = align(groups)

    assert pose_errors(result.world_from_cam, truth)[0] < 1.0


def test_nothing_usable_is_an_error_that_says_so():
    truth = make_truth([(30, 44)] * 2)
    groups = make_groups(truth, complete(2))
    for group in groups:
        for points in group.points:
            points[:] = np.nan

    with pytest.raises(InputError, match="None of the 2 predictions is usable"):
        align(groups)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_views": 1}, "there are 1 photos"),
        ({"intrinsics": [np.eye(3)]}, "1 entries for 2 views"),
        ({"world_from_cam": [np.eye(3), None]}, r"expected \(4, 4\)"),
        ({"principal_points": np.zeros((3, 2))}, r"expected \(2, 2\)"),
        ({"shapes": [(30, 44), (44, 30)]}, "must show the same working image"),
    ],
)
def test_settings_that_cannot_be_used_are_named(settings, message):
    truth = make_truth([(30, 44)] * 2)

    with pytest.raises(InputError, match=message):
        align(make_groups(truth, complete(2)), **settings)


def test_no_groups_is_an_error():
    with pytest.raises(InputError, match="at least one group"):
        align([])


# Behaviour


def test_the_same_call_gives_the_same_answer():
    groups = make_groups(make_truth(MIXED), complete(4), noise=0.01)

    first, second = align(groups, pixels_per_view=300), align(groups, pixels_per_view=300)

    np.testing.assert_array_equal(first.world_from_cam, second.world_from_cam)


def test_progress_rises_to_the_total_and_may_stop_the_work():
    groups = make_groups(make_truth(MIXED), complete(4), noise=0.01)
    calls: list[tuple[str, int, int]] = []

    align(groups, progress=lambda *call: calls.append(call))

    assert {stage for stage, _, _ in calls} == {"align"}
    done = [number for _, number, _ in calls]
    assert done == sorted(done)
    assert done[-1] == calls[-1][2]

    def stop(stage: str, number: int, total: int) -> None:
        if number == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        align(groups, progress=stop)


def objective_at(groups, centres, alignment):
    objective = AlignmentObjective(make_problem(groups), centres=centres, dtype=torch.float64)
    objective.load(
        world_from_cam=torch.from_numpy(alignment.world_from_cam),
        world_from_group=torch.from_numpy(alignment.world_from_group),
        focals=torch.from_numpy(alignment.intrinsics[:, 0, 0]),
        depths=[torch.from_numpy(depth).double() for depth in alignment.depths],
    )
    return objective


def with_gradients(objective):
    objective().backward()
    return [objective.group_poses, objective.view_poses, objective.log_focals]


def read_pair(golden_dir):
    from safetensors.torch import load_file

    data = load_file(golden_dir / "post" / "pair_viewer.safetensors")
    groups = [
        Group(
            (i, j),
            [data[f"pred.{e}.pts_i"], data[f"pred.{e}.pts_j"]],
            [data[f"pred.{e}.conf_i"], data[f"pred.{e}.conf_j"]],
        )
        for e, (i, j) in enumerate(data["edges"].tolist())
    ]
    return data, groups
