"""Cameras from points and pixels: cameras we chose, outliers, too little to go on, and the reference's errors."""

import math
from pathlib import Path

import pytest
import roma
import torch
from safetensors.torch import load_file
from torch import Tensor

from pointmap.geometry.cameras import pixel_grid, project_points
from pointmap.geometry.pnp import PoseEstimate, estimate_pose, estimate_pose_and_focal
from pointmap.geometry.transforms import invert_rigid, rigid, transform_points

INTRINSICS = torch.tensor([[110.0, 0, 50], [0, 110, 43], [0, 0, 1]], dtype=torch.float64)
IMAGE_SIZE = (120, 90)


def seen_points(count: int = 200) -> tuple[Tensor, Tensor, Tensor]:
    """Points in the world, their pixels, and the pose of the camera that saw them."""
    world_from_cam = rigid(roma.random_rotmat(dtype=torch.float64), torch.randn(3, dtype=torch.float64))
    points_cam = torch.rand(count, 3, dtype=torch.float64) * 2 + torch.tensor([-1.0, -1.0, 2.0])
    return transform_points(world_from_cam, points_cam), project_points(points_cam, INTRINSICS), world_from_cam


def pose_errors(world_from_cam: Tensor, truth: Tensor) -> tuple[float, float]:
    """Rotation error in degrees, distance of the centres."""
    relative = invert_rigid(truth) @ world_from_cam.to(truth)
    return math.degrees(roma.rotmat_geodesic_distance(relative[:3, :3], torch.eye(3).to(truth))), float(
        relative[:3, 3].norm()
    )


def test_exact_points_give_back_the_camera():
    points_world, pixels, world_from_cam = seen_points()

    found = estimate_pose(points_world, pixels, INTRINSICS)

    torch.testing.assert_close(found.world_from_cam, world_from_cam, rtol=0, atol=1e-6)
    assert found.inliers.all()


def test_exact_points_give_back_the_focal_length_too():
    points_world, pixels, world_from_cam = seen_points()

    found = estimate_pose_and_focal(points_world, pixels, IMAGE_SIZE, centre=INTRINSICS[:2, 2])

    torch.testing.assert_close(found.world_from_cam, world_from_cam, rtol=0, atol=1e-4)
    torch.testing.assert_close(found.intrinsics, INTRINSICS, rtol=1e-4, atol=0)


def test_a_third_of_outliers_and_missing_points_are_told_apart_from_the_rest():
    points_world, pixels, world_from_cam = seen_points()
    pixels[:60] += 20 + 30 * torch.rand(60, 2)
    points_world[60:66] = torch.nan

    found = estimate_pose(points_world, pixels, INTRINSICS)

    assert found.inliers.tolist() == [False] * 66 + [True] * 134
    torch.testing.assert_close(found.world_from_cam, world_from_cam, rtol=0, atol=1e-5)


@pytest.mark.parametrize("scale", [1e-12, 1e-4, 1e4, 1e12])
def test_the_scale_of_the_world_only_scales_the_camera_centre(scale: float):
    points_world, pixels, world_from_cam = seen_points()

    for found in (
        estimate_pose(scale * points_world, pixels, INTRINSICS),
        estimate_pose_and_focal(scale * points_world, pixels, IMAGE_SIZE, centre=INTRINSICS[:2, 2]),
    ):
        torch.testing.assert_close(found.world_from_cam[:3, :3], world_from_cam[:3, :3], rtol=0, atol=1e-5)
        torch.testing.assert_close(found.world_from_cam[:3, 3] / scale, world_from_cam[:3, 3], rtol=0, atol=1e-5)


def test_points_in_a_plane_give_back_a_camera_of_known_focal_length():
    _, _, world_from_cam = seen_points()
    points_cam = torch.rand(100, 3, dtype=torch.float64) * 2 - 1
    points_cam[:, 2] = 3 + 0.8 * points_cam[:, 0]
    points_world = transform_points(world_from_cam, points_cam)

    found = estimate_pose(points_world, project_points(points_cam, INTRINSICS), INTRINSICS)

    torch.testing.assert_close(found.world_from_cam, world_from_cam, rtol=0, atol=1e-5)


@pytest.mark.parametrize("count", [0, 1, 3, 5])
def test_too_few_points_give_no_camera(count: int):
    points_world, pixels, _ = seen_points(count)

    assert estimate_pose(points_world, pixels, INTRINSICS) is None
    assert estimate_pose_and_focal(points_world, pixels, IMAGE_SIZE) is None


@pytest.mark.parametrize("spread_px", [80, 0])
@pytest.mark.parametrize(
    "points",
    [
        torch.zeros(50, 3),
        torch.ones(50, 3),
        torch.arange(50.0)[:, None] * torch.ones(3),
        torch.full((50, 3), torch.nan),
        torch.eye(50, 3),  # all but three in one place
    ],
)
def test_points_or_pixels_in_one_place_on_a_line_or_nowhere_end_without_an_exception(points: Tensor, spread_px: float):
    pixels = 40 + torch.rand(50, 2) * spread_px

    for found in (
        estimate_pose(points, pixels, INTRINSICS.float()),
        estimate_pose_and_focal(points, pixels, IMAGE_SIZE),
    ):
        assert found is None or found.world_from_cam.isfinite().all()


def test_random_pixels_give_no_camera_that_many_points_support():
    points_world, _, _ = seen_points()

    found = estimate_pose(points_world, 90 * torch.rand(200, 2, dtype=torch.float64), INTRINSICS)

    assert found is None or found.inliers.sum() < 40


def reference_case(golden_dir: Path, case: int) -> tuple[dict[str, Tensor], Tensor, Tensor, tuple[int, int]]:
    golden = {
        name.removeprefix(f"{case}."): tensor
        for name, tensor in load_file(golden_dir / "post" / "pnp.safetensors").items()
        if name.startswith(f"{case}.")
    }
    height, width = golden["mask"].shape
    points, pixels = golden["pts3d"][golden["mask"]], pixel_grid(height, width)[golden["mask"]]
    return golden, points, pixels, (width, height)


def assert_not_worse(found: PoseEstimate, reference: Tensor, truth: Tensor) -> None:
    for error, reference_error in zip(
        pose_errors(found.world_from_cam, truth), pose_errors(reference, truth), strict=True
    ):
        assert error <= 1.2 * reference_error


@pytest.mark.parametrize("case", [0, 1])
def test_the_pose_for_a_known_focal_length_is_not_worse_than_the_references(golden_dir: Path, case: int):
    golden, points, pixels, (width, height) = reference_case(golden_dir, case)
    focal = float(golden["focal_true"])
    intrinsics = torch.tensor([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])

    assert_not_worse(estimate_pose(points, pixels, intrinsics), golden["known.cam2world"], golden["true_cam2world"])


@pytest.mark.parametrize("case", [0, 1])
def test_the_pose_for_an_unknown_focal_length_is_not_worse_than_the_references(golden_dir: Path, case: int):
    golden, points, pixels, (width, height) = reference_case(golden_dir, case)

    found = estimate_pose_and_focal(points, pixels, (width, height), centre=torch.tensor([width / 2, height / 2]))

    assert_not_worse(found, golden["unknown.cam2world"], golden["true_cam2world"])
    reference_error = abs(float(golden["unknown.focal"] - golden["focal_true"]))
    assert abs(float(found.intrinsics[0, 0]) - float(golden["focal_true"])) <= 1.2 * reference_error
