"""Similarities: fits, the frames they join, and the reference's numbers."""

from pathlib import Path

import pytest
import roma
import torch
from safetensors.torch import load_file
from torch import Tensor

from pointmap.geometry.similarity import (
    align_cameras,
    fit_similarity,
    invert_similarity,
    move_cameras,
    split_similarity,
)
from pointmap.geometry.transforms import rigid, transform_points


def random_similarity(*batch: int, scale: float = 2.5) -> Tensor:
    return rigid(scale * roma.random_rotmat(batch, dtype=torch.float64), torch.randn(*batch, 3, dtype=torch.float64))


def random_cameras(views: int) -> Tensor:
    return rigid(roma.random_rotmat(views, dtype=torch.float64), 3 * torch.randn(views, 3, dtype=torch.float64))


def deviation(actual: Tensor, expected: Tensor) -> float:
    return ((actual - expected).abs() / (1 + expected.abs())).max().item()


def test_the_similarity_that_moved_the_points_is_found_for_every_item_of_a_batch():
    b_from_a = random_similarity(4, 2)
    points_a = torch.randn(4, 2, 10, 3, dtype=torch.float64)

    fitted = fit_similarity(points_a, transform_points(b_from_a, points_a))

    torch.testing.assert_close(fitted, b_from_a)


def test_one_set_of_points_is_fitted_to_a_batch_of_others():
    b_from_a = random_similarity(3)
    points_a = torch.randn(10, 3, dtype=torch.float64)

    fitted = fit_similarity(points_a, transform_points(b_from_a, points_a), torch.rand(10, dtype=torch.float64) + 0.1)

    torch.testing.assert_close(fitted, b_from_a)


def test_points_in_a_plane_give_a_proper_rotation():
    b_from_a = random_similarity()
    points_a = torch.randn(20, 3, dtype=torch.float64) * torch.tensor([1.0, 2.0, 0.0], dtype=torch.float64)

    fitted = fit_similarity(points_a, transform_points(b_from_a, points_a))

    torch.testing.assert_close(fitted, b_from_a)


def test_mirrored_points_give_the_best_proper_rotation_instead_of_a_reflection():
    points_a = torch.randn(30, 3, dtype=torch.float64) * torch.tensor([3.0, 2.0, 1.0], dtype=torch.float64)
    points_b = points_a * torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64)

    _, rotation, _ = split_similarity(fit_similarity(points_a, points_b))

    torch.testing.assert_close(torch.linalg.det(rotation), torch.tensor(1.0, dtype=torch.float64))


def test_without_scale_the_fit_is_a_rigid_motion_even_where_the_sizes_differ():
    rotation_only = random_similarity(scale=1.0)
    points_a = torch.randn(20, 3, dtype=torch.float64)

    fitted = fit_similarity(points_a, 4 * transform_points(rotation_only, points_a), with_scale=False)

    scale, rotation, _ = split_similarity(fitted)
    torch.testing.assert_close(scale, torch.tensor(1.0, dtype=torch.float64))
    torch.testing.assert_close(rotation, rotation_only[:3, :3])


def test_points_of_weight_zero_are_not_looked_at_even_if_they_are_nan():
    b_from_a = random_similarity()
    points_a = torch.randn(10, 3, dtype=torch.float64)
    points_b = transform_points(b_from_a, points_a)
    points_b[3], points_a[4] = torch.nan, torch.inf
    weights = torch.ones(10, dtype=torch.float64)
    weights[3] = weights[4] = 0

    torch.testing.assert_close(fit_similarity(points_a, points_b, weights), b_from_a)


def test_a_weight_of_two_counts_as_the_point_twice():
    points_a, points_b = torch.randn(2, 6, 3, dtype=torch.float64)
    weights = torch.tensor([2.0, 1, 1, 1, 1, 1], dtype=torch.float64)

    weighted = fit_similarity(points_a, points_b, weights)
    repeated = fit_similarity(torch.cat([points_a[:1], points_a]), torch.cat([points_b[:1], points_b]))

    torch.testing.assert_close(weighted, repeated)


@pytest.mark.parametrize("extent_a", [0.0, 1.0])
@pytest.mark.parametrize("extent_b", [0.0, 1.0])
@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_points_that_determine_nothing_still_give_a_valid_similarity(extent_a, extent_b, weight):
    points_a = 1 + extent_a * torch.tensor([[0.0, 0, 0], [1, 0, 0], [2, 0, 0]])  # a line at most
    points_b = 2 + extent_b * torch.tensor([[0.0, 0, 0], [0, 1, 0], [0, 2, 0]])

    scale, rotation, translation = split_similarity(fit_similarity(points_a, points_b, torch.full((3,), weight)))

    assert scale > 0
    assert translation.isfinite().all()
    torch.testing.assert_close(rotation @ rotation.mT, torch.eye(3))


def test_inverting_a_similarity_undoes_it():
    b_from_a = random_similarity(5)

    torch.testing.assert_close(
        invert_similarity(b_from_a) @ b_from_a, torch.eye(4, dtype=torch.float64).expand(5, 4, 4)
    )


def test_moved_cameras_stay_rigid_and_their_centres_move_with_the_scene():
    b_from_a, a_from_cam = random_similarity(), random_cameras(6)

    b_from_cam = move_cameras(b_from_a, a_from_cam)

    torch.testing.assert_close(split_similarity(b_from_cam)[0], torch.ones(6, dtype=torch.float64))
    torch.testing.assert_close(b_from_cam[:, :3, 3], transform_points(b_from_a, a_from_cam[:, :3, 3]))


def test_cameras_on_a_line_are_aligned_by_where_they_look():
    a_from_cam, b_from_a = random_cameras(5), random_similarity()
    a_from_cam[:, :3, 3] = torch.arange(5.0, dtype=torch.float64)[:, None] * torch.tensor([1.0, 2, 3]).double()

    torch.testing.assert_close(align_cameras(a_from_cam, move_cameras(b_from_a, a_from_cam)), b_from_a)


def test_cameras_in_one_place_are_aligned_by_rotation_with_scale_one():
    a_from_cam, b_from_a = random_cameras(5), random_similarity(scale=1.0)
    a_from_cam[:, :3, 3] = 0

    torch.testing.assert_close(align_cameras(a_from_cam, move_cameras(b_from_a, a_from_cam)), b_from_a)


def test_cameras_of_weight_zero_may_be_missing():
    a_from_cam, b_from_a = random_cameras(6), random_similarity()
    b_from_cam = move_cameras(b_from_a, a_from_cam)
    b_from_cam[2] = torch.nan
    weights = torch.tensor([1.0, 1, 0, 1, 1, 1], dtype=torch.float64)

    torch.testing.assert_close(align_cameras(a_from_cam, b_from_cam, weights), b_from_a)


def test_a_single_camera_is_aligned_without_an_error():
    a_from_cam, b_from_cam = random_cameras(1), random_cameras(1)

    b_from_a = align_cameras(a_from_cam, b_from_cam)

    torch.testing.assert_close(move_cameras(b_from_a, a_from_cam)[0, :3, 2:], b_from_cam[0, :3, 2:])


@pytest.mark.parametrize(("case", "tolerance"), [(0, 1e-5), (1, 1e-5), (2, 1e-4), (3, 1e-5)])
def test_fits_agree_with_the_reference(golden_dir: Path, case: int, tolerance: float):
    golden = load_file(golden_dir / "post" / "registration.safetensors")
    source, target, weights = (golden[f"{case}.{name}"] for name in ("src", "dst", "w"))

    assert deviation(fit_similarity(source, target, weights), golden[f"{case}.sRT4x4"]) <= tolerance
    for prefix, fitted in {
        "": fit_similarity(source, target, weights),
        "unweighted.": fit_similarity(source, target),
        "noscale.": fit_similarity(source, target, weights, with_scale=False),
    }.items():
        scale, rotation, translation = split_similarity(fitted)
        assert deviation(scale, golden.get(f"{case}.{prefix}scale", torch.ones(1))) <= tolerance
        assert deviation(rotation, golden[f"{case}.{prefix}R"]) <= tolerance
        assert deviation(translation, golden[f"{case}.{prefix}T"]) <= tolerance


def test_aligned_cameras_agree_with_the_reference(golden_dir: Path):
    golden = load_file(golden_dir / "post" / "registration.safetensors")

    scale, rotation, translation = split_similarity(align_cameras(golden["poses.src"], golden["poses.dst"]))

    assert deviation(scale, golden["poses.scale"]) <= 1e-5
    assert deviation(rotation, golden["poses.R"]) <= 1e-5
    assert deviation(translation, golden["poses.T"]) <= 1e-5
