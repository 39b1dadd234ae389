"""Relative poses scored on a small room."""

import math
from dataclasses import replace

import numpy as np
import pytest
from distortions.relative_pose import distort, turned
from miniature_tasks import room_task
from miniature_world import photograph
from scipy.spatial.transform import Rotation

from pointmap.eval.estimate import Estimate
from pointmap.eval.protocols.pair_overlap import pair_overlaps
from pointmap.eval.protocols.relative_pose import RelativePose
from pointmap.eval.task import Task


@pytest.fixture
def task(tmp_path) -> Task:
    return room_task(photograph(4), tmp_path)


def with_poses(task: Task, world_from_cam: np.ndarray) -> Estimate:
    return replace(Estimate.of_truth(task), world_from_cam=world_from_cam)


@pytest.mark.parametrize("bins", ["thresholds", "numpy", "torch"])
@pytest.mark.parametrize("fold", [False, True])
def test_the_truth_is_perfect_in_any_world_and_scale(task, bins, fold):
    scoring = RelativePose(fold, bins)
    other = np.diag([2.0, 2.0, 2.0, 1.0]) @ turned(np.eye(4), 77.0)
    poses = other @ task.truth.world_from_cam
    poses[:, :3, :3] /= 2

    values = scoring.score(task, with_poses(task, poses)).values

    assert [metric.name for metric in scoring.metrics] == list(values)
    assert values == pytest.approx({metric.name: metric.perfect for metric in scoring.metrics}, abs=1e-5)


@pytest.mark.parametrize("bins", ["thresholds", "numpy", "torch"])
def test_a_turned_camera_costs_what_its_bins_say(task, bins):
    scoring = RelativePose(bins=bins, auc=(30, 5, 3), accuracy=(15, 3))
    estimate, expected = distort(scoring, task)

    values = scoring.score(task, estimate).values

    assert expected["auc_3"][0] == 0.5  # three of six pairs are off by 4.5 degrees
    assert values == pytest.approx({name: value for name, (value, _) in expected.items()}, abs=1e-4)


def test_a_lost_photo_counts_180_degrees_in_all_of_its_pairs(task):
    poses = np.array(task.truth.world_from_cam)
    poses[1] = np.nan

    scores = RelativePose().score(task, with_poses(task, poses))

    assert scores.values["auc_30"] == scores.values["rra_15"] == scores.values["rta_15"] == 0.5
    assert sorted(scores.details["pairs"]["rotation_deg"])[3:] == [180, 180, 180]
    assert scores.values["rotation_deg"] == pytest.approx(90)  # the median of three times 0 and three times 180


def test_an_estimate_of_nothing_is_the_worst(task):
    scoring = RelativePose()

    values = scoring.score(task, Estimate(np.full((4, 4, 4), np.nan))).values

    assert values == {metric.name: metric.worst for metric in scoring.metrics}


def test_a_mirrored_direction_is_forgiven_only_when_folded(task):
    poses = np.array(task.truth.world_from_cam)
    poses[:, :3, 3] *= -1

    assert RelativePose().score(task, with_poses(task, poses)).values["rta_15"] == 0
    assert RelativePose(fold=True).score(task, with_poses(task, poses)).values["rta_15"] == 1


def test_one_photo_has_no_score(tmp_path):
    task = room_task(photograph(1), tmp_path)

    values = RelativePose().score(task, Estimate.of_truth(task)).values

    assert all(math.isnan(value) for value in values.values())


def test_details_tell_what_each_pair_is_like(task):
    pairs = RelativePose().score(task, Estimate.of_truth(task)).details["pairs"]

    assert {len(column) for column in pairs.values()} == {6}
    first, last = task.truth.world_from_cam[[0, 3], :3, :3]  # the ends of the arc, the third of six pairs
    assert pairs["angle_deg"][2] == pytest.approx(Rotation.from_matrix(first.T @ last).magnitude() * 180 / np.pi)
    assert max(pairs["baseline"]) == pairs["baseline"][2] == 1
    assert pairs["overlap"][2] < pairs["overlap"][0]  # neighbours see more of the same
    assert all(0.2 < overlap <= 1 for overlap in pairs["overlap"])


def test_a_photo_overlaps_with_itself_and_not_with_one_that_looks_away(tmp_path):
    world = photograph(2)
    world.world_from_cam[1] = turned(world.world_from_cam[0], 180)
    task = room_task(world, tmp_path)

    assert pair_overlaps(task, [0, 0], [0, 1]) == [1.0, 0.0]


def test_without_depths_or_with_very_many_photos_the_overlap_is_unknown(task):
    blind = Task(task.name, task.inputs, replace(task.truth, depths=()))

    assert pair_overlaps(blind, [0], [1]) == [None]
    assert pair_overlaps(task, [0, 1], [1, 2], most_photos=2) == [None, None]


def test_the_title_of_an_auc_names_its_bins():
    titles = {bins: RelativePose(auc=(30,), bins=bins).metrics[0].title for bins in ("thresholds", "numpy", "torch")}

    assert titles == {"thresholds": "AUC@30", "numpy": "AUC@30 (30 bins)", "torch": "AUC@30 (31 bins)"}
