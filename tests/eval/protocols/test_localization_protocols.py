"""Localisation and Map-free scored on a small room."""

import math
from dataclasses import replace

import numpy as np
import pytest
from distortions import localization as off_localization
from distortions import map_free as off_map_free
from miniature_tasks import room_task
from miniature_world import photograph

from pointmap.eval.estimate import Estimate
from pointmap.eval.protocols.localization import Localization
from pointmap.eval.protocols.map_free import MapFree
from pointmap.eval.task import Task

SCORINGS = [Localization(), MapFree(pixels=2.0)]


@pytest.fixture
def task(tmp_path) -> Task:
    return room_task(photograph(5), tmp_path, queries=(1, 2, 3, 4))


def moved(task: Task, index: int, metres: float) -> np.ndarray:
    """The true poses, one of them moved along the world's x axis."""
    poses = np.array(task.truth.world_from_cam)
    poses[index, 0, 3] += metres
    return poses


def with_poses(task: Task, world_from_cam: np.ndarray, **more) -> Estimate:
    return replace(Estimate.of_truth(task), world_from_cam=world_from_cam, **more)


@pytest.mark.parametrize("scoring", SCORINGS)
def test_the_truth_is_perfect(task, scoring):
    values = scoring.score(task, Estimate.of_truth(task)).values

    assert set(values) == {metric.name for metric in scoring.metrics}
    assert values == pytest.approx({metric.name: metric.perfect for metric in scoring.metrics}, abs=1e-5)


@pytest.mark.parametrize("unit", ["m", "mm"])
@pytest.mark.parametrize(
    ("scoring", "distortion"), [(SCORINGS[0], off_localization), (SCORINGS[1], off_map_free), (MapFree(), off_map_free)]
)
def test_queries_moved_by_20_cm_cost_what_they_should(tmp_path, unit, scoring, distortion):
    task = room_task(photograph(5), tmp_path, unit=unit, queries=(1, 2, 3, 4))
    estimate, expected = distortion.distort(scoring, task)

    values = scoring.score(task, estimate).values

    assert set(values) == set(expected)
    for name, (value, tolerance) in expected.items():
        assert values[name] == pytest.approx(value, abs=tolerance), name


def test_the_map_is_not_scored_and_nothing_is_aligned(task):
    map_moved, query_moved = moved(task, 0, 9.0), moved(task, 2, 0.3)

    assert Localization().score(task, with_poses(task, map_moved)).values["within_0.1_1"] == 1
    values = Localization().score(task, with_poses(task, query_moved)).values
    assert (values["within_0.25_2"], values["within_0.5_5"]) == (0.75, 1)


def test_half_of_the_queries_lost_have_no_finite_median(task):
    poses = np.array(task.truth.world_from_cam)
    poses[[1, 2]] = np.nan

    scores = Localization().score(task, with_poses(task, poses))

    assert scores.values["median_translation"] == math.inf
    assert scores.values["median_rotation_deg"] == pytest.approx(90)
    assert scores.values["within_5_10"] == 0.5
    assert scores.details["queries"]["translation"] == [None, None, pytest.approx(0), pytest.approx(0)]


@pytest.mark.parametrize("scoring", SCORINGS)
def test_an_estimate_of_nothing_is_the_worst(task, scoring):
    values = scoring.score(task, Estimate(np.full((5, 4, 4), np.nan))).values

    assert values == pytest.approx({metric.name: metric.worst for metric in scoring.metrics}, nan_ok=True)


@pytest.mark.parametrize("scoring", SCORINGS)
def test_without_true_poses_of_queries_there_are_no_figures(task, scoring):
    poses = np.array(task.truth.world_from_cam)
    poses[1:] = np.nan
    secret = Task(task.name, task.inputs, replace(task.truth, world_from_cam=poses))

    values = scoring.score(secret, Estimate.of_truth(task)).values

    assert set(values) == {metric.name for metric in scoring.metrics}
    assert all(math.isnan(value) for value in values.values())


def test_confidences_of_poses_decide_the_area_alone(task):
    wrong = moved(task, 4, 5.0)
    sure, unsure = ([1.0, 1.0, 1.0, last] for last in (2.0, 0.5))

    area = [
        MapFree().score(task, with_poses(task, wrong, notes={"query_confidence": given})).values
        for given in (sure, unsure)
    ]

    # The wrong one comes first: precision 0, then 3 of 4. It comes last: precision 1 up to 3 of 4, then 3 of 4.
    assert area[0]["within_auc_0.25_5"] == pytest.approx(0 * 1 / 4 + 3 / 4 * 3 / 4)
    assert area[1]["within_auc_0.25_5"] == pytest.approx(1 * 3 / 4 + 3 / 4 * 1 / 4)
    assert area[0]["within_0.25_5"] == area[1]["within_0.25_5"] == 0.75


def test_maps_of_confidence_stand_in_for_a_confidence_of_poses(task):
    wrong = moved(task, 4, 5.0)
    maps = tuple(np.full((3, 4), 0.1 if index == 4 else 1.0) for index in range(5))

    values = MapFree().score(task, with_poses(task, wrong, confidences=maps)).values

    assert values["within_auc_0.25_5"] == pytest.approx(1 * 3 / 4 + 3 / 4 * 1 / 4)
