"""Epipolar geometry, homographies and poses by both libraries: the true ones, with wrong matches among them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from match_scenes import K_I, K_J, angle_deg, random_matches, turn, two_cameras

from pointmap.errors import InputError
from pointmap.geometry.matching import PairMatches
from pointmap.match import fundamental, homography, verify
from pointmap.match.keypoints import near_epipolar_lines


@pytest.fixture(params=["opencv", "poselib"])
def method(request):
    if request.param == "poselib":
        pytest.importorskip("poselib")
    return request.param


def true_fundamental(scene):
    x, y, z = scene.translation
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.linalg.inv(K_J).T @ cross @ scene.rotation @ np.linalg.inv(K_I)


def test_the_fundamental_matrix_has_the_right_matches_on_its_lines(method):
    scene = two_cameras(400, noise_px=0.2, wrong=0.4)

    found = fundamental(scene.matches, method=method)

    assert found.inliers[scene.right].mean() > 0.95
    assert found.inliers[~scene.right].mean() < 0.1
    exact = two_cameras(400, noise_px=0.0, wrong=0.0).matches
    assert near_epipolar_lines(exact, true_fundamental(scene), 1e-3).all()
    assert near_epipolar_lines(exact, found.matrix, 0.7).mean() > 0.95


def test_the_homography_of_a_camera_that_turns_is_its_rotation(method):
    scene = two_cameras(200, translation=(0, 0, 0), degrees=12, noise_px=0.2, wrong=0.4)
    expected = K_J @ scene.rotation @ np.linalg.inv(K_I)

    found = homography(scene.matches, method=method)

    assert found.inliers[scene.right].mean() > 0.95
    assert found.inliers[~scene.right].mean() < 0.1
    corners = np.array([[0, 0, 1], [319, 0, 1], [0, 223, 1], [319, 223, 1.0]])
    moved, true = (corners @ matrix.T for matrix in (found.matrix, expected))
    assert np.linalg.norm(moved[:, :2] / moved[:, 2:] - true[:, :2] / true[:, 2:], axis=1).max() < 1.5


@pytest.mark.parametrize("seed", range(3))
def test_the_pose_is_the_true_one(method, seed):
    scene = two_cameras(noise_px=0.1, seed=seed)

    pose = verify(scene.matches, K_I, K_J, method=method)

    assert angle_deg(pose.rotation, scene.rotation) < 0.5
    assert angle_deg(pose.direction, scene.translation) < 2
    assert np.linalg.norm(pose.direction) == pytest.approx(1)
    assert pose.inliers[scene.right].mean() > 0.9
    assert pose.inliers[~scene.right].mean() < 0.1
    assert np.nanmin(pose.depths_i) > 0


def test_points_on_one_plane_give_the_pose_that_has_them_in_front(method):
    scene = two_cameras(plane=True, noise_px=0.1, wrong=0.3)

    pose = verify(scene.matches, K_I, K_J, method=method)

    assert angle_deg(pose.rotation, scene.rotation) < 2
    assert angle_deg(pose.direction, scene.translation) < 5


@pytest.mark.parametrize("count", [0, 4, 7])
def test_matches_that_always_agree_tell_nothing(method, count):
    assert fundamental(random_matches(count), method=method) is None
    assert verify(random_matches(count), K_I, K_J, method=method) is None
    if count <= 4:
        assert homography(random_matches(count), method=method) is None


def test_copies_of_one_match_and_matches_on_one_line_do_not_break_it(method):
    matches = two_cameras(40, wrong=0.0).matches
    copies = replace(matches, pixels_i=matches.pixels_i[:1].repeat(40, 1), pixels_j=matches.pixels_j[:1].repeat(40, 1))
    row = torch.stack([torch.arange(40.0), torch.full((40,), 7.0)], dim=1)

    for degenerate in (copies, PairMatches(0, 1, row, row, torch.ones(40))):
        for found in (fundamental(degenerate, method=method), homography(degenerate, method=method)):
            assert found is None or np.isfinite(found.matrix).all()
        pose = verify(degenerate, K_I, K_J, method=method)
        assert pose is None or np.isfinite(pose.rotation).all()


def test_photos_that_are_identical_have_no_motion(method):
    pixels = two_cameras(200, wrong=0.0).matches.pixels_i

    pose = verify(PairMatches(0, 1, pixels, pixels, torch.ones(200)), K_I, K_I, method=method)

    assert angle_deg(pose.rotation, turn((1, 0, 0), 0)) < 0.1
    assert pose.parallax_deg < 0.1
    assert pose.inliers.mean() > 0.9


def test_an_unknown_method_is_an_error_that_lists_the_known():
    for function in (fundamental, homography):
        with pytest.raises(InputError, match=r"'ransac'.*'opencv' or 'poselib'"):
            function(random_matches(20), method="ransac")


def test_without_poselib_the_error_names_the_extra(monkeypatch):
    monkeypatch.setattr("pointmap.extras.find_spec", lambda name: None)

    with pytest.raises(InputError, match=r"poselib.*pip install 'pointmap\[colmap\]'"):
        verify(random_matches(20), K_I, K_J, method="poselib")
