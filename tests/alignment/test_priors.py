"""What the caller knows before: how it is read, what it costs to disagree with it, and what it does to a scene."""

import math

import numpy as np
import pytest
import torch
from alignment_scenes import complete, make_groups, make_truth

from pointmap import KnownDistance, Soft
from pointmap.alignment import align
from pointmap.alignment.given import read_known
from pointmap.alignment.known_world import to_known_world
from pointmap.alignment.per_view import read_masks
from pointmap.alignment.prior_terms import (
    Seen,
    depth_rows,
    depth_terms,
    distance_terms,
    gravity_terms,
    pose_terms,
    world_directions,
)
from pointmap.errors import InputError
from pointmap.geometry.rotations import rotation_from_vector
from pointmap.geometry.transforms import rigid

MIXED = [(30, 44), (44, 30), (26, 44), (30, 44)]


# Slopes of the terms, against differences


def random_poses(count: int) -> torch.Tensor:
    return rigid(rotation_from_vector(torch.randn(count, 3).double()), torch.randn(count, 3).double())


def stepped(poses, tangents):
    """The same motion as in the solver: in the camera frame, to first order in the tangents."""
    return poses @ rigid(rotation_from_vector(tangents[..., :3]), tangents[..., 3:6])


def check_slopes(value_at, slopes):
    """`value_at` takes a change of the unknowns, of the shape of the slopes."""
    numeric = torch.zeros_like(slopes)
    for place in np.ndindex(*slopes.shape):
        step = torch.zeros_like(slopes)
        step[place] = 1e-5
        numeric[place] = (value_at(step) - value_at(-step)) / 2e-5
    torch.testing.assert_close(slopes, numeric, rtol=1e-5, atol=1e-5 * float(numeric.abs().max()))


def test_slope_of_the_pose_term_is_that_of_its_value():
    poses, known = random_poses(3), random_poses(3)
    sigmas = torch.tensor([[0.1, 2.0], [math.inf, 0.5], [0.3, math.inf]]).double()

    _, slopes, _ = pose_terms(poses, known, sigmas)

    check_slopes(lambda xi: pose_terms(stepped(poses, xi), known, sigmas)[0].sum(), slopes)
    assert (slopes[1, :3] == 0).all()


def test_slope_of_the_gravity_term_is_that_of_its_value():
    poses, gravity = random_poses(3), torch.nn.functional.normalize(torch.randn(3, 3).double(), dim=-1)
    sigmas = torch.tensor([0.1, math.inf, 0.3]).double()

    _, slopes, _ = gravity_terms(poses, gravity, sigmas)

    check_slopes(lambda xi: gravity_terms(stepped(poses, xi), gravity, sigmas)[0].sum(), slopes)
    assert (slopes[1] == 0).all()


def test_slope_of_the_depth_term_is_that_of_its_value():
    ratios, sigmas = torch.randn(2, 60).double(), torch.tensor([0.1, 0.5]).double()
    ratios[0, 3] = math.nan

    _, slopes, curvatures = depth_terms(ratios, sigmas)

    check_slopes(lambda change: depth_terms(ratios + change, sigmas)[0].sum(), slopes)
    assert slopes[0, 3] == curvatures[0, 3] == 0


def random_views(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Poses, and one point per view in its camera frame."""
    points = torch.randn(count, 3).double()
    points[:, 2] = points[:, 2].abs() + 1
    return random_poses(count), points


def moved_points(poses, points, step):
    """Cameras after a step of (pose, motion along the ray as a . (n, |p|), log focal length), and the points, in the
    new camera frames, that are where the step takes them: on the rays of their pixels."""
    moved = stepped(poses, step)
    narrow = torch.stack([points[:, 0], points[:, 1], points[:, 2] * step[:, 10].exp()], -1)
    ray = torch.nn.functional.normalize(narrow, dim=-1)
    distance = points.norm(dim=-1, keepdim=True)
    normal = points / distance
    # Seen from where the camera was, all points of the new ray; the one that went along the old ray as far as told.
    along = (step[:, 6:9] * normal).sum(-1, keepdim=True) + step[:, 9:10] * distance
    motion = rigid(rotation_from_vector(step[:, :3]), step[:, 3:6])
    ray_before = (motion[:, :3, :3] @ ray[..., None])[..., 0]
    length = (distance + along - (normal * step[:, 3:6]).sum(-1, keepdim=True)) / (normal * ray_before).sum(
        -1, keepdim=True
    )
    return moved, length * ray


def test_depths_follow_a_step_as_stated():
    poses, points = random_views(4)

    rows = depth_rows(points[..., None])[..., 0]

    check_slopes(lambda step: moved_points(poses, points, step)[1][:, 2].log().sum(), rows)


def test_slope_of_the_distance_term_is_that_of_its_value():
    poses, points = random_views(4)
    points[1] = 0  # a camera
    lengths, sigmas = torch.tensor([0.7, 2.0]).double(), torch.tensor([0.1, 0.3]).double()

    errors, jacobians = distance_terms(poses.view(2, 2, 4, 4), points.view(2, 2, 3), lengths, sigmas)

    def value_at(step):
        moved, ends = moved_points(poses, points, step)
        ends = ends.where(points.norm(dim=-1, keepdim=True) > 0, 0)
        return 0.5 * distance_terms(moved.view(2, 2, 4, 4), ends.view(2, 2, 3), lengths, sigmas)[0].square().sum()

    check_slopes(value_at, (errors[:, None, None] * jacobians).view(4, 11))


def test_the_world_moves_along_the_stated_directions():
    poses, points = random_views(3)
    seen = Seen(poses, torch.ones(3).double(), points[:2, None].expand(2, 2, 3), torch.randn(3, 5).double())
    centre, motion = torch.randn(3).double(), 1e-6 * torch.randn(7).double()
    linear = motion[6].exp() * rotation_from_vector(motion[:3])
    whole = rigid(linear, centre + motion[3:6] - linear @ centre)

    tangents = (world_directions(poses, centre) @ motion[:, None])[..., 0]

    moved = seen.moved(whole)
    torch.testing.assert_close(stepped(poses, tangents), moved.world_from_cam, rtol=0, atol=1e-10)
    torch.testing.assert_close(moved.log_ratios, seen.log_ratios + motion[6], rtol=0, atol=1e-10)
    torch.testing.assert_close(moved.ends, seen.ends * motion[6].exp(), rtol=0, atol=1e-10)


# A finished scene, brought to the world that is known


@pytest.fixture(scope="module")
def solved():
    truth = make_truth(MIXED, offset=(3.0, -2.0))
    return truth, align(make_groups(truth, complete(4)), intrinsics=list(truth.intrinsics))


def test_soft_poses_move_turn_and_scale_the_world(solved):
    truth, found = solved
    poses = [Soft(pose, (1.0, 0.1)) for pose in truth.world_from_cam]

    placed = to_known_world(found, world_from_cam=[poses[0], None, poses[2], poses[3]])

    np.testing.assert_allclose(placed.world_from_cam, truth.world_from_cam, atol=1e-3)
    np.testing.assert_allclose(placed.depths[1], truth.depths[1], rtol=2e-3)
    assert placed.dropped == []


def test_positions_alone_settle_the_world(solved):
    truth, found = solved
    known = [np.block([[np.eye(3), pose[:3, 3:]], [np.eye(4)[3:]]]) for pose in truth.world_from_cam]

    placed = to_known_world(found, world_from_cam=[Soft(pose, (np.inf, 0.5)) for pose in known])

    np.testing.assert_allclose(placed.world_from_cam, truth.world_from_cam, atol=2e-3)


def test_gravity_turns_the_world_about_the_first_camera(solved):
    truth, found = solved
    gravity = [None, None, truth.world_from_cam[2, :3, :3].T @ [0.3, 2.0, 0.1], None]

    placed = to_known_world(found, gravity=gravity)

    down = placed.world_from_cam[2, :3, :3] @ gravity[2]
    np.testing.assert_allclose(down / np.linalg.norm(down), [0, 1, 0], atol=1e-9)
    np.testing.assert_allclose(placed.world_from_cam[0, :3, 3], 0, atol=1e-9)
    turn = placed.world_from_cam[0, :3, :3]
    assert abs((turn - turn.T)[0, 2]) < 1e-9  # the smallest turn does not turn about the vertical
    np.testing.assert_allclose(placed.depths[1], found.depths[1], rtol=1e-6)


@pytest.mark.parametrize("places", [(0, 3), ((1, 7, 20), (1, 21.25, 30.5)), (2, (0, 40, 3))])
def test_a_distance_scales_the_world(solved, places):
    truth, found = solved

    placed = to_known_world(found, distances=[KnownDistance(*places, length=12.5)])

    a, b = (place_in(placed, place) for place in places)
    assert np.linalg.norm(a - b) == pytest.approx(12.5, rel=1e-6)
    np.testing.assert_allclose(placed.world_from_cam[0], np.eye(4), atol=1e-9)
    true_a, true_b = (place_in(truth, place) for place in places)
    scale = np.median(placed.depths[1] / truth.depths[1])
    assert np.linalg.norm(true_a - true_b) * scale == pytest.approx(12.5, rel=5e-3)


def test_a_known_depth_map_scales_the_world_and_is_kept(solved):
    truth, found = solved
    told = 100 * truth.depths[3]
    told[:, :10] = np.nan

    placed = to_known_world(found, depths=[None, None, None, told])
    softly = to_known_world(found, depths=[None, None, None, Soft(told, 0.1)])

    assert (placed.depths[3][:, 10:] == told[:, 10:].astype(np.float32)).all()
    for scene in (placed, softly):
        assert np.median(scene.depths[0] / truth.depths[0]) == pytest.approx(100, rel=1e-3)
    np.testing.assert_allclose(placed.world_from_cam, softly.world_from_cam, atol=1e-2)


def test_what_contradicts_exact_poses_is_named(solved):
    truth, found = solved
    poses = list(truth.world_from_cam)
    exact = to_known_world(found, world_from_cam=[Soft(pose, (0.1, 0.01)) for pose in poses])
    apart = float(np.linalg.norm(poses[0][:3, 3] - poses[1][:3, 3]))
    gravity = [None, truth.world_from_cam[1, :3, :3].T @ [0.0, 1.0, 0.1], None, None]

    placed = to_known_world(
        exact, world_from_cam=poses, gravity=gravity, distances=[KnownDistance(0, 1, length=2 * apart)]
    )

    np.testing.assert_allclose(placed.world_from_cam, poses, atol=1e-9)
    assert any(f"camera 0 - camera 1 is {apart:.6g}, not {2 * apart:.6g}" in line for line in placed.dropped)
    assert any(line.startswith("View 1: gravity as given is 5.7") for line in placed.dropped)


def place_in(scene, place):
    """The camera, or the point that a pixel shows."""
    if isinstance(place, int):
        return scene.world_from_cam[place, :3, 3]
    view, x, y = place
    ray = np.linalg.inv(scene.intrinsics[view]) @ [x, y, 1]
    point = scene.depths[view][round(y), round(x)] * ray
    return scene.world_from_cam[view, :3, :3] @ point + scene.world_from_cam[view, :3, 3]


# How it is read

ROTATION = np.diag([1.0, -1.0, -1.0, 1.0])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"intrinsics": [None]}, "1 entries for 4 views"),
        ({"intrinsics": Soft(np.eye(3), 0.1)}, "Soft"),
        ({"intrinsics": [np.eye(4), None, None, None]}, r"shape \(4, 4\)"),
        ({"intrinsics": [np.diag([-1.0, 1, 1]), None, None, None]}, "pinhole"),
        ({"intrinsics": [Soft(np.eye(3), -0.1), None, None, None]}, "must be positive"),
        ({"intrinsics": [Soft(np.eye(3), (1, 2)), None, None, None]}, "expected one number"),
        ({"world_from_cam": [2 * np.eye(4), None, None, None]}, r"world_from_cam\[0\] is not rigid"),
        ({"world_from_cam": [None, np.diag([-1.0, 1, 1, 1]), None, None]}, r"world_from_cam\[1\] is not rigid"),
        ({"world_from_cam": [None, np.ones((3, 4)), None, None]}, r"shape \(3, 4\)"),
        ({"world_from_cam": [Soft(ROTATION, 0.1), None, None, None]}, r"\(degrees, world units\)"),
        ({"world_from_cam": [Soft(ROTATION, (0.1, 0)), None, None, None]}, "must be positive"),
        ({"depths": [np.ones((44, 30)), None, None, None]}, r"shape \(44, 30\).*30x44"),
        ({"depths": [np.zeros((30, 44)), None, None, None]}, "no positive value"),
        ({"depths": ["a", None, None, None]}, "array of numbers"),
        ({"masks": [np.zeros((30, 44), bool), None, None, None]}, "keeps no pixel"),
        ({"masks": [np.ones((44, 30), bool), None, None, None]}, r"masks\[0\] has the shape \(44, 30\)"),
        ({"gravity": [(0, 0, 0), None, None, None]}, "in which things fall"),
        ({"gravity": [(0, 1), None, None, None]}, "in which things fall"),
        ({"distances": [(0, 1, 2.0)]}, "KnownDistance"),
        ({"distances": [KnownDistance(0, 4, 1.0)]}, "names view 4"),
        ({"distances": [KnownDistance(0, (1, 30, 2), 1.0)]}, "30x44 pixels"),
        ({"distances": [KnownDistance(1, 1, 1.0)]}, "to itself"),
        ({"distances": [KnownDistance(0, 1, -1.0)]}, "must be positive"),
        ({"distances": [KnownDistance(0, 1, 1.0, sigma=0.0)]}, "must be positive"),
        ({"distances": [KnownDistance(0, 1, 1.0), KnownDistance(1, 0, 1.5)]}, "is given as 1.0 and as 1.5"),
    ],
)
def test_mistakes_are_told(settings, said):
    read = read_masks if "masks" in settings else read_known

    with pytest.raises(InputError, match=said):
        read(shapes=MIXED, **settings)
