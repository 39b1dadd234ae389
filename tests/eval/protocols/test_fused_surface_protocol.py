"""A small room, fused from its own depths and from depths that are off by known amounts."""

from dataclasses import replace

import numpy as np
import pytest
from miniature_tasks import room_task
from miniature_world import photograph
from scipy.spatial.transform import Rotation

from pointmap.eval.estimate import Estimate
from pointmap.eval.protocols.fused_surface import FusedSurface
from pointmap.eval.protocols.in_true_frame import true_depths, true_from_estimate

SETTINGS = FusedSurface(voxel=0.04, truncation=0.15, threshold=0.05, samples=50_000)


@pytest.fixture
def task(tmp_path):
    """Without a reference of its own: the true depths are fused."""
    task = room_task(photograph(4, (48, 64)), tmp_path)
    return replace(task, truth=replace(task.truth, cloud=None))


def in_another_frame(estimate: Estimate, scale: float) -> Estimate:
    move = np.eye(4)
    move[:3, :3] = Rotation.from_euler("xyz", [20, -70, 10], degrees=True).as_matrix()
    move[:3, 3] = [3, -2, 1]
    poses = move @ estimate.world_from_cam
    poses[:, :3, 3] *= scale
    return replace(estimate, world_from_cam=poses, depths=tuple(depth * scale for depth in estimate.depths))


def test_the_truth_is_perfect_in_any_frame_and_unit(task):
    for estimate in (Estimate.of_truth(task), in_another_frame(Estimate.of_truth(task), 3.0)):
        values = SETTINGS.score(task, estimate).values

        assert values["f_score"] == values["precision"] == values["recall"] == 1
        assert values["accuracy"] == pytest.approx(0, abs=1e-3)
        assert values["completion"] == pytest.approx(0, abs=1e-3)


def test_given_poses_are_used_with_the_scale_of_the_estimated_ones(task):
    truth = in_another_frame(Estimate.of_truth(task), 3.0)
    given = replace(SETTINGS, poses="true")

    assert given.score(task, truth).values["f_score"] == 1

    bent = truth.world_from_cam.copy()
    bent[0, :3, :3] = bent[0, :3, :3] @ Rotation.from_euler("y", 10, degrees=True).as_matrix()
    assert SETTINGS.score(task, replace(truth, world_from_cam=bent)).values["precision"] < 0.95
    assert given.score(task, replace(truth, world_from_cam=bent)).values["precision"] == 1


def test_a_wall_that_is_seen_too_far_is_off_by_as_much(tmp_path):
    # One camera that looks straight at a wall: its distance is the error.
    task = room_task(photograph(3, (24, 32)), tmp_path)
    flat = [np.full((24, 32), 2.0, np.float32)] * 3
    poses = np.tile(np.eye(4), (3, 1, 1))
    poses[1, 0, 3], poses[2, 1, 3] = 0.2, 0.2
    depths = tuple((lambda depth=depth: depth) for depth in flat)
    task = replace(task, truth=replace(task.truth, cloud=None, depths=depths, world_from_cam=poses))
    estimate = replace(Estimate.of_truth(task), depths=tuple(depth + np.float32(0.06) for depth in flat))

    values = SETTINGS.score(task, estimate).values

    assert values["accuracy"] == pytest.approx(0.06, abs=0.01)
    assert values["precision"] < 0.05
    assert replace(SETTINGS, threshold=0.1).score(task, estimate).values["precision"] == 1


def test_pixels_without_a_true_depth_are_not_fused(task):
    truth = Estimate.of_truth(task)
    holes = [depth.copy() for depth in truth.depths]
    for depth in holes:
        depth[:24] = 0
    readers = tuple((lambda depth=depth: depth) for depth in holes)
    task = replace(task, truth=replace(task.truth, depths=readers))

    assert SETTINGS.score(task, truth).values["precision"] == 1
    assert replace(SETTINGS, within_truth=False).score(task, truth).values["precision"] < 0.9


def test_a_lost_photo_costs_recall(task):
    truth = Estimate.of_truth(task)
    poses = truth.world_from_cam.copy()
    poses[:2] = np.nan

    values = SETTINGS.score(task, replace(truth, world_from_cam=poses)).values

    assert values["precision"] == pytest.approx(1, abs=0.01)
    assert values["recall"] < 0.9


def test_a_reference_cloud_is_compared_and_points_far_from_it_may_be_left_out(task):
    seen = np.concatenate(photograph(4, (96, 128)).points()).reshape(-1, 3)
    task = replace(task, truth=replace(task.truth, cloud=lambda: seen[seen[:, 0] < 0]))
    truth = Estimate.of_truth(task)

    everything = SETTINGS.score(task, truth).values
    boxed = replace(SETTINGS, box_margin=0.02).score(task, truth).values

    assert everything["precision"] < 0.9
    assert boxed["precision"] > 0.97
    assert boxed["recall"] > 0.9


def test_no_photo_at_all_is_the_worst(task):
    nothing = Estimate(np.full((4, 4, 4), np.nan))

    values = SETTINGS.score(task, nothing).values

    assert values["f_score"] == 0
    assert np.isnan(values["accuracy"])


def test_depth_maps_carry_their_own_intrinsics_and_masks(task):
    truth = Estimate.of_truth(task)
    regions = np.tile([8.0, 6.0, 40.0, 30.0], (4, 1))
    cut = replace(truth, depths=tuple(depth[6:30, 8:40] for depth in truth.depths), regions=regions)

    similarity = true_from_estimate(task, cut)
    (whole, *_), values = true_depths(task), SETTINGS.score(task, cut).values

    np.testing.assert_allclose(similarity, np.eye(4), atol=1e-9)
    np.testing.assert_allclose(whole().intrinsics, task.truth.intrinsics[0])
    assert values["precision"] > 0.999
    assert values["recall"] < 0.9
