"""How far predictions are from the scene, per view and per group."""

import numpy as np
import pytest
from alignment_scenes import MIXED, complete, make_group, make_groups, make_truth

from pointmap.alignment import align
from pointmap.scene import Group


def test_exact_predictions_leave_nothing():
    result = align(make_groups(make_truth(MIXED), complete(4)))

    assert result.view_residuals.shape == (4,)
    assert result.group_residuals.shape == (12,)
    assert result.view_residuals.max() < 1e-4
    assert result.group_residuals.max() < 1e-4
    np.testing.assert_array_equal(result.group_weights, 1)


def test_residuals_are_the_distances_by_the_depth():
    """Noise of 2 % of the depth in every coordinate: the median length of a normal vector is 1.54 sigma."""
    truth = make_truth(MIXED)
    groups = []
    for number, pair in enumerate(complete(4)):
        exact = make_group(truth, pair, scale=1.0 + number)
        random = np.random.default_rng(number)
        points = [
            p
            + ((1.0 + number) * 0.02 * truth.depths[v][..., None] * random.standard_normal(p.shape)).astype(np.float32)
            for v, p in zip(pair, exact.points, strict=True)
        ]
        groups.append(Group(pair, points, exact.confidences))

    result = align(groups)

    # A sixth of what each prediction errs along the ray goes into the depth.
    np.testing.assert_allclose(result.view_residuals, 1.5 * 0.02, rtol=0.08)
    np.testing.assert_allclose(result.group_residuals, 1.5 * 0.02, rtol=0.12)


def test_the_group_that_is_wrong_has_the_largest_residual():
    truth = make_truth([(30, 44)] * 4)
    groups = make_groups(truth, complete(4), noise=0.003)
    wrong = groups[3]
    groups[3] = Group(wrong.views, [p[:, ::-1].copy() for p in wrong.points], wrong.confidences)

    result = align(groups)

    assert result.group_residuals.argmax() == 3
    assert result.group_residuals[3] > 20 * np.median(result.group_residuals)
    assert result.group_views[3] == wrong.views
    # It hardly counts, and so it does not make its views look bad.
    assert result.group_weights[3] < 0.1
    assert result.view_residuals.max() < 0.1 * result.group_residuals[3]


def test_what_is_left_out_has_no_residual():
    truth = make_truth([(30, 44)] * 5)

    result = align(make_groups(truth, [(0, 1), (1, 0), (2, 3), (3, 4), (4, 2)], noise=0.003))

    assert np.isnan(result.view_residuals).tolist() == [True, True, False, False, False]
    assert np.isnan(result.group_residuals).tolist() == [True, True, False, False, False]
    assert result.group_weights[:2].tolist() == [0, 0]
    assert result.group_views == [(0, 1), (1, 0), (2, 3), (3, 4), (4, 2)]


@pytest.mark.parametrize("refine", ["none", "align"])
def test_refinement_lowers_residuals(refine):
    truth = make_truth(MIXED)

    result = align(make_groups(truth, complete(4), noise=0.02), refine=refine)

    assert np.isfinite(result.view_residuals).all()
    assert (result.view_residuals < 0.04).all()
