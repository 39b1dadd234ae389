"""A finished scene, brought to the world that is known."""

import numpy as np
import pytest
from alignment_scenes import MIXED, complete, make_groups, make_truth, place_in

from pointmap import KnownDistance, Soft
from pointmap.alignment import align
from pointmap.alignment.known_world import to_known_world


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
    assert any(f"Views 0, 1: distances[0] is {apart:.6g}, not {2 * apart:.6g}" in line for line in placed.dropped)
    assert any(line.startswith("View 1: gravity as given is 5.7") for line in placed.dropped)
