"""Focal lengths and confidences scored on a small room, and several protocols at once."""

import math
from dataclasses import replace

import numpy as np
import pytest
from distortions import confidence as off_confidence
from distortions import focal as off_focal
from miniature_tasks import room_task
from miniature_world import photograph

from pointmap.errors import InputError
from pointmap.eval.estimate import Estimate
from pointmap.eval.protocols.combined import Combined
from pointmap.eval.protocols.confidence import Confidence
from pointmap.eval.protocols.depth import Depth
from pointmap.eval.protocols.focal import Focal
from pointmap.eval.protocols.relative_pose import RelativePose
from pointmap.eval.task import Task


@pytest.fixture
def task(tmp_path) -> Task:
    return room_task(photograph(3, square=False), tmp_path)


@pytest.mark.parametrize("scoring", [Focal(), Confidence()])
def test_the_truth_is_perfect(task, scoring):
    values = scoring.score(task, Estimate.of_truth(task)).values

    assert values == pytest.approx({metric.name: metric.perfect for metric in scoring.metrics}, abs=1e-6)


@pytest.mark.parametrize(("scoring", "distortion"), [(Focal(), off_focal), (Confidence(), off_confidence)])
def test_a_known_distortion_costs_what_theory_says(task, scoring, distortion):
    estimate, expected = distortion.distort(scoring, task)

    values = scoring.score(task, estimate).values

    assert set(values) == set(expected)
    for name, (value, tolerance) in expected.items():
        assert values[name] == pytest.approx(value, abs=tolerance), name


def test_the_median_of_focal_errors_ignores_one_bad_photo_of_three(task):
    intrinsics = np.array(task.truth.intrinsics)
    intrinsics[1, :2, :2] *= 4
    intrinsics[2, :2, :2] *= 1.02

    scores = Focal().score(task, replace(Estimate.of_truth(task), intrinsics=intrinsics))

    assert scores.values["focal_error"] == pytest.approx(0.02)
    assert scores.details["views"]["focal_error"] == pytest.approx([0, 3, 0.02])


@pytest.mark.parametrize("intrinsics", [None, np.full((3, 3, 3), np.nan)])
def test_unknown_intrinsics_count_the_worst(task, intrinsics):
    values = Focal().score(task, replace(Estimate.of_truth(task), intrinsics=intrinsics)).values

    assert values == {metric.name: metric.worst for metric in Focal.metrics}


def test_without_true_intrinsics_there_is_no_focal_error(task):
    unknown = np.full((3, 3, 3), np.nan)
    blind = Task(task.name, task.inputs, replace(task.truth, intrinsics=unknown))

    assert math.isnan(Focal().score(blind, Estimate.of_truth(task)).values["focal_error"])


def off(task: Task, confidences: tuple[np.ndarray | None, ...]) -> Estimate:
    """Depths whose errors grow from left to right."""
    growing = 1 + np.linspace(0.0, 0.4, 64)
    return replace(
        Estimate.of_truth(task), depths=tuple(depth() * growing for depth in task.truth.depths), confidences=confidences
    )


def test_confidences_that_rank_errors_better_have_less_to_save(task):
    distance = np.abs(np.linspace(0.0, 0.4, 64) - 0.2)  # the median scale makes the middle right
    random = np.random.default_rng(0).random((48, 64))

    sure = Confidence().score(task, off(task, 3 * (np.tile(-distance, (48, 1)),))).values
    unsure = Confidence().score(task, off(task, 3 * (random,))).values
    silent = Confidence().score(task, off(task, ())).values

    assert sure["ause"] < 0.3 * unsure["ause"]
    assert sure["spearman"] > 0.8
    assert abs(unsure["spearman"]) < 0.05
    assert silent["spearman"] == 0
    assert silent["ause"] == pytest.approx(unsure["ause"], rel=0.05)


def test_photos_by_themselves_each_have_their_own_scale(task):
    alone = Task(task.name, replace(task.inputs, kind="single"), task.truth)
    estimate = replace(
        Estimate.of_truth(task), depths=tuple((1 + i) * depth() for i, depth in enumerate(task.truth.depths))
    )

    assert Confidence().score(alone, estimate).values["aurc"] < 1e-6
    assert Confidence().score(task, estimate).values["aurc"] > 0.1


def test_the_calibration_of_nothing_is_unknown(task):
    scores = Confidence().score(task, Estimate(np.full((3, 4, 4), np.nan)))

    assert all(math.isnan(value) for value in scores.values.values())


def test_curves_of_a_part_of_the_pixels_are_nearly_those_of_all(task):
    estimate = off(task, 3 * (np.random.default_rng(0).random((48, 64)),))

    all_pixels, some = (Confidence(limit).score(task, estimate).values["aurc"] for limit in (10_000_000, 3_000))

    assert some == pytest.approx(all_pixels, rel=0.05)


def test_parts_stand_beside_each_other(task):
    both = Combined((RelativePose(), Focal(), Depth(weighted=True)))
    estimate = Estimate.of_truth(task)

    scores = both.score(task, estimate)

    assert [metric.name for metric in both.metrics][:3] == ["auc_30", "auc_5", "rra_15"]
    assert both.needs == {"poses"}  # as the first part; figures of others are missing where a method gives less
    assert set(scores.values) == {metric.name for metric in both.metrics}
    assert scores.weight == 3 * 48 * 64
    assert set(scores.details["views"]) == {"focal_error", "absrel", "d1"}
    assert set(scores.details) == {"views", "pairs"}


def test_chosen_metrics_alone_are_kept_and_must_be_there(task):
    some = Combined((Focal(), Depth()), kept=("absrel", "focal_error"))

    assert [metric.name for metric in some.metrics] == ["focal_error", "absrel"]
    assert set(some.score(task, Estimate.of_truth(task)).values) == {"absrel", "focal_error"}
    with pytest.raises(InputError, match="auc_30"):
        Combined((Focal(), Depth()), kept=("absrel", "auc_30"))


def test_two_parts_with_the_same_metric_are_refused():
    with pytest.raises(InputError, match="absrel"):
        Combined((Depth(), Depth("none")))
