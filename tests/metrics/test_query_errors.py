"""Localisation, virtual correspondences and cameras, by hand."""

import math

import pytest
import roma
import torch
from torch import Tensor

from pointmap.geometry.transforms import rigid
from pointmap.metrics.cameras import focal_errors, fov_errors_deg
from pointmap.metrics.localization import (
    precision_coverage_auc,
    query_errors,
    virtual_correspondence_errors,
    virtual_points,
)


def poses(count: int) -> Tensor:
    return rigid(roma.random_rotmat(count, dtype=torch.float64), torch.randn(count, 3, dtype=torch.float64))


def pinhole(focal: float, width: int = 540, height: int = 720) -> Tensor:
    K = torch.eye(3, dtype=torch.float64)
    K[0, 0] = K[1, 1] = focal
    K[:2, 2] = torch.tensor([(width - 1) / 2, (height - 1) / 2])
    return K


def test_errors_are_absolute_and_a_lost_query_is_infinitely_far():
    true = poses(3)
    estimated = true.clone()
    estimated[0, :3, 3] += torch.tensor([0.0, 0.3, 0.4], dtype=torch.float64)
    estimated[1, :3, :3] @= roma.rotvec_to_rotmat(torch.tensor([math.radians(4.0), 0, 0], dtype=torch.float64))
    estimated[2] = torch.nan

    errors = query_errors(estimated, true)

    assert errors.translation.tolist() == pytest.approx([0.5, 0, math.inf])
    assert errors.rotation_deg.tolist() == pytest.approx([0, 4, 180], abs=1e-5)
    assert errors.within(0.6, 1.0) == errors.within(0.1, 5.0) == pytest.approx(1 / 3)
    assert errors.within(0.6, 5.0) == pytest.approx(2 / 3)
    assert math.isnan(query_errors(true[:0], true[:0]).within(1, 1))


def test_the_virtual_objects_stand_in_front_of_the_camera():
    points = virtual_points()

    assert points.shape == (196, 3)
    assert points.mean(dim=0).tolist() == pytest.approx([0, 0, 2.7])
    assert points.amin(dim=0).tolist() == pytest.approx([-0.9, -0.45, 1.8])
    assert points.amax(dim=0).tolist() == pytest.approx([0.9, 0.45, 3.6])


def test_a_sideways_error_moves_virtual_objects_by_focal_length_over_depth():
    true = poses(1)
    estimated = true.clone()
    estimated[0, :3, 3] += 0.05 * true[0, :3, 0]  # to the camera's right
    size = torch.tensor([[20000.0, 20000.0]], dtype=torch.float64)  # no object leaves this photo

    error = virtual_correspondence_errors(estimated, true, pinhole(600.0, 20000, 20000)[None], size)

    depths = [1.8 + 0.3 * k for k in range(7)]
    assert error.item() == pytest.approx(sum(600 * 0.05 / z for z in depths) / 7)


def test_the_error_is_at_most_the_diagonal_and_that_of_a_lost_query():
    true = poses(2)
    estimated = true.clone()
    estimated[0] = torch.nan
    estimated[1, :3, 3] += 100 * true[1, :3, 0]
    size = torch.tensor([[540.0, 720.0]], dtype=torch.float64).expand(2, 2)

    lost, far = virtual_correspondence_errors(estimated, true, pinhole(600.0).expand(2, 3, 3), size).tolist()

    assert lost == 900
    assert 0 < far < 900


def test_precision_over_coverage_rewards_sure_correct_answers():
    correct = torch.tensor([True, False, True, False])

    assert precision_coverage_auc(correct, torch.tensor([4.0, 1.0, 3.0, 2.0])) == pytest.approx(
        (1 + 1 + 2 / 3 + 2 / 4) / 4
    )
    assert precision_coverage_auc(correct, torch.tensor([1.0, 4.0, 2.0, 3.0])) == pytest.approx(
        (0 + 0 + 1 / 3 + 2 / 4) / 4
    )


def test_equally_sure_answers_come_in_together_and_failures_never():
    correct = torch.tensor([True, False, True])

    assert precision_coverage_auc(correct, torch.zeros(3)) == pytest.approx(2 / 3)
    assert precision_coverage_auc(correct, torch.zeros(3), failures=1) == pytest.approx(2 / 3 * 3 / 4)
    assert precision_coverage_auc(correct[:0], torch.zeros(0), failures=2) == 0
    assert math.isnan(precision_coverage_auc(correct[:0], torch.zeros(0)))


def test_focal_and_field_of_view_errors():
    true, estimated = pinhole(270.0), pinhole(270.0)
    estimated[0, 0] *= 1.2
    estimated[1, 1] *= 0.9
    pairs = torch.stack([estimated, pinhole(math.nan)]), torch.stack([true, true])

    focal = focal_errors(*pairs)
    fov = fov_errors_deg(*pairs, torch.tensor([540.0, 540.0]))

    assert focal[0].item() == pytest.approx(0.15)
    assert fov[0].item() == pytest.approx(90 - 2 * math.degrees(math.atan(1 / 1.2)))
    assert focal[1].isnan()
    assert fov[1].isnan()
