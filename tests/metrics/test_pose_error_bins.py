"""The three ways of binning an AUC, and directions up to their sign."""

import math

import numpy as np
import pytest
import roma
import torch
from torch import Tensor

from pointmap.geometry.transforms import rigid
from pointmap.metrics.poses import PoseErrors, known_pairs, pose_errors


def errors_of(*degrees: float) -> PoseErrors:
    return PoseErrors(torch.tensor(degrees, dtype=torch.float64), torch.zeros(len(degrees), dtype=torch.float64))


def sideways(*degrees: float) -> Tensor:
    """Cameras in the world's axes: the first in the origin, the others at distance 1 in these directions."""
    angles = torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
    centres = torch.stack([angles.cos(), angles.sin(), 0 * angles], dim=-1)
    centres = torch.cat([torch.zeros(1, 3, dtype=torch.float64), centres])
    return rigid(torch.eye(3, dtype=torch.float64).expand(len(centres), 3, 3), centres)


def test_an_error_counts_in_every_bin_from_its_own_on():
    errors = errors_of(9.5)

    assert errors.auc(30) == errors.auc_numpy(30) == pytest.approx(21 / 30)
    assert errors.auc_torch(30) == pytest.approx(22 / 31)  # its bin, 8.71 to 9.68 degrees, has the index 9


def test_the_largest_degree_itself_counts_in_histograms_alone():
    errors = errors_of(30.0)

    assert errors.auc(30) == 0
    assert errors.auc_numpy(30) == pytest.approx(1 / 30)
    assert errors.auc_torch(30) == pytest.approx(1 / 31)


def test_histograms_of_bins_agree_with_those_that_numpy_and_torch_make():
    degrees = 40 * torch.rand(500, dtype=torch.float64)
    errors = errors_of(*degrees.tolist())

    counts, _ = np.histogram(degrees.numpy(), bins=np.arange(31))
    assert errors.auc_numpy(30) == pytest.approx(np.mean(np.cumsum(counts / 500)))
    counts = torch.histc(degrees, bins=31, min=0, max=30)
    assert errors.auc_torch(30) == pytest.approx((counts / 500).cumsum(0).mean().item())


def test_without_pairs_there_is_no_area():
    assert all(math.isnan(area) for area in (errors_of().auc(), errors_of().auc_numpy(), errors_of().auc_torch()))


def test_a_folded_direction_counts_up_to_its_sign():
    true, estimated = sideways(0.0), sideways(170.0)

    assert pose_errors(estimated, true).direction_deg.item() == pytest.approx(170)
    assert pose_errors(estimated, true, fold=True).direction_deg.item() == pytest.approx(10)


def test_folding_does_not_excuse_a_lost_photo_or_an_unknown_direction():
    true = sideways(0.0, 90.0)
    lost, together = true.clone(), true.clone()
    lost[1] = torch.nan
    together[1, :3, 3] = 0

    assert pose_errors(lost, true, fold=True).direction_deg.tolist() == pytest.approx([180, 0, 180])
    assert pose_errors(together, true, fold=True).direction_deg[0].item() == 180


def test_pairs_name_the_photos_among_all():
    true = rigid(roma.random_rotmat(4, dtype=torch.float64), torch.randn(4, 3, dtype=torch.float64))
    true[1] = torch.nan

    first, second = known_pairs(true)

    assert list(zip(first.tolist(), second.tolist(), strict=True)) == [(0, 2), (0, 3), (2, 3)]
    assert len(pose_errors(true, true).rotation_deg) == 3
