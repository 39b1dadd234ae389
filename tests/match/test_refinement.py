"""Refined poses lie where the matches have them, and never fit worse."""

import numpy as np
import pytest
from match_scenes import K_I, K_J, angle_deg, turn, two_cameras

from pointmap.match import verify
from pointmap.match.refinement import refine_motion, robust_loss, sampson


def rays(pixels, K):
    return (np.pad(pixels.double().numpy(), ((0, 0), (0, 1)), constant_values=1) @ np.linalg.inv(K).T)[:, :2]


@pytest.mark.parametrize("seed", range(3))
def test_a_pose_that_is_a_little_off_becomes_the_true_one_among_wrong_matches(seed):
    scene = two_cameras(300, noise_px=0.0, wrong=0.3, seed=seed)
    rays_i, rays_j = rays(scene.matches.pixels_i, K_I), rays(scene.matches.pixels_j, K_J)
    start = turn((1, 2, 3), 0.4) @ scene.rotation
    direction = turn((3, 1, 0), 2.0) @ scene.translation / np.linalg.norm(scene.translation)

    rotation, refined = refine_motion(rays_i, rays_j, start, direction, 3 / 290)

    assert angle_deg(rotation, scene.rotation) < 0.02
    assert angle_deg(refined, scene.translation) < 0.1
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
    assert np.linalg.norm(refined) == pytest.approx(1)


def test_the_loss_never_rises_wherever_it_starts():
    scene = two_cameras(200, noise_px=0.5, wrong=0.5)
    rays_i, rays_j = rays(scene.matches.pixels_i, K_I), rays(scene.matches.pixels_j, K_J)

    for degrees in (0, 20, 90, 180):
        start = turn((1, 0, 1), degrees) @ scene.rotation, np.array([0.0, 1.0, 0.0])
        end = refine_motion(rays_i, rays_j, *start, 1.5 / 290)
        before, after = (robust_loss(sampson(rays_i, rays_j, *pose), 1.5 / 290).sum() for pose in (start, end))
        assert after <= before


def test_thorough_verification_is_nearer_to_the_truth_when_few_matches_are_right():
    errors = {False: [], True: []}
    for seed in range(6):
        scene = two_cameras(150, noise_px=0.4, wrong=0.7, seed=seed)
        for thorough, found in errors.items():
            pose = verify(scene.matches, K_I, K_J, thorough=thorough)
            found.append(180.0 if pose is None else angle_deg(pose.rotation, scene.rotation))

    assert np.median(errors[True]) < np.median(errors[False])
    assert np.median(errors[True]) < 2
