"""Alignments find the motion by which a cloud was moved."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pointmap.metrics.points import cloud_errors
from pointmap.metrics.registration import (
    icp,
    lower_median,
    robust_umeyama_of_cameras,
    scale_and_z_shift,
    transform,
    umeyama_of_cameras,
)


def similarity(scale: float, degrees: float, offset: tuple[float, float, float]) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = scale * Rotation.from_rotvec(np.radians(degrees) * np.array([0.6, 0.0, 0.8])).as_matrix()
    matrix[:3, 3] = offset
    return matrix


def box(count: int = 4000) -> np.ndarray:
    """Points on three walls of a corner, which hold a cloud in all directions."""
    random = np.random.default_rng(0)
    points = random.uniform(0, 1, (count, 3)) * [1.0, 0.8, 0.6]
    points[np.arange(count), random.integers(0, 3, count)] = 0
    return points


def cameras(count: int, *, on_a_line: bool = False) -> np.ndarray:
    random = np.random.default_rng(3)
    poses = np.tile(np.eye(4), (count, 1, 1))
    poses[:, :3, :3] = Rotation.random(count, random_state=4).as_matrix()
    poses[:, :3, 3] = random.uniform(-1, 1, (count, 3)) * ([1, 0, 0] if on_a_line else [1, 1, 1])
    return poses


def moved(world_from_cam: np.ndarray, b_from_world: np.ndarray) -> np.ndarray:
    poses = b_from_world @ world_from_cam
    poses[:, :3, :3] /= np.linalg.norm(poses[:, 0, :3], axis=-1)[:, None, None]
    return poses


def test_icp_undoes_a_small_rigid_motion():
    move = similarity(1.0, 1.0, (0.01, -0.005, 0.008))

    found = icp(transform(move, box()), box(), max_distance=0.1)

    np.testing.assert_allclose(found.true_from_estimate @ move, np.eye(4), atol=2e-4)
    assert found.fitness == 1
    assert found.rmse < 1e-3
    assert found.iterations <= 30


def test_icp_with_scale_undoes_a_small_change_of_size():
    move = similarity(1.03, 0.5, (0.004, 0.002, 0.003))

    found = icp(transform(move, box()), box(), max_distance=0.1, with_scale=True, iterations=50)
    rigid = icp(transform(move, box()), box(), max_distance=0.1, iterations=50)

    assert cloud_errors(transform(found.true_from_estimate @ move, box()), box()).accuracy < 1e-3
    assert cloud_errors(transform(rigid.true_from_estimate @ move, box()), box()).accuracy > 3e-3
    assert np.linalg.det(rigid.true_from_estimate[:3, :3]) == pytest.approx(1)


def test_icp_leaves_clouds_without_partners_where_they_are():
    far = icp(box() + 10, box(), max_distance=0.1)

    np.testing.assert_array_equal(far.true_from_estimate, np.eye(4))
    assert far.fitness == 0
    np.testing.assert_array_equal(icp(box(), box()[:0], max_distance=1).true_from_estimate, np.eye(4))
    np.testing.assert_array_equal(icp(box()[:0], box(), max_distance=1).true_from_estimate, np.eye(4))


def test_icp_stops_after_as_many_steps_as_it_may():
    assert icp(transform(similarity(1, 3, (0.02, 0, 0)), box()), box(), 0.1, iterations=2).iterations == 2


@pytest.mark.parametrize("on_a_line", [False, True])
@pytest.mark.parametrize("count", [2, 3, 8])
def test_cameras_tell_the_similarity_also_where_their_centres_leave_a_rotation_open(count, on_a_line):
    true = cameras(count, on_a_line=on_a_line)
    move = similarity(2.5, 70, (1.0, 2.0, -3.0))

    found = umeyama_of_cameras(moved(true, np.linalg.inv(move)), true)

    np.testing.assert_allclose(found, move, atol=1e-9)


def test_a_camera_that_is_far_off_does_not_count():
    true = cameras(20)
    estimated = moved(true, np.linalg.inv(similarity(2.5, 70, (1.0, 2.0, -3.0))))
    estimated[0, :3, 3] += [1.0, -0.5, 0.5]

    plain = umeyama_of_cameras(estimated, true)
    robust = robust_umeyama_of_cameras(estimated, true)

    def off(matrix: np.ndarray) -> float:
        return float(np.linalg.norm(transform(matrix, estimated[1:, :3, 3]) - true[1:, :3, 3], axis=1).mean())

    assert off(robust) < 1e-9 < 0.1 < off(plain)


def test_exact_cameras_are_fitted_exactly_by_samples_too():
    true, move = cameras(9), similarity(0.2, 120, (1.0, 0.0, 3.0))

    np.testing.assert_allclose(robust_umeyama_of_cameras(moved(true, np.linalg.inv(move)), true), move, atol=1e-9)


def test_scale_and_z_shift_are_found_as_medians():
    true = np.random.default_rng(2).uniform([-1, -1, 3], [1, 1, 5], (501, 3))

    found = scale_and_z_shift((true - [0, 0, 0.7]) / 2, true)

    np.testing.assert_allclose(found, [[2, 0, 0, 0], [0, 2, 0, 0], [0, 0, 2, 0.7], [0, 0, 0, 1]], atol=1e-12)
    np.testing.assert_array_equal(scale_and_z_shift(true[:0], true[:0]), np.eye(4))


def test_the_lower_of_two_middle_values_is_the_median():
    assert lower_median(np.array([4.0, 1.0, 3.0, 2.0])) == 2
    assert lower_median(np.array([3.0, 1.0, 2.0])) == 2
