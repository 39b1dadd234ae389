"""Confidences that rank errors well, badly and not at all."""

import math

import pytest
import torch

from pointmap.metrics.calibration import risk_coverage, spearman


def test_the_surest_pixels_come_first():
    curve = risk_coverage(torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([3.0, 4.0, 1.0, 2.0]), steps=4)

    assert curve.coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert curve.risk.tolist() == pytest.approx([2, 3 / 2, 7 / 3, 10 / 4])
    assert curve.oracle.tolist() == pytest.approx([1, 3 / 2, 6 / 3, 10 / 4])
    assert curve.ause == pytest.approx((1 + 0 + 1 / 3 + 0) / 4)


def test_a_perfect_ranking_is_the_oracle_and_its_reverse_costs_most():
    errors = torch.rand(1000)

    best, worst = risk_coverage(errors, -errors), risk_coverage(errors, errors)
    shuffled = risk_coverage(errors, torch.rand(1000))

    assert best.ause == pytest.approx(0, abs=1e-9)
    assert 0 < shuffled.ause < worst.ause
    # Of errors that are evenly spread in [0, 1] the surest share c has the mean error c / 2.
    assert best.aurc == pytest.approx(0.25, abs=0.03)
    assert worst.aurc == pytest.approx(0.75, abs=0.03)


def test_equal_confidences_say_nothing_whatever_their_order():
    errors = torch.tensor([5.0, 1.0, 3.0])

    assert risk_coverage(errors, torch.ones(3), steps=3).risk.tolist() == pytest.approx([3, 3, 3])
    some = risk_coverage(errors, torch.tensor([1.0, 1.0, 2.0]), steps=3)
    assert some.risk.tolist() == pytest.approx([3, 3, 3])


def test_fewer_pixels_than_steps_and_none():
    few = risk_coverage(torch.tensor([1.0, 3.0]), torch.tensor([2.0, 1.0]), steps=4)

    assert few.risk.tolist() == [1, 1, 2, 2]
    assert math.isnan(risk_coverage(torch.empty(0), torch.empty(0)).aurc)


def test_rank_correlation_is_that_of_scipy_with_its_ties():
    stats = pytest.importorskip("scipy.stats")
    torch.manual_seed(0)
    a, b = torch.randint(0, 6, (200,)).double(), torch.randn(200, dtype=torch.float64)
    b += a

    assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)
    assert spearman(a, -a) == pytest.approx(-1)
    assert math.isnan(spearman(a, torch.ones_like(a)))
    assert math.isnan(spearman(a[:1], b[:1]))
