from dataclasses import asdict, replace

import pytest
import torch
from oracle import Oracle, seen_once
from worlds import rendered_pairs

from pointmap.models import PRESETS, Network
from pointmap.train.validation import HEADER, baselines, validate

LANDSCAPE, PORTRAIT = (40, 56), (56, 40)


def rotation_angles(first_from_second: torch.Tensor) -> torch.Tensor:
    trace = first_from_second[:, :3, :3].diagonal(dim1=-2, dim2=-1).sum(dim=-1)
    return torch.rad2deg(((trace - 1) / 2).clamp(-1, 1).acos())


@pytest.mark.parametrize("size", [LANDSCAPE, PORTRAIT])
def test_the_truth_has_a_perfect_score(size):
    batch = rendered_pairs(size)

    scores = validate(Oracle(batch), [batch])

    assert scores.points_i < 1e-4
    assert scores.points_j < 1e-4
    assert scores.depth_absrel < 1e-4
    assert scores.depth_within_10 > 0.9999
    assert scores.rotation_deg < 0.1
    assert scores.rotation_within_15 == 1
    assert scores.translation_deg < 0.5
    assert scores.focal_log < 0.01


def test_the_scale_of_a_prediction_does_not_matter():
    batch = rendered_pairs()
    oracle = Oracle(batch)
    oracle.prediction = replace(
        oracle.prediction, points_i=3 * oracle.prediction.points_i, points_j=3 * oracle.prediction.points_j
    )

    scores = validate(oracle, [batch])

    assert scores.points_i < 1e-4
    assert scores.points_j < 1e-4
    assert scores.depth_absrel < 1e-4
    assert scores.rotation_deg < 0.1


def test_depths_off_by_a_fifth_are_scored_as_that():
    batch = rendered_pairs()
    oracle = Oracle(batch)
    wrong = torch.ones_like(oracle.prediction.confidence_i)
    wrong[:, ::4] = 1.2  # a quarter of the rows
    oracle.prediction = replace(oracle.prediction, points_i=oracle.prediction.points_i * wrong[..., None])

    scores = validate(oracle, [batch])

    assert scores.depth_absrel == pytest.approx(0.05, abs=0.01)
    assert scores.depth_within_10 == pytest.approx(0.75, abs=0.05)
    assert scores.focal_log < 0.01  # points moved along their rays


def test_identity_motion_knows_the_depths_and_is_wrong_by_the_whole_rotation():
    batch = rendered_pairs()

    identity = baselines([batch], [batch])["identity motion"]

    assert identity.depth_absrel < 1e-4
    angles = rotation_angles(batch.first_from_second)
    # Both orders of a pair have the same angle.
    assert identity.rotation_deg == pytest.approx(angles.repeat(2).nanmedian().item(), abs=0.1)
    assert identity.rotation_within_15 == pytest.approx((angles < 15).float().mean().item())
    assert identity.points_j > 0.1


def test_identity_motion_is_right_where_nothing_moved():
    identity = baselines([seen_once(rendered_pairs())], [rendered_pairs()])["identity motion"]

    assert identity.points_j < 1e-4
    assert identity.rotation_deg < 0.1


def test_the_mean_pointmap_is_a_baseline_between_nothing_and_the_truth():
    sizes = LANDSCAPE, PORTRAIT
    unseen, train = ([rendered_pairs(size, seed=seed) for size in sizes] for seed in (5, 6))

    mean = baselines(unseen, train)["mean pointmap"]

    assert 0.1 < mean.points_i < 1
    assert 0.1 < mean.points_j < 1
    assert 0.05 < mean.depth_absrel < 1


def test_an_untrained_network_has_scores_that_are_numbers():
    network = Network(PRESETS["tiny"]).eval()

    scores = validate(network, [rendered_pairs(LANDSCAPE)[:5], rendered_pairs(PORTRAIT)[:3]], chunk=2)

    values = asdict(scores)
    assert all(torch.tensor(value).isfinite() for name, value in values.items() if name != "focal_log"), values
    assert len(scores.table_row().split()) == len(HEADER.split())
