import pytest
import torch
from golden_losses import GoldenLosses, read_golden_losses
from torch import Tensor

from pointmap.errors import InputError
from pointmap.train.losses import (
    RegressionSettings,
    confidence_weighted,
    masked_mean,
    normalisation_scale,
    pair_errors,
    regression_error,
    with_sky,
)


@pytest.fixture
def golden(golden_dir) -> GoldenLosses:
    return read_golden_losses(golden_dir / "post")


def random_pair(batch: int = 2) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Points of two views of different shapes, in front of the camera, and masks with holes."""
    points_i = torch.randn(batch, 4, 6, 3) + torch.tensor([0.0, 0.0, 5.0])
    points_j = torch.randn(batch, 5, 3, 3) + torch.tensor([0.0, 0.0, 5.0])
    return points_i, points_j, torch.rand(batch, 4, 6) < 0.7, torch.rand(batch, 5, 3) < 0.7


REGRESSION = {
    "dust3r.Regr3D.avg_dis": RegressionSettings(),
    "dust3r.Regr3D.avg_log1p": RegressionSettings(normalise="avg_log1p"),
    "dust3r.Regr3D.avg_warp-log1p": RegressionSettings(compress_first=True),
    "dust3r.Regr3D.median_dis": RegressionSettings(normalise="median_dis"),
    "dust3r.Regr3D.sqrt_dis": RegressionSettings(normalise="sqrt_dis"),
    "dust3r.Regr3D.nonorm": RegressionSettings(normalise=None),
    "dust3r.Regr3D.avg_dis.gt_scale": RegressionSettings(keep_target_scale=True),
    "dust3r.Regr3D_ShiftInv": RegressionSettings(shift_invariant=True),
    "dust3r.Regr3D_ScaleInv": RegressionSettings(scale_invariant=True),
    "dust3r.Regr3D_ScaleShiftInv.gt_scale": RegressionSettings(
        keep_target_scale=True, shift_invariant=True, scale_invariant=True
    ),
    "mast3r.Regr3D.metric.nosky": RegressionSettings(),
    "mast3r.Regr3D.metric.gt_scale.nosky": RegressionSettings(keep_target_scale=True),
    "mast3r.Regr3D_ScaleShiftInv.metric.gt_scale.nosky": RegressionSettings(
        keep_target_scale=True, shift_invariant=True, scale_invariant=True
    ),
}


@pytest.mark.parametrize("criterion", REGRESSION)
def test_regression_gives_the_numbers_of_the_reference(golden, criterion):
    metric = golden.metric if ".metric" in criterion else None

    errors = pair_errors(*golden.points, *golden.targets, *golden.valids, REGRESSION[criterion], metric)

    golden.check(criterion, list(map(masked_mean, errors, golden.valids)), pts3d=golden.points)


CONFIDENT = {
    "dust3r.ConfLoss.alpha0.2": RegressionSettings(),
    "mast3r.ConfLoss.alpha0.2.sky2": RegressionSettings(),
    "mast3r.ConfLoss.metric.alpha0.2.sky2": RegressionSettings(),
    "mast3r.ConfLoss.metric.max_metric_scale4": RegressionSettings(max_metric_distance=4.0),
    "mast3r.ConfLoss.metric.max_metric_scale100": RegressionSettings(max_metric_distance=100.0),
    "mast3r.ConfLoss.metric.loss_in_log": RegressionSettings(compress_last=True),
}


@pytest.mark.parametrize("criterion", CONFIDENT)
def test_confident_regression_gives_the_numbers_of_the_reference(golden, criterion):
    metric = golden.metric if ".metric" in criterion else None
    errors = pair_errors(*golden.points, *golden.targets, *golden.valids, CONFIDENT[criterion], metric)

    losses = []
    for error, confidence, counted, sky in zip(errors, golden.confidences, golden.valids, golden.skies, strict=True):
        if "mast3r" in criterion:
            error, counted = with_sky(error, counted, sky, sky_error=2.0)
        losses.append(masked_mean(confidence_weighted(error, confidence, alpha=0.2), counted))

    golden.check(criterion, losses, conf=golden.confidences, pts3d=golden.points)


@pytest.mark.parametrize("mode", ["avg_dis", "sqrt_dis", "median_dis"])
def test_the_scale_of_points_three_times_as_far_is_three_times_as_large(mode):
    points_i, points_j, valid_i, valid_j = random_pair()

    scale = normalisation_scale(points_i, points_j, valid_i, valid_j, mode)

    torch.testing.assert_close(normalisation_scale(3 * points_i, 3 * points_j, valid_i, valid_j, mode), 3 * scale)


@pytest.mark.parametrize("mode", ["avg_dis", "sqrt_dis", "median_dis"])
def test_points_on_a_sphere_have_its_radius_as_their_scale(mode):
    points_i, points_j, valid_i, valid_j = random_pair()
    radius = torch.tensor([2.0, 7.0])[:, None, None, None]
    on_sphere = [radius * torch.nn.functional.normalize(points, dim=-1) for points in (points_i, points_j)]

    torch.testing.assert_close(normalisation_scale(*on_sphere, valid_i, valid_j, mode), radius)


SETTINGS = [
    RegressionSettings(),
    RegressionSettings(normalise="avg_log1p"),
    RegressionSettings(normalise="sqrt_dis"),
    RegressionSettings(normalise="median_dis", compress_last=True),
    RegressionSettings(compress_first=True),
    RegressionSettings(shift_invariant=True, scale_invariant=True),
    RegressionSettings(keep_target_scale=True, scale_invariant=True, max_metric_distance=50.0),
]


@pytest.mark.parametrize("missing", [torch.nan, torch.inf, 0.0])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_pixels_without_a_target_change_neither_the_loss_nor_its_gradient(settings, missing):
    points_i, points_j, valid_i, valid_j = random_pair()
    target_i, target_j = points_i + 0.1 * torch.randn_like(points_i), points_j + 0.1 * torch.randn_like(points_j)

    def loss_and_gradient(target_i: Tensor, target_j: Tensor) -> tuple[Tensor, ...]:
        predictions = points_i.clone().requires_grad_(), points_j.clone().requires_grad_()
        metric = torch.tensor([True, False])
        errors = pair_errors(*predictions, target_i, target_j, valid_i, valid_j, settings, metric)
        loss = masked_mean(errors[0], valid_i) + masked_mean(errors[1], valid_j)
        return loss, *torch.autograd.grad(loss, predictions)

    expected = loss_and_gradient(target_i, target_j)
    target_i[~valid_i], target_j[~valid_j] = missing, missing

    for result, reference in zip(loss_and_gradient(target_i, target_j), expected, strict=True):
        assert reference.isfinite().all()
        torch.testing.assert_close(result, reference)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_pair_without_any_target_has_no_error_and_a_finite_gradient(settings):
    points_i, points_j, valid_i, valid_j = random_pair()
    points_i.requires_grad_()
    target_i, target_j = torch.full_like(points_i, torch.nan), torch.full_like(points_j, torch.nan)

    error_i, error_j = pair_errors(
        points_i, points_j, target_i, target_j, torch.zeros_like(valid_i), torch.zeros_like(valid_j), settings
    )
    loss = masked_mean(error_i, torch.zeros_like(valid_i)) + masked_mean(error_j, torch.zeros_like(valid_j))
    loss.backward()

    assert loss == 0
    assert (points_i.grad == 0).all()


def test_a_prediction_of_another_scale_is_an_error_only_for_metric_pairs():
    points_i, points_j, valid_i, valid_j = random_pair()
    metric = torch.tensor([True, False])

    error_i, _ = pair_errors(2 * points_i, 2 * points_j, points_i, points_j, valid_i, valid_j, metric=metric)

    assert (error_i[0][valid_i[0]] > 0.1).all()
    assert error_i[1].max() < 1e-6


def test_far_pairs_are_not_treated_as_metric():
    points_i, points_j, valid_i, valid_j = random_pair()
    far_away = torch.tensor([10.0, 1.0])[:, None, None, None]
    targets = points_i * far_away, points_j * far_away
    predictions = 2 * targets[0], 2 * targets[1]
    settings = RegressionSettings(max_metric_distance=20.0)

    error_i, _ = pair_errors(*predictions, *targets, valid_i, valid_j, settings, metric=torch.tensor([True, True]))

    assert error_i[0].max() < 1e-5
    assert (error_i[1][valid_i[1]] > 0.1).all()


def test_shift_and_scale_invariant_errors_ignore_a_shift_in_depth_and_a_scale():
    points_i, points_j, valid_i, valid_j = random_pair()
    settings = RegressionSettings(normalise=None, shift_invariant=True, scale_invariant=True)
    moved = [2.5 * points + torch.tensor([0.0, 0.0, 3.0]) for points in (points_i, points_j)]

    for error in pair_errors(*moved, points_i, points_j, valid_i, valid_j, settings):
        assert error.max() < 1e-5


def test_the_best_confidence_is_alpha_over_the_error():
    error = torch.tensor([0.02, 0.05, 0.1])
    confidence = (0.2 / error).requires_grad_()

    confidence_weighted(error, confidence, alpha=0.2).sum().backward()

    torch.testing.assert_close(confidence.grad, torch.zeros(3), atol=1e-6, rtol=0)


def test_sky_has_a_constant_error_unless_it_has_a_target():
    error = torch.tensor([0.3, 0.0, 0.0])
    valid, sky = torch.tensor([True, False, False]), torch.tensor([True, True, False])

    error, counted = with_sky(error, valid, sky, sky_error=2.0)

    assert error.tolist() == pytest.approx([0.3, 2.0, 0.0])
    assert counted.tolist() == [True, True, False]


def test_a_loss_of_bfloat16_predictions_is_computed_in_float32():
    points_i, points_j, valid_i, valid_j = random_pair()
    half = points_i.bfloat16(), points_j.bfloat16()

    scale = normalisation_scale(*half, valid_i, valid_j)
    error = regression_error(half[0], points_i, valid_i)
    weighted = confidence_weighted(error, torch.ones(error.shape, dtype=torch.bfloat16))

    assert scale.dtype == error.dtype == weighted.dtype == torch.float32
    torch.testing.assert_close(scale, normalisation_scale(half[0].float(), half[1].float(), valid_i, valid_j))


def test_an_unknown_normalisation_is_refused_with_the_choices():
    with pytest.raises(InputError, match=r"'mean'.*avg_dis"):
        normalisation_scale(*random_pair(), mode="mean")
