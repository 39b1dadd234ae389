"""Surfaces whose areas, depths and volumes are known."""

import math

import numpy as np
import pytest
import trimesh

from pointmap.metrics.meshes import fused_again, render_depths, rendered_depth_errors, sample_surface, volume_iou

K = np.array([[60.0, 0, 31.0], [0, 55.0, 20.0], [0, 0, 1]])


def test_samples_lie_on_the_surface_in_proportion_to_its_area():
    small = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])
    large = small * [3, 1, 1] + [0, 0, 5]

    points = sample_surface(np.concatenate([small, large]), np.array([[0, 1, 2], [3, 4, 5]]), 20_000)

    assert set(np.unique(points[:, 2])) == {0.0, 5.0}
    assert (points[:, 2] == 5).mean() == pytest.approx(0.75, abs=0.01)
    np.testing.assert_allclose(points[points[:, 2] == 0].mean(axis=0), [1 / 3, 1 / 3, 0], atol=0.01)
    assert (points[:, 0] / 3 + points[:, 1] <= 1 + 1e-12).all()


def test_a_mesh_without_faces_has_no_samples():
    assert sample_surface(np.zeros((3, 3)), np.zeros((0, 3), int), 10).shape == (0, 3)


def test_cameras_see_a_wall_at_its_depth_and_nothing_beside_it():
    wall = trimesh.Trimesh([[-9, -9, 2], [0, -9, 2], [0, 9, 2], [-9, 9, 2]], [[0, 1, 2], [0, 2, 3]], process=False)
    pose = np.eye(4)
    pose[:3, 3] = [0, 0, -1]

    (depth,) = render_depths(wall, [K], [pose], (64, 40))

    assert depth.shape == (40, 64)
    np.testing.assert_allclose(depth[:, :31], 3)
    assert (depth[:, 32:] == 0).all()


def test_rendered_depth_errors_of_three_pixels_by_hand():
    errors = rendered_depth_errors(np.array([[2.2, 1.0, 0.0, 3.0]]), np.array([[2.0, 2.0, 1.0, 0.0]]))

    assert errors.abs_rel == pytest.approx((0.1 + 0.5) / 2)
    assert errors.abs_diff == pytest.approx((0.2 + 1.0) / 2)
    assert errors.sq_rel == pytest.approx((0.02 + 0.5) / 2)
    assert errors.rmse == pytest.approx(math.sqrt((0.04 + 1) / 2))
    assert errors.log_rmse == pytest.approx(math.sqrt((math.log(1.1) ** 2 + math.log(2) ** 2) / 2))
    assert (errors.within_125, errors.within_125_2, errors.within_125_3) == (0.5, 0.5, 0.5)
    assert errors.complete == 0.75  # a pixel without a true depth counts


def test_true_depths_of_ten_metres_take_no_part():
    errors = rendered_depth_errors(np.full((2, 2), 10.0), np.full((2, 2), 10.0))

    assert math.isnan(errors.abs_rel)
    assert math.isnan(errors.rmse)
    assert errors.complete == 1


def test_what_no_camera_sees_is_trimmed():
    room = trimesh.creation.box((4.0, 3.0, 4.0))
    room.invert()
    pose = np.eye(4)
    depths = list(render_depths(room, [K], [pose], (64, 40)))

    trimmed = fused_again(depths, [K], [pose])

    assert len(trimmed.faces) > 100
    assert trimmed.vertices[:, 2].min() > 0  # nothing behind the camera
    np.testing.assert_allclose(trimmed.vertices[np.abs(trimmed.vertices[:, :2]).max(axis=1) < 0.5, 2], 2, atol=1e-3)


def test_shifted_cubes_share_the_volume_that_geometry_says():
    cube, shifted = trimesh.creation.box((1, 1, 1)), trimesh.creation.box((1, 1, 1))
    shifted.apply_translation([0.25, 0, 0])

    assert volume_iou(cube, cube) == 1
    assert volume_iou(shifted, cube) == pytest.approx(0.75 / 1.25, abs=0.02)


def test_a_ball_in_a_ball_shares_the_cube_of_the_radii():
    small, large = trimesh.creation.icosphere(4, 0.8), trimesh.creation.icosphere(4, 1.0)

    assert volume_iou(small, large) == pytest.approx(0.8**3, abs=0.01)


def test_separate_solids_share_nothing():
    far = trimesh.creation.box((1, 1, 1))
    far.apply_translation([5, 5, 5])

    assert volume_iou(trimesh.creation.box((1, 1, 1)), far) == 0
