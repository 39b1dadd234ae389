"""Distances between clouds that were moved by known amounts."""

import math

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from pointmap.metrics.points import (
    cell_numbers,
    cloud_errors,
    cloud_normals,
    draw,
    harmonic,
    nearest,
    normal_agreement,
    thin_out,
    voxel_down_sample,
)


def plane(side: int = 60, pitch: float = 0.01) -> np.ndarray:
    x, y = np.meshgrid(np.arange(side) * pitch, np.arange(side) * pitch)
    return np.stack([x.ravel(), y.ravel(), np.zeros(side * side)], axis=-1)


def test_distances_are_those_of_all_pairs():
    random = np.random.default_rng(0)
    points, cloud = random.normal(size=(70, 3)), random.normal(size=(50, 3))

    distances, indices = nearest(points, cloud)

    np.testing.assert_allclose(distances, cdist(points, cloud).min(axis=1))
    np.testing.assert_array_equal(indices, cdist(points, cloud).argmin(axis=1))


def test_a_plane_that_is_off_by_two_centimetres_is_two_centimetres_off_both_ways():
    errors = cloud_errors(plane() + np.array([0, 0, 0.02]), plane())

    assert errors.accuracy == pytest.approx(0.02)
    assert errors.completeness == pytest.approx(0.02)
    assert errors.precision(0.021) == errors.recall(0.021) == errors.f_score(0.021) == 1
    assert errors.precision(0.019) == errors.recall(0.019) == errors.f_score(0.019) == 0


def test_noise_along_the_normal_shows_as_its_mean_size():
    true = plane(side=200, pitch=0.001)
    noise = np.random.default_rng(0).normal(0, 0.05, len(true))

    errors = cloud_errors(true + noise[:, None] * [0, 0, 1], true)

    assert errors.accuracy == pytest.approx(0.05 * math.sqrt(2 / math.pi), rel=0.02)


def test_half_a_cloud_is_accurate_and_half_complete():
    true = plane()
    errors = cloud_errors(true[: len(true) // 2], true)

    assert errors.accuracy == 0
    assert errors.precision(1e-6) == 1
    assert errors.recall(1e-6) == 0.5
    assert errors.f_score(1e-6) == pytest.approx(2 / 3)


def test_pairs_beyond_the_farthest_distance_are_left_out_of_both_means():
    true = np.array([[0.0, 0, 0], [30, 0, 0]])

    errors = cloud_errors(np.array([[0.0, 1, 0], [0, 50, 0]]), true, farthest=20)

    assert errors.accuracy == 1
    assert errors.completeness == 1


def test_an_empty_estimate_has_no_accuracy_and_recalls_nothing():
    errors = cloud_errors(np.zeros((0, 3)), plane())

    assert math.isnan(errors.accuracy)
    assert errors.completeness == math.inf
    assert errors.precision(1.0) == errors.recall(1.0) == errors.f_score(1.0) == 0


def test_the_f_score_is_the_harmonic_mean():
    assert harmonic(0.5, 1.0) == pytest.approx(2 / 3)
    assert harmonic(0.0, 0.0) == 0


def test_normals_of_a_tilted_plane_are_its_own():
    tilt = np.array([[1, 0, 0], [0, math.cos(0.4), -math.sin(0.4)], [0, math.sin(0.4), math.cos(0.4)]])
    cloud = plane(30) @ tilt.T

    normals = cloud_normals(cloud, cloud)

    np.testing.assert_allclose(normal_agreement(normals, tilt[:, 2] * np.ones((len(cloud), 1))), 1)
    np.testing.assert_allclose(normal_agreement(normals, np.tile([0.0, 0, 1], (len(cloud), 1))), math.cos(0.4))


def test_two_points_have_no_normals():
    assert np.isnan(cloud_normals(np.zeros((1, 3)), np.eye(3)[:2])).all()


def test_voxels_hold_the_mean_of_their_points():
    # The grid begins at -0.5: the first two share a voxel, the third has its own.
    points = np.array([[0.0, 0, 0], [0.4, 0, 0], [0.6, 0, 0]])

    np.testing.assert_allclose(np.sort(voxel_down_sample(points, 1.0)[:, 0]), [0.2, 0.6])
    assert voxel_down_sample(np.zeros((0, 3)), 1.0).shape == (0, 3)


def test_cells_are_numbered_without_gaps_also_below_zero():
    numbers = cell_numbers(np.array([[-0.5, 0, 0], [0.5, 0, 0], [-0.1, 0, 0], [7.5, 0, 0]]), 1.0)

    assert numbers[0] == numbers[2]
    assert sorted(set(numbers.tolist())) == [0, 1, 2]


def test_thinned_clouds_keep_no_two_points_within_the_radius_and_reach_everywhere():
    points = np.random.default_rng(1).uniform(0, 1, (3000, 3)) * [1, 1, 0.01]

    thin = thin_out(points, 0.05)

    distances = cdist(thin, thin) + np.eye(len(thin))
    assert distances.min() > 0.05
    assert nearest(points, thin)[0].max() < 2 * 0.05
    assert len(thin) > 100
    assert thin_out(points[:0], 0.05).shape == (0, 3)


def test_drawn_indices_are_different_ones_and_always_the_same():
    chosen = draw(1000, 10)

    assert len(set(chosen.tolist())) == 10
    np.testing.assert_array_equal(chosen, draw(1000, 10))
    np.testing.assert_array_equal(draw(5, 10), np.arange(5))
