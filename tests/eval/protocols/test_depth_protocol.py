"""Depth maps scored on a small room."""

import math
from dataclasses import replace

import numpy as np
import pytest
from distortions.depth import distort
from miniature_tasks import room_task
from miniature_world import photograph

from pointmap.eval.estimate import Estimate
from pointmap.eval.protocols.depth import Depth, taking_part
from pointmap.eval.task import Task

ALIGNMENTS = ("none", "median", "scale_ls", "scale_l1", "scale_shift_l1", "scale_shift_ls", "disparity_ls")


@pytest.fixture
def task(tmp_path) -> Task:
    return room_task(photograph(3), tmp_path)


def changed(task: Task, *depths: np.ndarray | None) -> Estimate:
    return replace(Estimate.of_truth(task), depths=depths)


@pytest.mark.parametrize("per", ["image", "sequence"])
@pytest.mark.parametrize("align", ALIGNMENTS)
def test_the_truth_is_perfect(task, align, per):
    scoring = Depth(align, per, inlier_ratio=1.03, resampling="bicubic")

    values = scoring.score(task, Estimate.of_truth(task)).values

    assert values == pytest.approx({metric.name: metric.perfect for metric in scoring.metrics}, abs=1e-5)


@pytest.mark.parametrize("missing", ["skip", "fail"])
@pytest.mark.parametrize("pool", ["pixels", "images"])
@pytest.mark.parametrize("align", ALIGNMENTS)
def test_known_factors_cost_what_the_formulas_say(task, align, pool, missing):
    scoring = Depth(align, "sequence", pool=pool, missing=missing, inlier_ratio=1.03, nearest=1.0, farthest=3.5)
    estimate, expected = distort(scoring, task)

    values = scoring.score(task, estimate).values

    assert expected["absrel"][0] > 0.01
    assert set(values) == set(expected)
    for name, (value, tolerance) in expected.items():
        assert values[name] == pytest.approx(value, abs=tolerance), name


def test_photos_of_different_scales_need_an_alignment_each(task):
    depths = task.truth.depths[0](), 2 * task.truth.depths[1](), 5 * task.truth.depths[2]()
    estimate = changed(task, *depths)

    assert Depth(per="image").score(task, estimate).values["absrel"] < 1e-6
    assert Depth(per="sequence").score(task, estimate).values["absrel"] > 0.3


def test_the_mean_over_photos_counts_a_sparse_photo_as_much_as_a_full_one(task):
    sparse = np.zeros_like(task.truth.depths[0]())
    sparse[10] = task.truth.depths[0]()[10]
    truth = replace(task.truth, depths=(lambda: sparse, task.truth.depths[1], None))
    partly = Task(task.name, task.inputs, truth)
    estimate = changed(task, 1.5 * sparse, task.truth.depths[1](), None)

    pixels = Depth("none", pool="pixels").score(partly, estimate)
    images = Depth("none", pool="images").score(partly, estimate)

    assert images.values["absrel"] == pytest.approx(0.25)
    assert pixels.values["absrel"] == pytest.approx(0.5 * 64 / (64 + 48 * 64))
    assert pixels.weight == 64 + 48 * 64
    assert images.details["views"]["absrel"] == [pytest.approx(0.5), pytest.approx(0), None]


def test_missing_pixels_are_left_out_or_count_as_wrong(task):
    depth = np.array(task.truth.depths[0]())
    depth[:12] = 0  # a quarter of a third
    estimate = changed(task, depth, task.truth.depths[1](), task.truth.depths[2]())

    skipped = Depth("none").score(task, estimate).values
    failed = Depth("none", missing="fail").score(task, estimate).values

    assert skipped["coverage"] == failed["coverage"] == pytest.approx(11 / 12)
    assert (skipped["absrel"], skipped["d1"]) == (0, 1)
    assert (failed["absrel"], failed["d1"], failed["d3"]) == pytest.approx((1 / 12, 11 / 12, 11 / 12))


def test_an_estimate_of_nothing_has_no_errors_or_the_worst(task):
    nothing = Estimate(np.full((3, 4, 4), np.nan))
    skip, fail = Depth(), Depth(missing="fail", inlier_ratio=1.03)

    skipped, failed = skip.score(task, nothing).values, fail.score(task, nothing).values

    assert math.isnan(skipped["absrel"])
    assert skipped["coverage"] == 0
    for metric in fail.metrics:
        if metric.share or metric.name == "absrel":
            assert failed[metric.name] == metric.worst
    assert math.isnan(failed["log_rmse"])


def test_a_scene_without_true_depths_has_no_figures_and_no_weight(task):
    blind = Task(task.name, task.inputs, replace(task.truth, depths=()))

    scores = Depth().score(blind, Estimate.of_truth(task))

    assert all(math.isnan(value) for value in scores.values.values())
    assert scores.weight == 0


def test_aligned_depths_are_clamped(task):
    far = tuple(1000 * depth() for depth in task.truth.depths)
    near = tuple(np.full_like(depth(), 1e-4) for depth in task.truth.depths)
    scoring = Depth("none", clip=(0.1, 100.0))
    true = np.stack([depth() for depth in task.truth.depths])

    assert scoring.score(task, changed(task, *far)).values["absdiff"] == pytest.approx((100 - true).mean(), rel=1e-4)
    assert scoring.score(task, changed(task, *near)).values["absdiff"] == pytest.approx((true - 0.1).mean(), rel=1e-4)


def test_an_estimate_of_another_size_is_read_at_the_pixels_of_the_truth(task):
    halves = tuple(depth()[::2, ::2] for depth in task.truth.depths)

    values = Depth().score(task, changed(task, *halves)).values

    assert values["coverage"] == 1
    assert 0 < values["absrel"] < 0.05


def test_over_scenes_pixels_may_weigh():
    assert {metric.aggregate for metric in Depth(weighted=True).metrics} == {"weighted"}
    assert {metric.aggregate for metric in Depth().metrics} == {"mean"}
    assert Depth(inlier_ratio=1.03).metrics[1].name == "inlier_103"


@pytest.mark.parametrize(
    ("crop", "size", "rows", "columns"),
    [
        ("eigen_nyu", (480, 640), (45, 471), (41, 601)),
        ("eigen_kitti", (375, 1242), (124, 342), (44, 1197)),
        ("garg_kitti", (375, 1242), (153, 371), (44, 1197)),
    ],
)
def test_crops_are_those_of_the_usual_evaluations(crop, size, rows, columns):
    used = taking_part(np.ones(size), 0.0, np.inf, crop)

    expected = np.zeros(size, bool)
    expected[slice(*rows), slice(*columns)] = True
    np.testing.assert_array_equal(used, expected)


def test_limits_are_of_the_true_depth_and_take_no_part_themselves():
    true = np.array([[0.0, 0.5, 1.0, 2.0, 3.0, np.nan]])

    np.testing.assert_array_equal(taking_part(true, 0.5, 3.0, ""), [[False, False, True, True, False, False]])
