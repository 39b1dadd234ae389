"""Alignments of depths, beside solvers of SciPy; errors by hand."""

import math
from dataclasses import astuple

import numpy as np
import pytest
import torch

from pointmap.errors import InputError
from pointmap.metrics import depth_alignment
from pointmap.metrics.depth import DepthSums, depth_sums
from pointmap.metrics.depth_alignment import DepthAlignment, fit_depth_alignment


@pytest.fixture
def depths() -> tuple[torch.Tensor, torch.Tensor]:
    """Estimates, and a truth that is a line of them with heavy noise on a fifth."""
    random = np.random.default_rng(2)
    depth = random.uniform(1.0, 6.0, 501)
    noise = np.where(np.arange(501) % 5 == 0, random.exponential(3.0, 501), random.normal(0, 0.05, 501))
    return torch.from_numpy(depth).float(), torch.from_numpy(0.4 * depth + 0.7 + noise).float().clamp_min(0.1)


def deviations(alignment: DepthAlignment, depth: torch.Tensor, true: torch.Tensor) -> float:
    return (alignment.apply(depth.double()) - true.double()).abs().sum().item()


def test_least_squares_are_those_of_numpy(depths):
    depth, true = depths
    p, g = depth.double().numpy(), true.double().numpy()

    line = fit_depth_alignment(depth, true, "scale_shift_ls")
    factor = fit_depth_alignment(depth, true, "scale_ls")
    inverse = fit_depth_alignment(depth, true, "disparity_ls")

    ones = np.ones_like(p)
    assert (line.scale, line.shift) == pytest.approx(tuple(np.linalg.lstsq(np.stack([p, ones], 1), g, rcond=None)[0]))
    assert factor.scale == pytest.approx(np.linalg.lstsq(p[:, None], g, rcond=None)[0][0])
    expected = np.linalg.lstsq(np.stack([1 / p, ones], 1), 1 / g, rcond=None)[0]
    assert (inverse.scale, inverse.shift) == pytest.approx(tuple(expected), rel=1e-5)
    torch.testing.assert_close(
        inverse.apply(depth), torch.from_numpy(1 / (expected[0] / p + expected[1])).float(), rtol=1e-4, atol=0
    )


def least_deviations(depth: torch.Tensor, true: torch.Tensor) -> float:
    """The least sum of |scale * depth + shift - true|, by linear programming."""
    from scipy.optimize import linprog

    p, g, n = depth.double().numpy(), true.double().numpy(), len(depth)
    design, slack = np.stack([p, np.ones(n)], 1), np.eye(n)
    found = linprog(
        np.r_[0, 0, np.ones(n)],
        A_ub=np.block([[design, -slack], [-design, -slack]]),
        b_ub=np.r_[g, -g],
        bounds=[(None, None)] * 2 + [(0, None)] * n,
    )
    return found.fun


def test_the_line_of_least_absolute_deviations_is_that_of_a_linear_programme(depths):
    alignment = fit_depth_alignment(*depths, "scale_shift_l1")

    assert deviations(alignment, *depths) == pytest.approx(least_deviations(*depths), rel=1e-6)


@pytest.mark.parametrize("seed", range(12))
def test_pixels_of_equal_depths_do_not_mislead_it(seed: int):
    random = np.random.default_rng(seed)
    depth, true = (torch.from_numpy(random.integers(1, 4, 40)).float() for _ in range(2))

    alignment = fit_depth_alignment(depth, true, "scale_shift_l1")

    assert deviations(alignment, depth, true) == pytest.approx(least_deviations(depth, true), rel=1e-6)


def test_of_many_pixels_a_few_show_the_way_and_all_decide(depths, monkeypatch):
    monkeypatch.setattr(depth_alignment, "_FEW", 50)
    monkeypatch.setattr(depth_alignment, "_CHUNK", 100)

    alignment = fit_depth_alignment(*depths, "scale_shift_l1")

    assert deviations(alignment, *depths) == pytest.approx(least_deviations(*depths), rel=1e-5)
    assert fit_depth_alignment(*depths, "scale_l1").scale == pytest.approx(0.613, abs=1e-3)


def test_ten_steps_of_re_weighting_come_near_the_least_absolute_deviations(depths):
    from scipy.optimize import minimize_scalar

    depth, true = depths
    best = minimize_scalar(lambda s: deviations(DepthAlignment(s), depth, true), bounds=(0.1, 2.0), method="bounded")

    found = fit_depth_alignment(depth, true, "scale_l1")

    start = DepthAlignment((true.mean() / depth.mean()).item())
    # With noise as heavy as this a twentieth of what the first guess costs too much is left.
    assert best.fun < deviations(found, depth, true) < deviations(start, depth, true)
    assert deviations(found, depth, true) == pytest.approx(best.fun, rel=0.02)


def test_least_absolute_deviations_do_not_follow_outliers():
    true = torch.linspace(1.0, 5.0, 200)
    depth = true / 2
    depth[::20] *= 3

    assert fit_depth_alignment(depth, true, "scale_l1").scale == pytest.approx(2, abs=1e-5)
    exact = fit_depth_alignment(depth, true, "scale_shift_l1")
    assert (exact.scale, exact.shift) == pytest.approx((2, 0), abs=1e-6)
    assert fit_depth_alignment(depth, true, "scale_ls").scale < 1.7


def test_a_line_with_a_shift_far_from_the_start_is_found():
    true = torch.linspace(100.0, 900.0, 300)

    alignment = fit_depth_alignment(0.01 * true + 40, true, "scale_shift_l1")

    torch.testing.assert_close(alignment.apply(0.01 * true + 40), true, rtol=1e-3, atol=0.05)


def test_the_median_is_the_ratio_of_medians_not_the_median_of_ratios():
    depth, true = torch.tensor([1.0, 2.0, 4.0]), torch.tensor([3.0, 4.0, 4.0])

    assert fit_depth_alignment(depth, true, "median").scale == 2
    assert fit_depth_alignment(depth[:2], true[:2], "median").scale == pytest.approx(3.5 / 1.5)


@pytest.mark.parametrize(
    "how", ["none", "median", "scale_ls", "scale_l1", "scale_shift_ls", "scale_shift_l1", "disparity_ls"]
)
def test_the_truth_itself_stays_where_it_is(how: str):
    for true in (torch.rand(101) + 0.5, torch.full((7,), 2.5), torch.empty(0)):
        aligned = fit_depth_alignment(true, true, how).apply(true)

        torch.testing.assert_close(aligned, true, rtol=1e-5, atol=1e-5)


def test_inverse_depths_that_are_not_positive_give_no_depth_and_unknown_ones_stay_unknown():
    aligned = DepthAlignment(1.0, -0.5, inverse=True).apply(torch.tensor([1.0, 2.0, 4.0, math.nan]))

    assert aligned[:3].tolist() == [2.0, 0.0, 0.0]
    assert aligned[3].isnan()


def test_an_unknown_alignment_is_named():
    with pytest.raises(InputError, match=r"umeyama.*scale_shift_l1"):
        fit_depth_alignment(torch.ones(2), torch.ones(2), "umeyama")


def test_errors_are_those_of_the_formulas():
    depth, true = torch.tensor([1.0, 3.0, 4.1]), torch.tensor([2.0, 2.0, 4.0])

    errors = depth_sums(depth, true, inlier_ratio=1.03)

    assert errors.absrel == pytest.approx((0.5 + 0.5 + 0.025) / 3)
    assert errors.absdiff == pytest.approx(2.1 / 3)
    assert errors.sqrel == pytest.approx((0.5 + 0.5 + 0.0025) / 3)
    assert errors.rmse == pytest.approx(math.sqrt(2.01 / 3))
    logs = [math.log(0.5), math.log(1.5), math.log(1.025)]
    assert errors.log_rmse == pytest.approx(math.sqrt(sum(x**2 for x in logs) / 3))
    assert (errors.d1, errors.d2, errors.d3) == pytest.approx((1 / 3, 2 / 3, 2 / 3))  # ratios 2, 1.5 and 1.025
    assert errors.inlier_share == pytest.approx(1 / 3)


def test_sums_of_photos_add_up_to_those_of_all_pixels():
    depth, true = torch.rand(10) + 1, torch.rand(10) + 1

    whole = depth_sums(depth, true)
    parts = sum((depth_sums(depth[i], true[i]) for i in (slice(0, 3), slice(3, 10))), start=DepthSums())

    assert astuple(parts) == pytest.approx(astuple(whole))
    assert parts.rmse == pytest.approx(whole.rmse)
    assert math.isnan(DepthSums().absrel)
    assert math.isnan(DepthSums().rmse)


def test_a_missing_estimate_counts_as_depth_zero_without_a_logarithm():
    errors = depth_sums(torch.tensor([math.nan, 3.0]), torch.tensor([2.0, 3.0]))

    assert (errors.absrel, errors.absdiff, errors.rmse) == pytest.approx((0.5, 1.0, math.sqrt(2)))
    assert (errors.d1, errors.d3, errors.inlier_share, errors.log_rmse) == (0.5, 0.5, 0.5, 0)


def test_an_aligned_depth_behind_the_camera_is_wrong_in_every_share():
    errors = depth_sums(torch.tensor([-1.0]), torch.tensor([2.0]))

    assert (errors.absrel, errors.d3) == (1.5, 0)
    assert errors.log_rmse == pytest.approx(math.log(2 / 1e-5))
