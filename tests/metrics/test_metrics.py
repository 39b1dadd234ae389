"""Pose scores of errors that we made ourselves."""

import math

import pytest
import roma
import torch
from torch import Tensor

from pointmap.geometry.similarity import move_cameras
from pointmap.geometry.transforms import rigid
from pointmap.metrics import absolute_trajectory_error, depth_errors, error_by_confidence, falls, pose_errors


def random_cameras(views: int = 5) -> Tensor:
    return rigid(roma.random_rotmat(views, dtype=torch.float64), torch.randn(views, 3, dtype=torch.float64))


def turned(world_from_cam: Tensor, degrees: float) -> Tensor:
    """The camera turned about its own vertical axis."""
    turn = roma.rotvec_to_rotmat(torch.tensor([0.0, math.radians(degrees), 0.0], dtype=torch.float64))
    return world_from_cam @ rigid(turn, torch.zeros(3, dtype=torch.float64))


def looking_the_same_way(*centres: tuple[float, float, float]) -> Tensor:
    positions = torch.tensor(centres, dtype=torch.float64)
    return rigid(torch.eye(3, dtype=torch.float64).expand(len(centres), 3, 3), positions)


def test_the_world_frame_and_its_scale_do_not_count():
    true = random_cameras()
    moved = move_cameras(rigid(4 * roma.random_rotmat(dtype=torch.float64), torch.randn(3).double()), true)

    errors = pose_errors(moved, true)

    assert len(errors.rotation_deg) == 10
    assert errors.rotation_deg.max() < 1e-5
    assert errors.direction_deg.max() < 1e-5
    assert errors.auc(30) == errors.rra(1) == errors.rta(1) == 1
    assert absolute_trajectory_error(moved, true) < 1e-9


def test_a_turned_camera_is_off_by_its_angle_in_every_pair_it_is_in():
    true = random_cameras(3)
    estimated = true.clone()
    estimated[2] = turned(true[2], 12)

    errors = pose_errors(estimated, true)

    expected = torch.tensor([0.0, 12.0, 12.0], dtype=torch.float64)  # pairs 01, 02, 12
    torch.testing.assert_close(errors.rotation_deg, expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(errors.direction_deg, torch.zeros(3, dtype=torch.float64), rtol=0, atol=1e-6)
    assert errors.rra(15) == 1
    assert errors.rra(11.9) == errors.rra(5) == pytest.approx(1 / 3)


def test_a_reversed_direction_counts_as_180_degrees():
    errors = pose_errors(looking_the_same_way((0, 0, 0), (-2, 0, 0)), looking_the_same_way((0, 0, 0), (1, 0, 0)))

    assert errors.direction_deg.item() == pytest.approx(180)
    assert errors.rotation_deg.item() == 0


def test_a_missing_photo_counts_180_degrees_in_each_of_its_pairs():
    true = random_cameras(4)
    estimated = true.clone()
    estimated[1] = torch.nan

    errors = pose_errors(estimated, true)

    assert (errors.rotation_deg == 180).sum() == (errors.direction_deg == 180).sum() == 3
    assert errors.rra(15) == errors.rta(15) == errors.auc() == 0.5
    assert absolute_trajectory_error(estimated, true) < 1e-9


def test_photos_without_a_true_pose_are_left_out():
    true = random_cameras(4)
    estimated = true.clone()
    true[0] = torch.nan

    errors = pose_errors(estimated, true)

    assert len(errors.rotation_deg) == 3
    assert errors.auc() == 1


def test_an_estimate_in_one_place_has_no_direction_and_true_cameras_in_one_place_need_none():
    here, apart = looking_the_same_way((1, 2, 3), (1, 2, 3)), looking_the_same_way((1, 2, 3), (1, 2, 4))

    assert pose_errors(here, apart).direction_deg.item() == 180
    assert pose_errors(apart, here).direction_deg.item() == 0


def test_auc_is_the_mean_over_whole_degrees_of_the_share_of_pairs_below():
    true = random_cameras(2)
    estimated = torch.stack([true[0], turned(true[1], 9.5)])

    errors = pose_errors(estimated, true)

    assert errors.auc(30) == pytest.approx(21 / 30)  # below the thresholds 10, 11, ... 30
    assert errors.auc(5) == 0


def test_the_larger_of_the_two_errors_decides_in_auc():
    true = looking_the_same_way((0, 0, 0), (1, 0, 0))
    angle = math.radians(19.5)
    estimated = looking_the_same_way((0, 0, 0), (math.cos(angle), math.sin(angle), 0))
    estimated[1] = turned(estimated[1], 4.5)

    assert pose_errors(estimated, true).auc(30) == pytest.approx(11 / 30)


def test_one_photo_has_no_pairs_and_no_score():
    assert math.isnan(pose_errors(random_cameras(1), random_cameras(1)).auc())


def test_the_trajectory_error_is_in_units_of_the_true_world():
    true = looking_the_same_way((-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0))
    estimated = true.clone()
    estimated[:, 2, 3] = torch.tensor([0.1, -0.1, 0.1, -0.1], dtype=torch.float64)
    estimated[:, :3, 3] *= 7

    # The fit shrinks the saddle a little, in proportion to the square of its height.
    assert absolute_trajectory_error(estimated, true) == pytest.approx(0.1, rel=0.02)


def test_a_trajectory_of_which_nothing_is_known_has_no_error():
    assert math.isnan(absolute_trajectory_error(torch.full((3, 4, 4), torch.nan), random_cameras(3).float()))


def test_depth_errors_ignore_the_unit_and_pixels_that_one_side_does_not_know():
    true = torch.tensor([1.0, 2.0, 4.0, 5.0, 0.0, float("nan"), 3.0])
    depth = 7 * torch.tensor([1.0, 2.0, 4.0, 5.0 * 1.3, 9.0, 9.0, 0.0])  # one of four is 30 % too far

    errors = depth_errors(depth, true)

    assert errors.absrel == pytest.approx(0.3 / 4)
    assert errors.within_125 == pytest.approx(3 / 4)


def test_depth_errors_of_nothing_are_not_a_number():
    errors = depth_errors(torch.zeros(3), torch.ones(3))

    assert math.isnan(errors.absrel)
    assert math.isnan(errors.within_125)


def test_errors_by_confidence_go_from_the_least_to_the_most_confident():
    confidence = torch.tensor([3.0, 1.0, 4.0, 2.0])

    means = error_by_confidence(1 / confidence, confidence, groups=2)

    torch.testing.assert_close(means, torch.tensor([(1 + 1 / 2) / 2, (1 / 3 + 1 / 4) / 2]).double())
    assert falls(means)
    assert not falls(means.flip(0))
