"""What a method says, at the pixels of the truth."""

from pathlib import Path

import numpy as np
import pytest
from miniature_tasks import room_task
from miniature_world import photograph

from pointmap.eval.estimate import Estimate


def test_a_map_of_the_same_size_is_itself():
    depth = np.arange(12.0).reshape(3, 4) + 1
    estimate = Estimate(np.eye(4)[None], depths=(depth,), sizes=np.array([[400, 300]]))

    for resampling in ("nearest", "bilinear", "bicubic"):
        np.testing.assert_allclose(estimate.depth_at(0, (3, 4), resampling), depth, rtol=1e-6)


def test_nearest_repeats_pixels_and_bilinear_goes_between_their_centres():
    depth = np.array([[1.0, 3.0]])
    estimate = Estimate(np.eye(4)[None], depths=(depth,), sizes=np.array([[8, 4]]))

    np.testing.assert_array_equal(estimate.depth_at(0, (1, 4)), [[1, 1, 3, 3]])
    np.testing.assert_allclose(estimate.depth_at(0, (1, 4), "bilinear"), [[1, 1.5, 2.5, 3]])


def test_outside_of_its_region_an_estimate_has_nothing():
    # The map covers the right half of the photo.
    estimate = Estimate(
        np.eye(4)[None],
        depths=(np.array([[5.0, 7.0]]),),
        confidences=(np.array([[2.0, 3.0]]),),
        regions=np.array([[4.0, 0.0, 8.0, 4.0]]),
        sizes=np.array([[8, 4]]),
    )

    np.testing.assert_array_equal(estimate.depth_at(0, (1, 4)), [[np.nan, np.nan, 5, 7]])
    np.testing.assert_array_equal(estimate.confidence_at(0, (1, 4)), [[0, 0, 2, 3]])


@pytest.mark.parametrize("resampling", ["bilinear", "bicubic"])
def test_holes_do_not_bleed_into_what_is_known(resampling: str):
    depth = np.full((8, 8), 2.0)
    depth[3, 3] = 0
    estimate = Estimate(np.eye(4)[None], depths=(depth,), sizes=np.array([[16, 16]]))

    found = estimate.depth_at(0, (16, 16), resampling)

    assert np.isnan(found[6:8, 6:8]).all()
    np.testing.assert_allclose(found[np.isfinite(found)], 2.0, rtol=1e-6)


def test_points_of_the_truth_are_the_points_of_the_world(tmp_path: Path):
    world = photograph(3)
    estimate = Estimate.of_truth(room_task(world, tmp_path))

    for index, expected in enumerate(world.points()):
        np.testing.assert_allclose(estimate.points(index), expected, atol=1e-5)
        np.testing.assert_allclose(estimate.points_at(index, expected.shape[:2]), expected, atol=1e-5)


def test_a_crop_at_another_scale_has_the_same_points(tmp_path: Path):
    world = photograph(1, (48, 64))
    whole = Estimate.of_truth(room_task(world, tmp_path))
    # Rows 12 to 36, columns 8 to 56, every second pixel: their centres are those of a map of half the size.
    depth = world.depths[0][12:36, 8:56]
    crop = Estimate(
        whole.world_from_cam,
        whole.intrinsics,
        depths=(depth,),
        regions=np.array([[8.0, 12.0, 56.0, 36.0]]),
        sizes=whole.sizes,
    )

    np.testing.assert_allclose(crop.points(0), world.points()[0, 12:36, 8:56], atol=1e-5)
    at_photo = crop.points_at(0, (48, 64))
    np.testing.assert_allclose(at_photo[12:36, 8:56], world.points()[0, 12:36, 8:56], atol=1e-5)
    assert np.isnan(at_photo[:12]).all()


def test_a_photo_without_pose_or_intrinsics_has_no_points(tmp_path: Path):
    truth = Estimate.of_truth(room_task(photograph(2), tmp_path))
    poses = truth.world_from_cam.copy()
    poses[1] = np.nan
    lost = Estimate(poses, truth.intrinsics, truth.depths, sizes=truth.sizes)

    assert np.isfinite(lost.points(0)).all()
    assert np.isnan(lost.points(1)).all()
    assert np.isnan(Estimate(poses, None, truth.depths, sizes=truth.sizes).points_at(0, (4, 5))).all()


def test_the_identity_baseline_never_moves_and_sees_a_wall(tmp_path: Path):
    task = room_task(photograph(3, (48, 64)), tmp_path)
    still = Estimate.still(task)

    np.testing.assert_array_equal(still.world_from_cam, np.tile(np.eye(4), (3, 1, 1)))
    np.testing.assert_array_equal(still.depth_at(1, (48, 64)), np.ones((48, 64)))
    assert still.intrinsics[0, 0, 0] == pytest.approx(1.2 * 64)
    assert still.intrinsics[0, 0, 2] == pytest.approx(31.5)
