"""Scores of procedural pairs and scenes, with predictors whose errors we know."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from pointmap.eval.studies.procedural import (
    calibration_table,
    difficulty,
    held_out_pairs,
    pair_row,
    pairs_table,
    score_baselines,
    score_network,
)
from pointmap.eval.studies.procedural_scenes import procedural_sets, scenes_table
from pointmap.eval.studies.rows import Estimate, score
from pointmap.models import Network, NetworkConfig
from pointmap.train.pairs import PairBatch


@pytest.fixture(scope="module")
def pairs() -> list[PairBatch]:
    return held_out_pairs(4, 32)


@pytest.fixture(scope="module")
def network() -> Network:
    torch.manual_seed(0)
    config = NetworkConfig(
        image_size=32,
        patch_size=8,
        encoder_dim=32,
        encoder_depth=1,
        encoder_heads=1,
        decoder_dim=32,
        decoder_depth=1,
        decoder_heads=1,
        head="linear",
    )
    return Network(config).eval()


def test_held_out_pairs_are_always_the_same_in_both_formats_and_others_differ(pairs: list[PairBatch]):
    again, others = held_out_pairs(4, 32), held_out_pairs(4, 32, held_out=False)

    assert [batch.images.shape[2:4] for batch in pairs] == [(24, 32), (32, 24)]
    for one, two, other in zip(pairs, again, others, strict=True):
        assert torch.equal(one.images, two.images)
        assert not torch.equal(one.images, other.images)


def test_identity_motion_knows_depth_and_focal_length_and_errs_by_the_true_rotation(pairs: list[PairBatch]):
    _, identity = score_baselines(pairs, pairs)

    cosines = torch.cat([batch.first_from_second[:, :3, :3].diagonal(dim1=1, dim2=2).sum(1) - 1 for batch in pairs]) / 2
    angles = torch.rad2deg(cosines.clamp(-1, 1).acos())
    assert identity.absrel < 1e-3
    assert identity.within_125 > 0.999
    assert identity.rotation_deg == pytest.approx(angles.median().item(), abs=0.1)
    assert identity.by_confidence is None


def test_a_networks_row_has_every_score_and_survives_json(pairs: list[PairBatch], network: Network):
    row = score_network(network, pairs, "ours", chunk=1)

    assert len(row.by_confidence) == 10
    unsaid = ("method", "by_confidence", "focal_error")  # an untrained network's points may suit no focal length
    assert all(math.isfinite(value) for name, value in vars(row).items() if name not in unsaid)
    assert pair_row(vars(row) | {"focal_error": None}).by_confidence == row.by_confidence
    assert "ours" in pairs_table([row])


def test_the_table_says_whether_errors_fall_with_confidence(pairs: list[PairBatch], network: Network):
    row = vars(score_network(network, pairs, "ours"))
    falling = pair_row(row | {"by_confidence": tuple(range(10, 0, -1))})
    bumpy = pair_row(row | {"by_confidence": (10, 9, 8, 7, 6, 5, 4, 3, 2, 2.5)})

    assert calibration_table([falling]).endswith(" yes |")
    assert calibration_table([bumpy]).endswith(" no |")


def test_difficulty_is_that_of_the_pairs(pairs: list[PairBatch]):
    quantiles = difficulty(pairs)

    overlap = torch.cat([batch.overlap for batch in pairs])
    assert quantiles["overlap"][2] == pytest.approx(overlap.quantile(0.5).item())
    assert all(values == sorted(values) for values in quantiles.values())


def test_scenes_are_written_once_and_their_truth_scores_full_marks(tmp_path: Path):
    (truth,) = procedural_sets(tmp_path, 1, views=3, long_side=32)
    written = truth.files[0].stat().st_mtime_ns
    (again,) = procedural_sets(tmp_path, 1, views=3, long_side=32)

    rows, columns = np.mgrid[:24, :32]
    pixels = np.stack([columns.ravel(), rows.ravel()], axis=-1)
    depths = [(2 * truth.depth(index).ravel(), pixels) for index in range(3)]
    row = score(truth, Estimate(truth.world_from_cam, truth.intrinsics[:, 0, 0], depths), method="truth")

    assert again.files[0].stat().st_mtime_ns == written
    assert (row.registered, row.auc_30, row.focal_error, row.depth_absrel) == pytest.approx((3, 1, 0, 0), abs=1e-6)
    assert "100.0" in scenes_table([row])
