"""Dense views scored on a small room."""

import math
from dataclasses import replace

import numpy as np
import pytest
from distortions.dense_views import distort
from distortions.relative_pose import turned
from miniature_tasks import room_task
from miniature_world import photograph

from pointmap.eval.estimate import Estimate
from pointmap.eval.protocols.dense_views import DenseViews
from pointmap.eval.task import Task


@pytest.fixture
def task(tmp_path) -> Task:
    return room_task(photograph(3), tmp_path)


def test_the_truth_is_perfect_in_any_world_and_scale(task):
    scoring = DenseViews((5, 30))
    other = turned(np.eye(4), 50.0)
    other[:3, 3] = 1, -2, 0.5
    poses = other @ task.truth.world_from_cam
    poses[:, :3, 3] *= 3
    truth = Estimate.of_truth(task)
    moved = replace(truth, world_from_cam=poses, depths=tuple(3 * depth for depth in truth.depths))

    values, elsewhere = scoring.score(task, truth).values, dict(scoring.score(task, moved).values)

    perfect = {metric.name: metric.perfect for metric in scoring.metrics}
    assert values == pytest.approx(perfect, abs=1e-4)
    assert elsewhere.pop("scale_absrel") == pytest.approx(2)
    assert elsewhere == pytest.approx({name: perfect[name] for name in elsewhere}, abs=1e-4)


def test_a_known_distortion_costs_what_theory_says(task):
    scoring = DenseViews((5, 3))
    estimate, expected = distort(scoring, task)

    scores = scoring.score(task, estimate)

    assert set(scores.values) == set(expected)
    for name, (value, tolerance) in expected.items():
        assert scores.values[name] == pytest.approx(value, abs=tolerance), name
    assert scores.details["pairs"]["rotation_deg"] == pytest.approx([0, 2.5, 2.5], abs=1e-4)


def test_one_view_half_as_far_is_wrong_by_what_the_mean_distance_says(tmp_path):
    task = room_task(photograph(2), tmp_path)
    truth = Estimate.of_truth(task)
    nearer = truth.points(1)
    centre = task.truth.world_from_cam[0, :3, 3]
    nearer = centre + (nearer - centre) / 2  # on the same rays of the first camera
    far, other = (np.linalg.norm(truth.points(i) - centre, axis=-1).mean() for i in (0, 1))
    estimate = replace(truth, pointmaps=(truth.points(0), nearer))

    values = DenseViews().score(task, estimate).values

    factor = (far + other) / (far + other / 2)  # of the estimate, by which its size is made 1
    assert values["points_absrel"] == pytest.approx(((factor - 1) + (1 - factor / 2)) / 2, rel=1e-4)
    assert values["points_inlier_103"] == 0
    assert values["absrel"] == pytest.approx(factor - 1, rel=1e-4)


def test_missing_pixels_and_lost_photos_are_told(task):
    truth = Estimate.of_truth(task)
    poses = np.array(truth.world_from_cam)
    poses[2] = np.nan
    depth = np.array(truth.depths[0])
    depth[:24] = 0

    values = DenseViews().score(task, replace(truth, world_from_cam=poses, depths=(depth, *truth.depths[1:]))).values

    assert values["coverage"] == pytest.approx((0.5 + 1 + 0) / 3)
    assert values["auc_5"] == pytest.approx(1 / 3)
    assert values["points_absrel"] == pytest.approx(0, abs=1e-4)


def test_an_estimate_of_nothing_has_no_points_and_the_worst_pairs(task):
    values = DenseViews().score(task, Estimate(np.full((3, 4, 4), np.nan))).values

    assert (values["auc_5"], values["coverage"]) == (0, 0)
    assert math.isnan(values["points_absrel"])
    assert math.isnan(values["ray_deg"])


def test_points_alone_give_depths_as_well_and_a_relative_scale_has_no_error(task):
    truth = Estimate.of_truth(task)
    estimate = Estimate(
        truth.world_from_cam, pointmaps=tuple(truth.points(index) for index in range(3)), sizes=truth.sizes
    )

    values = DenseViews().score(task, estimate).values

    assert values["absrel"] == pytest.approx(0, abs=1e-4)
    assert math.isnan(values["scale_absrel"])
