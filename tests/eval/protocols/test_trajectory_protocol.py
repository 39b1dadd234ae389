"""Trajectories scored on a small room."""

import math
from dataclasses import replace

import numpy as np
import pytest
from distortions.trajectory import distort
from miniature_tasks import room_task
from miniature_world import photograph

from pointmap.eval.estimate import Estimate
from pointmap.eval.protocols.trajectory import Trajectory
from pointmap.eval.task import Task

ALIGNMENTS = ("sim3", "se3", "scale", "none")


@pytest.fixture
def task(tmp_path) -> Task:
    return room_task(photograph(6), tmp_path)


def scored(scoring: Trajectory, task: Task, world_from_cam: np.ndarray) -> dict[str, float]:
    return dict(scoring.score(task, replace(Estimate.of_truth(task), world_from_cam=world_from_cam)).values)


@pytest.mark.parametrize("align", ALIGNMENTS)
def test_the_truth_is_perfect(task, align):
    scoring = Trajectory(align)

    values = scored(scoring, task, task.truth.world_from_cam)

    assert values == pytest.approx({metric.name: metric.perfect for metric in scoring.metrics}, abs=1e-6)


@pytest.mark.parametrize("delta", [1, 2, None])
@pytest.mark.parametrize("align", ALIGNMENTS)
def test_a_stretched_trajectory_costs_what_its_moments_say(task, align, delta):
    scoring = Trajectory(align, delta)
    estimate, expected = distort(scoring, task)

    scores = scoring.score(task, estimate)

    assert set(scores.values) == set(expected) == {metric.name for metric in scoring.metrics}
    assert expected["ate"][0] > 0.01
    for name, (value, tolerance) in expected.items():
        assert scores.values[name] == pytest.approx(value, abs=tolerance)
    shown = scores.details["views"]["translation"]
    assert math.sqrt(np.mean(np.square(shown))) == pytest.approx(scores.values["ate"])


def test_a_larger_world_is_only_forgiven_where_the_scale_is_fitted(task):
    larger = np.array(task.truth.world_from_cam)
    larger[:, :3, 3] *= 2

    assert scored(Trajectory("sim3"), task, larger)["ate"] < 1e-6
    assert scored(Trajectory("scale"), task, larger)["rpe_translation"] < 1e-6
    assert scored(Trajectory("se3"), task, larger)["ate"] > 0.2
    assert scored(Trajectory("none"), task, larger)["rpe_translation"] > 0.2


def test_lost_frames_take_no_part_and_are_told(task):
    poses = np.array(task.truth.world_from_cam)
    poses[2] = np.nan

    scores = Trajectory().score(task, replace(Estimate.of_truth(task), world_from_cam=poses))

    assert scores.values["registered"] == pytest.approx(5 / 6)
    assert scores.values["ate"] < 1e-6
    assert scores.details["views"]["translation"][2] is None


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_two_registered_frames_fit_anything_and_have_no_error(task, kept):
    poses = np.full((6, 4, 4), np.nan)
    poses[:kept] = task.truth.world_from_cam[:kept]

    values = scored(Trajectory(), task, poses)

    assert math.isnan(values["ate"])
    assert math.isnan(values["rpe_translation"])
    assert values["registered"] == pytest.approx(kept / 6)


def test_frames_without_a_true_pose_are_left_out(task):
    true = np.array(task.truth.world_from_cam)
    true[0] = np.nan
    partly = Task(task.name, task.inputs, replace(task.truth, world_from_cam=true))

    assert scored(Trajectory(), partly, task.truth.world_from_cam)["registered"] == 1
