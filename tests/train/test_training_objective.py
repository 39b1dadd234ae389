import math
from dataclasses import replace

import pytest
import torch
from oracle import Oracle, seen_once
from worlds import rendered_pairs

from pointmap.geometry.cameras import unproject_depth
from pointmap.geometry.tokens import match_positions, token_pixels
from pointmap.geometry.transforms import invert_rigid, transform_points
from pointmap.models import PRESETS, Network
from pointmap.scene import PairPrediction
from pointmap.train.cameras import scaled_intrinsics
from pointmap.train.effects import plain
from pointmap.train.losses import depth_gradient_loss, normal_loss, ray_loss
from pointmap.train.objective import (
    Objective,
    compute_losses,
    counterparts,
    descriptor_loss,
    make_targets,
    matching_loss,
    predict,
    token_matches,
)
from pointmap.train.pairs import PairBatch
from pointmap.train.random import Random

GRID = (5, 7)  # tokens of 8 pixels on 40 x 56


def nearest(batch: PairBatch, *, back: bool = False) -> torch.Tensor:
    """For each token of the first view (`back`: second) the other's token with the largest share; -1 where none."""
    depths, intrinsics = (part.flip(1) if back else part for part in (batch.depths, batch.intrinsics))
    there_from_here = batch.first_from_second if back else invert_rigid(batch.first_from_second)
    nodes, shares, seen = token_matches(depths, intrinsics, there_from_here, GRID)
    torch.testing.assert_close(shares.sum(dim=-1), torch.ones_like(shares[..., 0]))
    best = nodes.gather(-1, shares.argmax(dim=-1, keepdim=True))[..., 0]
    return torch.where(seen, best, -1)


def photos(batch: PairBatch) -> torch.Tensor:
    return plain(batch.images.flatten(0, 1)).unflatten(0, (-1, 2))


def wall(shift: float, *, depth: float = 2.0) -> PairBatch:
    """A wall seen head-on by two cameras, the second `shift` to the right of the first."""
    first_from_second = torch.eye(4)[None].clone()
    first_from_second[0, 0, 3] = shift
    return PairBatch(
        images=torch.zeros(1, 2, 40, 56, 3, dtype=torch.uint8),
        depths=torch.full((1, 2, 40, 56), depth),
        intrinsics=scaled_intrinsics(torch.ones(1, 2), (40, 56)),  # focal length 56 pixels
        first_from_second=first_from_second,
        overlap=torch.ones(1),
        metric=torch.zeros(1, dtype=torch.bool),
    )


def test_targets_have_the_mean_distance_one():
    targets = make_targets(rendered_pairs())

    for points_i, points_j, valid_i, valid_j in zip(
        targets.points_i, targets.points_j, targets.valid_i, targets.valid_j, strict=True
    ):
        distances = torch.cat([points_i[valid_i], points_j[valid_j]]).norm(dim=-1)
        assert distances.mean().item() == pytest.approx(1, abs=1e-4)


def test_targets_are_the_scaled_points_of_both_orders():
    batch = rendered_pairs()
    targets, half = make_targets(batch), len(batch)
    first, second = unproject_depth(batch.depths.float(), batch.intrinsics).unbind(1)
    second_in_first = [*map(transform_points, batch.first_from_second[:, None], second)]
    first_in_second = [*map(transform_points, invert_rigid(batch.first_from_second)[:, None], first)]

    for pair in range(half):
        scale = targets.points_i[pair].norm() / first[pair].norm()
        torch.testing.assert_close(targets.points_i[pair], scale * first[pair])
        torch.testing.assert_close(targets.points_j[pair], scale * second_in_first[pair], rtol=1e-3, atol=1e-4)
        scale = targets.points_i[half + pair].norm() / second[pair].norm()
        torch.testing.assert_close(targets.points_i[half + pair], scale * second[pair])
        torch.testing.assert_close(targets.points_j[half + pair], scale * first_in_second[pair], rtol=1e-3, atol=1e-4)


def test_the_masks_of_the_second_order_are_those_of_the_first_swapped():
    targets = make_targets(rendered_pairs())
    half = len(targets.valid_i) // 2

    assert targets.valid_i[half:].equal(targets.valid_j[:half])
    assert targets.valid_j[half:].equal(targets.valid_i[:half])


def test_sky_and_far_ground_are_no_targets():
    batch = wall(0.5)
    batch.depths[0, 0, 3, 5] = 0
    batch.depths[0, 1, 7, 2] = 2.0 * 13

    targets = make_targets(batch)

    assert not targets.valid_i[0, 3, 5]
    assert not targets.valid_j[0, 7, 2]
    assert (~targets.valid_i).sum() == 2  # each is missing in one order as i, in the other as j
    assert (~targets.valid_j).sum() == 2


def test_two_photos_from_one_place_match_token_by_token():
    batch = seen_once(rendered_pairs())

    matches = nearest(batch)

    has_depth = (batch.depths[:, 0, 4::8, 4::8] > 0).flatten(1)
    expected = torch.where(has_depth, torch.arange(35).expand_as(matches), -1)
    assert matches.equal(expected)
    assert has_depth.float().mean() > 0.5


def test_a_camera_one_token_to_the_right_sees_everything_one_token_to_the_left():
    batch = wall(shift=2.0 * 8 / 56)  # disparity of 8 pixels at depth 2

    there, back = nearest(batch), nearest(batch, back=True)

    tokens = torch.arange(35).reshape(GRID)
    assert there.reshape(GRID)[:, 1:].equal(tokens[:, :-1])
    assert (there.reshape(GRID)[:, 0] == -1).all()  # out of the frame
    assert back.reshape(GRID)[:, :-1].equal(tokens[:, 1:])


def test_a_counterpart_between_tokens_is_shared_by_them_and_read_out_exactly():
    batch = wall(shift=2.0 * 3 / 56)  # disparity of 3 of a token's 8 pixels

    nodes, shares, seen = token_matches(batch.depths, batch.intrinsics, invert_rigid(batch.first_from_second), GRID)
    likely = torch.zeros(1, 35, 35).scatter_add(2, nodes, shares).clamp(min=1e-9).log()
    positions, sure = match_positions(likely, GRID, 8)

    inner = seen[0] & (token_pixels(GRID, 8)[:, 0] > 8)
    assert inner.sum() == 30
    torch.testing.assert_close(positions[0][inner], (token_pixels(GRID, 8) - torch.tensor([3.0, 0.0]))[inner])
    assert sure[0][inner].min() > 0.999


def test_what_is_hidden_has_no_match():
    batch = wall(shift=2.0 * 8 / 56)
    batch.depths[0, 1, :, :28] = 1.0  # something nearer stands in the left half of the second view

    there = nearest(batch)

    assert (there.reshape(GRID)[:, 1:4] == -1).all()
    assert (there.reshape(GRID)[:, 5:] >= 0).all()


def test_the_matching_loss_is_least_for_the_true_matches():
    batch = rendered_pairs()
    nodes, shares, _ = token_matches(batch.depths, batch.intrinsics, invert_rigid(batch.first_from_second), GRID)
    true = torch.zeros(len(batch), 35, 35).scatter_add(2, nodes, shares)

    none = matching_loss(torch.zeros(len(batch), 35, 35), batch, GRID).item()
    random = matching_loss(10 * torch.rand(len(batch), 35, 35), batch, GRID).item()
    right = matching_loss(10 * true, batch, GRID).item()

    assert none == pytest.approx(math.log(35), abs=1e-4)
    assert right < none / 2 < random


def test_the_matching_loss_of_two_photos_from_one_place_can_be_zero():
    batch = seen_once(rendered_pairs())

    assert matching_loss(30 * torch.eye(35).expand(len(batch), 35, 35), batch, GRID) < 1e-4


def test_the_truth_has_no_regression_error():
    batch = rendered_pairs()

    losses = compute_losses(Oracle(batch), batch, photos(batch), Objective(alpha=0.2), Random(0))

    assert losses.regression_i < 1e-6
    assert losses.regression_j < 1e-6
    assert losses.matching == 0


@pytest.mark.parametrize(("metric_network", "metric_pair", "errs"), [(1, 1, True), (1, 0, False), (0, 1, True)])
def test_the_scale_counts_in_metres_for_metric_networks_and_else_in_mean_distances(metric_network, metric_pair, errs):
    """Points that are twice as far as they should be."""
    batch = replace(wall(0.5), metric=torch.tensor([bool(metric_pair)]))
    oracle = Oracle(batch, metric=bool(metric_network))
    unit = make_targets(batch).scale if metric_network and metric_pair else 1.0
    for points in (oracle.prediction.points_i, oracle.prediction.points_j):
        points *= 2 * unit

    losses = compute_losses(oracle, batch, photos(batch), Objective(alpha=0.2), Random(0))

    assert (losses.regression_i > 0.5) == errs
    assert (losses.regression_i < 1e-5) != errs


def test_confidence_pays_where_the_points_are_right():
    batch = wall(0.5)

    shy, sure = (
        compute_losses(Oracle(batch, confidence), batch, photos(batch), Objective(alpha=0.2), Random(0))
        for confidence in (1.0, 3.0)
    )

    assert shy.confidence.item() == pytest.approx(0, abs=1e-6)
    assert sure.confidence.item() == pytest.approx(-2 * 0.2 * math.log(3), abs=1e-5)


def test_confidence_in_the_sky_costs():
    batch = wall(0.5)
    batch.depths[:, :, :20] = 0

    shy, sure = (
        compute_losses(Oracle(batch, confidence), batch, photos(batch), Objective(alpha=0.2), Random(0))
        for confidence in (1.0, 3.0)
    )

    assert sure.confidence > shy.confidence


def test_targets_are_not_rounded_to_what_the_network_computes_in():
    batch = rendered_pairs()
    seen = []

    class Watching(Oracle):
        def decode(self, *arguments):
            seen.append(torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else torch.float32)
            return self.prediction

    losses = compute_losses(Watching(batch), batch, photos(batch), Objective(alpha=0.2), Random(0))

    assert seen == [torch.bfloat16]
    assert losses.regression_j < 1e-6  # bfloat16 would be off by 2e-3


def test_both_orders_of_a_prediction_are_those_of_the_pair_and_the_swapped_pair():
    batch, network = rendered_pairs()[:2], Network(PRESETS["nano"])
    images = photos(batch)

    with torch.no_grad():
        both, _, similarity = predict(network, images)
        there, back = network(images[:, 0], images[:, 1]), network(images[:, 1], images[:, 0])

    assert similarity.shape == (2, 35, 35)
    torch.testing.assert_close(both.points_j, torch.cat([there.points_j, back.points_j]), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(both.points_i, torch.cat([there.points_i, back.points_i]), rtol=1e-3, atol=1e-4)


def test_losses_and_gradients_are_finite():
    batch, network = rendered_pairs(), Network(PRESETS["nano"])

    losses = compute_losses(network, batch, photos(batch), Objective(alpha=0.2), Random(0))
    losses.total.backward()

    assert all(value.isfinite() for value in vars(losses).values())
    assert losses.matching.item() == pytest.approx(math.log(35), abs=1.5)  # nothing is learnt yet
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name


def test_unknown_pixels_take_no_part():
    batch = wall(0.5)
    depths = batch.depths.clone()
    depths[:, 0, :, 30:] = torch.nan
    unknown = replace(batch, depths=depths)
    oracle = Oracle(unknown, 3.0)
    oracle.prediction.points_i[0, :, 30:] = 1e6

    targets, losses = make_targets(unknown), compute_losses(oracle, unknown, photos(batch), Objective(alpha=0.2))

    assert not targets.known_i[0, :, 30:].any()
    assert not targets.sky_i.any()
    assert losses.confidence.item() == pytest.approx(-2 * 0.2 * math.log(3), abs=1e-5)


def test_photos_without_depth_teach_their_lines_of_sight():
    batch = wall(0.5)
    blind = replace(batch, depths=torch.full_like(batch.depths, torch.nan))
    oracle, objective = Oracle(batch), Objective(rays=1.0)

    right = compute_losses(oracle, blind, photos(batch), objective)
    oracle.prediction.points_i[..., :2] *= 1.2
    wrong = compute_losses(oracle, blind, photos(batch), objective)

    assert right.rays < 1e-5
    assert wrong.rays > 0.02
    assert wrong.total == wrong.rays


def test_counterparts_on_a_wall_are_shifted_by_the_disparity():
    pixels = torch.tensor([[[20, 5], [10, 39], [3, 8]]])

    there, seen = counterparts(
        pixels, wall(0.25).depths, wall(0.25).intrinsics, invert_rigid(wall(0.25).first_from_second)
    )

    assert seen.tolist() == [[True, True, False]]  # 56 * 0.25 / 2 = 7 pixels
    torch.testing.assert_close(there[0, :2], torch.tensor([[13.0, 5.0], [3.0, 39.0]]))


def test_the_right_descriptors_cost_nothing_and_hidden_pixels_learn_doubt():
    batch = wall(0.25)
    prediction = described(batch, shift=7)

    right = descriptor_loss(prediction, batch, 40, Random(0))
    wrong = descriptor_loss(described(batch, shift=0), batch, 40, Random(0))
    random = Random(1)
    confident = replace(prediction, descriptor_confidence_i=torch.ones(2, 40, 56, requires_grad=True))
    descriptor_loss(confident, batch, 400, random).backward()
    slope = confident.descriptor_confidence_i.grad

    assert right < 0.5
    assert wrong > right + 3
    assert slope[0, :, :7].sum() >= 0  # the first order's left columns are hidden: confidence there must not pay
    assert slope[0, :, 7:].sum() < 0


def described(batch: PairBatch, shift: int) -> PairPrediction:
    """Descriptors that tell every pixel of the first photo from all others, and those of the second, shifted."""
    first = torch.nn.functional.normalize(Random(5).normal(40, 56, 64), dim=-1)
    second = first.roll(-shift, dims=1)
    ones = torch.ones(2, 40, 56)
    return replace(
        Oracle(batch).prediction,
        descriptors_i=torch.stack([first, second]),
        descriptors_j=torch.stack([second, first]),
        descriptor_confidence_i=ones,
        descriptor_confidence_j=ones,
    )


def test_true_points_have_true_rays_slopes_and_normals():
    batch = rendered_pairs()
    targets, intrinsics = make_targets(batch), torch.cat(batch.intrinsics.unbind(1))
    points, valid = targets.points_i, targets.valid_i

    assert ray_loss(points, intrinsics, valid) < 1e-5
    assert depth_gradient_loss(3 * points[..., 2], points[..., 2], valid) < 1e-5
    assert normal_loss(3 * points, points, valid) < 1e-5


def test_a_wrong_focal_length_shows_in_the_rays_alone():
    batch = wall(0.5)
    points, valid = make_targets(batch).points_i, make_targets(batch).valid_i
    wide = points * torch.tensor([1.2, 1.2, 1.0])

    assert ray_loss(wide, torch.cat(batch.intrinsics.unbind(1)), valid) > 0.02
    assert depth_gradient_loss(wide[..., 2], points[..., 2], valid) < 1e-6
    assert normal_loss(wide, points, valid) < 1e-6


def test_a_blurred_edge_shows_in_the_slopes():
    depth = torch.ones(1, 40, 56)
    depth[:, :, 28:] = 2
    blurred = torch.nn.functional.avg_pool1d(depth, 5, 1, 2, count_include_pad=False)

    assert depth_gradient_loss(blurred, depth, depth > 0) > 0.01


def test_a_tilted_surface_shows_in_the_normals():
    batch = wall(0.5)
    points, valid = make_targets(batch).points_i, make_targets(batch).valid_i
    tilted = points * torch.linspace(0.8, 1.2, 56)[:, None]

    assert normal_loss(tilted, points, valid) > 0.01


def test_the_sky_is_learnt_where_it_is_known():
    batch = wall(0.5)
    batch.depths[:, :, :20] = 0
    batch.depths[:, :, 30:] = torch.nan
    oracle = Oracle(batch)
    logit = torch.full((2, 40, 56), -9.0)
    logit[:, :20] = 9
    logit[:, 30:] = 9  # unknown: may be anything
    right = replace(oracle.prediction, sky_i=logit, sky_j=logit)
    wrong = replace(oracle.prediction, sky_i=-logit, sky_j=-logit)

    def sky(prediction: PairPrediction) -> float:
        oracle.prediction = prediction
        return compute_losses(oracle, batch, photos(batch)).sky.item()

    assert sky(right) < 1e-3
    assert sky(wrong) > 5
