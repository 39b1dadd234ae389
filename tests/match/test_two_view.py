"""Relative poses from matches are the true ones, among wrong matches too, and say how far they can be trusted."""

from dataclasses import replace

import numpy as np
import pytest
from match_scenes import K_I, K_J, angle_deg, random_matches, two_cameras

from pointmap.match import verify


@pytest.mark.parametrize("seed", range(4))
def test_the_pose_is_the_true_one_with_half_of_the_matches_wrong(seed):
    scene = two_cameras(noise_px=0.1, seed=seed)

    pose = verify(scene.matches, K_I, K_J)

    assert angle_deg(pose.rotation, scene.rotation) < 0.5
    assert angle_deg(pose.direction, scene.translation) < 2
    assert np.linalg.norm(pose.direction) == pytest.approx(1)
    assert pose.inliers[scene.right].mean() > 0.9
    assert pose.inliers[~scene.right].mean() < 0.1


def test_noise_of_half_a_pixel_leaves_a_pose_that_is_good_enough_to_start_from():
    scene = two_cameras(600, noise_px=0.5)

    pose = verify(scene.matches, K_I, K_J)

    assert angle_deg(pose.rotation, scene.rotation) < 3
    assert angle_deg(pose.direction, scene.translation) < 5


def test_depths_are_those_of_the_points_in_units_of_the_distance_between_the_cameras():
    scene = two_cameras(noise_px=0.0, wrong=0.2)
    distance = np.linalg.norm(scene.translation)
    points_j = scene.points_i @ scene.rotation.T + scene.translation

    pose = verify(scene.matches, K_I, K_J)

    np.testing.assert_allclose(pose.depths_i[scene.right] * distance, scene.points_i[scene.right, 2], rtol=1e-3)
    np.testing.assert_allclose(pose.depths_j[scene.right] * distance, points_j[scene.right, 2], rtol=1e-3)
    assert np.isnan(pose.depths_i[~pose.inliers]).all()
    to_i = scene.points_i / np.linalg.norm(scene.points_i, axis=1, keepdims=True)
    centre_j = -scene.rotation.T @ scene.translation
    to_j = (scene.points_i - centre_j) / np.linalg.norm(scene.points_i - centre_j, axis=1, keepdims=True)
    angles = np.degrees(np.arccos((to_i * to_j).sum(1)))
    assert pose.parallax_deg == pytest.approx(np.median(angles[pose.inliers]), abs=0.1)


def test_swapping_a_pose_is_verifying_swapped_matches():
    scene = two_cameras()

    swapped = verify(scene.matches, K_I, K_J).swapped()
    other = verify(scene.matches.swapped(), K_J, K_I)

    assert angle_deg(swapped.rotation, other.rotation) < 0.3
    assert angle_deg(swapped.direction, other.direction) < 1
    both = swapped.inliers & other.inliers
    assert both.sum() > 0.95 * swapped.inliers.sum()
    np.testing.assert_allclose(np.nanmedian(swapped.depths_i[both] / other.depths_i[both]), 1, rtol=0.02)
    np.testing.assert_allclose(np.nanmedian(swapped.depths_j[both] / other.depths_j[both]), 1, rtol=0.02)


def test_swapping_twice_is_the_pose_itself():
    pose = verify(two_cameras().matches, K_I, K_J)

    again = pose.swapped().swapped()

    np.testing.assert_allclose(again.rotation, pose.rotation, atol=1e-12)
    np.testing.assert_allclose(again.direction, pose.direction, atol=1e-12)
    np.testing.assert_array_equal(again.depths_i, pose.depths_i)


@pytest.mark.parametrize("seed", range(4))
def test_a_camera_that_only_turns_shows_in_the_parallax_and_keeps_its_rotation(seed):
    scene = two_cameras(translation=(0, 0, 0), degrees=12, wrong=0.3, seed=seed)

    pose = verify(scene.matches, K_I, K_J)

    assert pose.parallax_deg < 0.3
    assert angle_deg(pose.rotation, scene.rotation) < 1
    assert pose.inliers[scene.right].mean() > 0.9


def test_a_small_move_has_small_parallax_and_keeps_its_points():
    scene = two_cameras(translation=(0.02, 0, 0), wrong=0.3)

    pose = verify(scene.matches, K_I, K_J)

    assert pose.parallax_deg < 0.7
    assert angle_deg(pose.rotation, scene.rotation) < 1
    assert pose.inliers[scene.right].mean() > 0.8


@pytest.mark.parametrize("seed", range(4))
def test_points_on_one_plane_give_the_pose_that_has_them_in_front(seed):
    scene = two_cameras(plane=True, noise_px=0.1, wrong=0.3, seed=seed)

    pose = verify(scene.matches, K_I, K_J)

    assert angle_deg(pose.rotation, scene.rotation) < 2
    assert angle_deg(pose.direction, scene.translation) < 5
    assert pose.inliers[scene.right].mean() > 0.95


def test_too_few_matches_give_no_pose():
    assert verify(two_cameras(11, wrong=0.0).matches, K_I, K_J) is None
    assert verify(two_cameras(30, wrong=0.0).matches, K_I, K_J) is not None


@pytest.mark.parametrize("count", [20, 100, 600])
def test_wrong_matches_agree_no_more_than_chance_has_it(count):
    shares = []
    for seed in range(4):
        pose = verify(random_matches(count, seed), K_I, K_J)
        shares.append(0.0 if pose is None else pose.inliers.mean() - pose.chance)

    assert max(shares) < 0.02


def test_chance_falls_with_the_number_of_matches_and_right_ones_are_far_above():
    few, many = (verify(two_cameras(count).matches, K_I, K_J) for count in (60, 600))

    assert many.chance < few.chance < 0.3
    assert many.inliers.mean() - many.chance > 0.3


def test_copies_of_one_match_tell_no_pose():
    matches = two_cameras(40, wrong=0.0).matches
    copies = replace(matches, pixels_i=matches.pixels_i[:1].repeat(40, 1), pixels_j=matches.pixels_j[:1].repeat(40, 1))

    pose = verify(copies, K_I, K_J)

    assert pose is None or pose.chance == 1


def test_the_same_matches_give_the_same_pose():
    matches = two_cameras().matches

    first, second = verify(matches, K_I, K_J), verify(matches, K_I, K_J)

    np.testing.assert_array_equal(first.rotation, second.rotation)
    np.testing.assert_array_equal(first.depths_i, second.depths_i)
