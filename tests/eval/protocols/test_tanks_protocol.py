"""A small room against its scan, cropped and registered."""

from dataclasses import replace

import numpy as np
import pytest
from miniature_tasks import room_task
from miniature_world import photograph
from scipy.spatial.transform import Rotation

from pointmap.eval.estimate import Estimate
from pointmap.eval.protocols.tanks_official import TanksOfficial, crop_of

TAU = 0.02
EVERYTHING = {
    "orthogonal_axis": "Y",
    "axis_min": -9,
    "axis_max": 9,
    "bounding_polygon": [[-9, 0, -9], [9, 0, -9], [9, 0, 9], [-9, 0, 9]],
}


@pytest.fixture
def task(tmp_path):
    return with_extra(room_task(photograph(4, (36, 48)), tmp_path), threshold=TAU, crop=EVERYTHING)


def with_extra(task, **extra):
    return replace(task, truth=replace(task.truth, extra=extra))


def moved(estimate: Estimate, degrees: float, offset: tuple[float, float, float], scale: float) -> Estimate:
    move = np.eye(4)
    move[:3, :3] = Rotation.from_euler("xyz", [degrees, -degrees, degrees], degrees=True).as_matrix()
    move[:3, 3] = offset
    poses = move @ estimate.world_from_cam
    poses[:, :3, 3] *= scale
    return replace(estimate, world_from_cam=poses, depths=tuple(depth * scale for depth in estimate.depths))


@pytest.mark.parametrize("icp", [True, False])
def test_the_truth_is_perfect_in_any_frame_and_unit(icp, task):
    values = TanksOfficial(icp).score(task, moved(Estimate.of_truth(task), 50, (3, 2, 1), 7.0)).values

    assert values == {"f_score": 1, "precision": 1, "recall": 1}


def test_true_poses_may_be_in_another_frame_than_the_scan(task):
    similarity = np.eye(4)
    similarity[:3, :3] = 3 * Rotation.from_euler("z", 40, degrees=True).as_matrix()
    similarity[:3, 3] = [1, 2, 3]
    cloud = task.truth.cloud()
    elsewhere = replace(task.truth, cloud=lambda: cloud @ similarity[:3, :3].T + similarity[:3, 3])
    task = replace(task, truth=replace(elsewhere, extra={"threshold": TAU, "alignment": similarity}))

    assert TanksOfficial().score(task, Estimate.of_truth(task)).values["f_score"] == 1


def test_icp_makes_up_for_cameras_whose_scale_is_off(task):
    truth = Estimate.of_truth(task)
    estimate = replace(truth, depths=tuple(depth * 1.03 for depth in truth.depths))

    without = TanksOfficial(icp=False).score(task, estimate).values
    with_icp = TanksOfficial().score(task, estimate).values

    assert without["precision"] < 0.7
    assert with_icp["precision"] > without["precision"] + 0.2


def test_noise_far_above_tau_leaves_little(task):
    truth = Estimate.of_truth(task)
    noise = np.random.default_rng(0)
    estimate = replace(truth, depths=tuple(depth * noise.uniform(0.6, 1.4, depth.shape) for depth in truth.depths))

    assert TanksOfficial().score(task, estimate).values["f_score"] < 0.3


@pytest.mark.parametrize(("axis", "along"), [("X", 0), ("Y", 1), ("Z", 2)])
def test_points_are_kept_within_a_polygon_between_two_planes(axis, along):
    across = [place for place in range(3) if place != along]
    # The letter L in the two other axes: a square of 2 without its quarter above (1, 1).
    corners = np.zeros((6, 3))
    corners[:, across] = [[0, 0], [2, 0], [2, 1], [1, 1], [1, 2], [0, 2]]
    crop = crop_of({"orthogonal_axis": axis, "axis_min": -1, "axis_max": 1, "bounding_polygon": corners})
    points = np.zeros((5, 3))
    points[:, across] = [[0.5, 0.5], [1.5, 0.5], [0.5, 1.5], [1.5, 1.5], [0.5, 0.5]]
    points[4, along] = 1.5

    np.testing.assert_array_equal(crop(points), points[:3])


def test_what_is_outside_of_the_crop_does_not_count(task):
    truth = Estimate.of_truth(task)
    half = dict(EVERYTHING, axis_min=0.0)
    depths = [depth.copy() for depth in truth.depths]
    for depth, points in zip(depths, photograph(4, (36, 48)).points(), strict=True):
        depth[points[..., 1] < -0.05] = 0

    estimate = replace(truth, depths=tuple(depths))

    assert TanksOfficial().score(task, estimate).values["recall"] < 0.95
    assert TanksOfficial().score(with_extra(task, threshold=TAU, crop=lambda: half), estimate).values["recall"] == 1


def test_nothing_is_the_worst(task):
    nothing = Estimate(np.full((4, 4, 4), np.nan))
    elsewhere = dict(EVERYTHING, axis_min=100.0, axis_max=101.0)

    assert set(TanksOfficial().score(task, nothing).values.values()) == {0.0}
    outside = with_extra(task, threshold=TAU, crop=elsewhere)
    assert set(TanksOfficial().score(outside, Estimate.of_truth(task)).values.values()) == {0.0}
