"""Predictions of one view in the frames of many groups, and the similarities between them."""

import math

import pytest
import torch

from pointmap.alignment.registration import Registered, register
from pointmap.geometry.rotations import rotation_from_vector
from pointmap.geometry.similarity import split_similarity
from pointmap.geometry.transforms import rigid, transform_points


def surface(generator: torch.Generator, pixels: int = 120) -> torch.Tensor:
    """(3, k) points in front of a camera, 3 away."""
    slopes = torch.rand(2, pixels, generator=generator) - 0.5
    depth = 3 + 0.5 * torch.sin(7 * slopes.sum(0))
    return torch.cat([slopes * depth, depth[None]])


def similarity(generator: torch.Generator) -> torch.Tensor:
    scale = torch.rand((), generator=generator) + 0.5
    return rigid(
        scale * rotation_from_vector(2 * torch.randn(3, generator=generator)), torch.randn(3, generator=generator)
    )


def predictions(kinds: str, noise: float = 0.01) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """One view in groups of the kinds "f" (first: in the camera frame), "s" (second), "n" and "m" (nonsense, first
    and second): points, whether first, and `group_from_camera`."""
    generator = torch.Generator().manual_seed(3)
    true = surface(generator)
    points, moves = [], []
    for kind in kinds:
        move = similarity(generator)
        if kind in "fn":
            move = torch.diag(torch.tensor([move[:3, :3].det() ** (1 / 3)] * 3 + [1.0]))
        shape = true + noise * torch.randn(true.shape, generator=generator)
        if kind in "nm":
            shape = 3 * torch.randn(true.shape, generator=generator)
        points.append(transform_points(move, shape.mT).mT)
        moves.append(move)
    return torch.stack(points), torch.tensor([kind in "fn" for kind in kinds]), torch.stack(moves)


def register_one_view(points: torch.Tensor, first: torch.Tensor, weights: torch.Tensor | None = None) -> Registered:
    weights = torch.ones_like(points[:, 0]) if weights is None else weights
    return register(points, weights, torch.zeros(len(points), dtype=torch.long), first, 1)


def test_the_similarities_between_the_predictions_of_a_view_are_found():
    points, first, group_from_camera = predictions("fsfss")

    result = register_one_view(points, first)

    assert result.in_camera.tolist() == [True]
    assert result.determined.all()
    reference = int(result.reference[0])
    assert first[reference]
    # Of any two, by way of the view's frame.
    found = torch.linalg.inv(result.view_from_group[reference]) @ result.view_from_group
    true = (group_from_camera[reference] @ torch.linalg.inv(group_from_camera)).double()
    torch.testing.assert_close(found, true, atol=0.03, rtol=0)
    assert (result.residuals < 0.02).all()


def test_the_unit_of_a_view_is_the_distance_of_its_scene():
    points, first, _ = predictions("fs", noise=0.0)

    result = register_one_view(points, first)

    distance = (result.view_from_group[0, :3, :3].float() @ points[0]).norm(dim=0).median()
    assert float(distance) == pytest.approx(1.0, rel=1e-5)


def test_predictions_in_one_camera_frame_differ_by_their_scale_alone():
    points, first, _ = predictions("ff")
    points[1, :, ::3] += 1.0  # gross errors

    result = register_one_view(points, first)

    _, rotation, translation = split_similarity(result.view_from_group)
    torch.testing.assert_close(rotation, torch.eye(3).double().expand(2, 3, 3))
    assert translation.abs().max() == 0


@pytest.mark.parametrize("kinds", ["nffss", "ffnss", "nsfnfsfs", "mmsss", "ssmsm"])
def test_a_confident_prediction_that_nothing_agrees_with_is_no_reference(kinds):
    points, first, _ = predictions(kinds)
    nonsense = torch.tensor([kind in "nm" for kind in kinds])
    weights = torch.where(nonsense, 9.0, 1.0)[:, None] * torch.ones_like(points[:, 0])

    result = register_one_view(points, first, weights)

    assert not nonsense[result.reference[0]]
    assert (result.residuals[nonsense] > 0.2).all()
    assert (result.residuals[~nonsense] < 0.02).all()


def test_where_the_only_camera_frame_is_nonsense_another_prediction_is_the_reference():
    points, first, _ = predictions("nsss")

    result = register_one_view(points, first)

    assert result.reference[0] > 0
    assert result.in_camera.tolist() == [False]


def test_predictions_that_do_not_determine_a_similarity_are_flagged_and_finite():
    points, first, _ = predictions("fssssss")
    weights = torch.ones_like(points[:, 0])
    points[2] = 0.7  # one place
    points[3] = torch.linspace(1, 2, points.shape[2]) * torch.ones(3, 1)  # a line
    points[4, 2] = 5.0  # a plane
    weights[5, 2:] = 0  # two pixels
    weights[6] = 0

    result = register_one_view(points, first, weights)

    assert result.determined.tolist() == [True, True, False, False, True, False, False]
    assert result.view_from_group.isfinite().all()
    assert result.residuals.isfinite().all()
    assert result.residuals[6] == 1
    assert (split_similarity(result.view_from_group)[0] > 0).all()


def test_pixels_without_a_prediction_do_not_matter():
    points, first, _ = predictions("fss")
    weights = torch.ones_like(points[:, 0])
    weights[1, ::2] = 0
    spoilt = points.clone()
    spoilt[1, :, ::2] = 100.0

    result, expected = register_one_view(spoilt, first, weights), register_one_view(points, first, weights)

    torch.testing.assert_close(result.view_from_group, expected.view_from_group)


def test_a_planar_scene_is_registered():
    points, first, _ = predictions("ff", noise=0.0)
    turn = rotation_from_vector(torch.tensor([0.0, math.pi / 3, 0.0]))
    points[:, 2] = 3 + points[:, 0]
    points = torch.stack([points[0], points[0], 2 * turn @ points[0]])
    first = torch.tensor([True, True, False])

    result = register_one_view(points, first)

    assert result.determined.all()
    scale, rotation, _ = split_similarity(result.view_from_group[2])
    torch.testing.assert_close(rotation.float(), turn.mT, atol=1e-4, rtol=0)
    scene = points[0].norm(dim=0).median()
    assert float(scale * scene) == pytest.approx(0.5, rel=1e-4)


def test_views_that_nothing_shows_have_no_reference():
    points, first, _ = predictions("fs")

    result = register(points, torch.ones_like(points[:, 0]), torch.tensor([1, 1]), first, 3)

    assert result.reference.tolist()[::2] == [-1, -1]
    assert result.in_camera.tolist() == [False, True, False]
