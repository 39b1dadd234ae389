import math

import pytest
import torch
from golden_losses import GoldenLosses, read_golden_losses
from torch import Tensor

from pointmap.errors import InputError
from pointmap.train.losses import confidence_weighted, masked_mean, pair_errors, with_sky
from pointmap.train.matching_losses import (
    at_pixels,
    confident_matching_loss,
    descriptor_similarity,
    match_cost,
    point_similarity,
)


@pytest.fixture
def golden(golden_dir) -> GoldenLosses:
    return read_golden_losses(golden_dir / "post")


def sampled(golden: GoldenLosses, maps: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return at_pixels(maps[0], golden.pixels[0]), at_pixels(maps[1], golden.pixels[1])


def sampled_confidences(golden: GoldenLosses) -> tuple[Tensor, Tensor]:
    maps = golden.descriptor_confidences
    samples_i, samples_j = sampled(golden, (maps[0][..., None], maps[1][..., None]))
    return samples_i[..., 0], samples_j[..., 0]


@pytest.mark.parametrize(("mode", "temperature"), [("all", 0.07), ("proper", 0.05), ("dual", 0.05)])
def test_matching_descriptors_gives_the_numbers_of_the_reference(golden, mode, temperature):
    similarity = descriptor_similarity(*sampled(golden, golden.descriptors))

    loss = masked_mean(match_cost(similarity, temperature, mode), golden.matched)

    golden.check(f"mast3r.Matching.InfoNCE.{mode}.t{temperature}", [loss], desc=golden.descriptors)


def test_matching_points_gives_the_numbers_of_the_reference(golden):
    cost = match_cost(point_similarity(*sampled(golden, golden.points)), temperature=0.05)

    golden.check("mast3r.Matching.InfoNCE.proper.t0.05.pts3d", [masked_mean(cost, golden.matched)], pts3d=golden.points)


@pytest.mark.parametrize(
    ("criterion", "settings"),
    [
        ("mast3r.ConfMatching.alpha10.mean", {"combine": "mean"}),
        ("mast3r.ConfMatching.alpha10.prod.negq0.5", {"combine": "product", "unmatched_quantile": 0.5}),
    ],
)
def test_confident_matching_gives_the_numbers_of_the_reference(golden, criterion, settings):
    cost = match_cost(descriptor_similarity(*sampled(golden, golden.descriptors)), temperature=0.05)

    loss = confident_matching_loss(cost, *sampled_confidences(golden), golden.matched, alpha=10.0, **settings)

    golden.check(criterion, [loss], desc=golden.descriptors, desc_conf=golden.descriptor_confidences)


def test_the_whole_training_loss_gives_the_numbers_of_the_reference(golden):
    errors = pair_errors(*golden.points, *golden.targets, *golden.valids, metric=golden.metric)
    losses = []
    for error, confidence, valid, sky in zip(errors, golden.confidences, golden.valids, golden.skies, strict=True):
        error, counted = with_sky(error, valid, sky, sky_error=2.0)
        losses.append(masked_mean(confidence_weighted(error, confidence, alpha=0.2), counted))
    cost = match_cost(descriptor_similarity(*sampled(golden, golden.descriptors)), temperature=0.05)
    matching = confident_matching_loss(cost, *sampled_confidences(golden), golden.matched, alpha=10.0)

    golden.check(
        "mast3r.full_train",
        [*losses, 0.075 * matching],
        conf=golden.confidences,
        desc=golden.descriptors,
        desc_conf=golden.descriptor_confidences,
        pts3d=golden.points,
    )


def test_maps_are_read_at_x_and_y():
    rows, columns = torch.meshgrid(torch.arange(4.0), torch.arange(7.0), indexing="ij")
    maps = torch.stack((columns, rows), dim=-1).expand(2, 4, 7, 2)
    pixels = torch.tensor([[[6, 0], [0, 3]], [[5, 2], [1, 1]]])

    torch.testing.assert_close(at_pixels(maps, pixels), pixels.float())


def test_descriptors_that_tell_nothing_cost_the_logarithm_of_the_choices():
    similarity = torch.full((2, 5, 5), 0.3)

    torch.testing.assert_close(match_cost(similarity, mode="proper"), torch.full((2, 5), 2 * math.log(5)))
    torch.testing.assert_close(match_cost(similarity, mode="dual"), torch.full((2, 5), 2 * math.log(5)))
    torch.testing.assert_close(match_cost(similarity, mode="all"), torch.full((2, 5), math.log(25)))


def test_a_hopeless_match_does_not_pull_on_the_descriptors():
    similarity = torch.tensor([[[-1.0, 1.0], [1.0, 1.0]]], requires_grad=True)  # sample 0 looks like sample 1

    cost = match_cost(similarity, temperature=0.05)
    cost[0, 0].backward()

    torch.testing.assert_close(cost[0, 0], torch.tensor(-2 * math.log(1e-8)))
    assert (similarity.grad == 0).all()


def test_points_at_distance_one_are_half_similar():
    points = torch.tensor([[[0.0, 0.0, 3.0], [0.0, 1.0, 3.0]]])

    torch.testing.assert_close(point_similarity(points, points), torch.tensor([[[1.0, 0.5], [0.5, 1.0]]]))


def test_similarity_is_float32_under_autocast():
    descriptors = torch.nn.functional.normalize(torch.randn(1, 6, 24), dim=-1)

    with torch.autocast("cpu", torch.bfloat16):
        similarity = descriptor_similarity(descriptors, descriptors)

    torch.testing.assert_close(similarity, descriptors @ descriptors.mT)


def test_pixels_without_a_match_learn_a_low_confidence():
    confidences = torch.full((2, 1, 4), 3.0, requires_grad=True)
    matched = torch.tensor([[True, True, False, False]])

    loss = confident_matching_loss(
        torch.full((1, 4), 8.0), confidences[0], confidences[1], matched, alpha=10.0, unmatched_quantile=0.5
    )
    (gradient,) = torch.autograd.grad(loss, confidences)

    assert (gradient[:, ~matched] > 0).all()


def test_no_match_in_the_batch_gives_a_finite_loss():
    confidence = torch.full((1, 4), 3.0)

    loss = confident_matching_loss(
        torch.full((1, 4), 8.0), confidence, confidence, torch.zeros(1, 4, dtype=torch.bool), unmatched_quantile=0.5
    )

    assert loss.isfinite()


def test_unknown_choices_are_refused():
    with pytest.raises(InputError, match=r"'both'.*proper"):
        match_cost(torch.zeros(1, 2, 2), mode="both")
    with pytest.raises(InputError, match=r"'sum'.*product"):
        confident_matching_loss(*torch.ones(3, 1, 2), torch.ones(1, 2, dtype=torch.bool), combine="sum")
