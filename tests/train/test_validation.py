import math
from dataclasses import asdict, replace

import pytest
import torch
from oracle import Oracle, seen_once
from worlds import rendered_pairs

from pointmap.geometry.transforms import invert_rigid
from pointmap.models import PRESETS, Network
from pointmap.train.habits import TRAINING
from pointmap.train.objective import token_matches
from pointmap.train.pairs import PairBatch
from pointmap.train.validation import HEADER, baselines, match_distances, validate

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
    assert math.isnan(scores.match_px)  # it has no match read-out


def test_focal_lengths_are_told_about_the_true_principal_points():
    batch = rendered_pairs(settings=replace(TRAINING, off_centre=1.0, shift=0.3))

    assert validate(Oracle(batch), [batch]).focal_log < 0.01


def true_matches(batch: PairBatch, grid: tuple[int, int]) -> torch.Tensor:
    """Similarities that are sure of where every token of the first view lies."""
    nodes, shares, _ = token_matches(batch.depths, batch.intrinsics, invert_rigid(batch.first_from_second), grid)
    count = nodes.shape[1]
    return torch.zeros(len(batch), count, count).scatter_add_(2, nodes, shares).clamp(min=1e-9).log()


def test_a_read_out_that_knows_the_matches_is_off_by_nothing():
    batch = rendered_pairs()
    forward = match_distances(true_matches(batch, (5, 7)), batch, (5, 7))[: len(batch)]
    swapped = replace(
        batch,
        depths=batch.depths.flip(1),
        intrinsics=batch.intrinsics.flip(1),
        first_from_second=invert_rigid(batch.first_from_second),
    )
    backward = match_distances(true_matches(swapped, (5, 7)).mT, batch, (5, 7))[len(batch) :]

    for distances in (forward, backward):
        seen = distances[distances.isfinite()]  # some pairs share nothing
        assert len(seen) > len(batch) / 2
        assert (seen < 0.1).float().mean() > 0.7  # tokens at the border lie up to half a token beyond the last one
        assert (seen < 4.0).all()


def test_a_read_out_that_is_off_by_a_token_is_scored_as_that():
    """All matches point one token further to the right, that is 8 pixels."""
    batch = seen_once(rendered_pairs())
    there = torch.arange(35).reshape(5, 7).roll(-1, dims=1).flatten()
    similarity = 50 * torch.nn.functional.one_hot(there, 35).float().expand(len(batch), -1, -1)

    distances = match_distances(similarity, batch, (5, 7))

    torch.testing.assert_close(distances[distances.isfinite()], torch.tensor(8.0).expand(distances.isfinite().sum()))


def test_what_the_sky_or_unknown_depth_hides_has_no_match():
    batch = rendered_pairs()
    for nothing in (0.0, math.nan):
        blank = replace(batch, depths=torch.full_like(batch.depths, nothing))

        assert match_distances(true_matches(batch, (5, 7)), blank, (5, 7)).isnan().all()


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
    network = Network(PRESETS["nano"]).eval()

    scores = validate(network, [rendered_pairs(LANDSCAPE)[:5], rendered_pairs(PORTRAIT)[:3]], chunk=2)

    values = asdict(scores)
    assert all(torch.tensor(value).isfinite() for name, value in values.items() if name != "focal_log"), values
    assert len(scores.table_row().split()) == len(HEADER.split())
    assert scores.match_px > 4  # half a token
