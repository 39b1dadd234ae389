"""Clouds of a small room against laser scans."""

from dataclasses import replace

import numpy as np
import pytest
from miniature_tasks import room_task
from miniature_world import photograph

from pointmap.eval.estimate import Estimate
from pointmap.eval.protocols.eth3d_official import Eth3dOfficial, along_beams, voxel_mean


@pytest.fixture
def task(tmp_path):
    return room_task(photograph(4, (36, 48)), tmp_path)


def with_scanners(task):
    """Each camera's depth is what a scanner in its place measured."""
    world = photograph(4, (36, 48))
    scans = list(zip(world.world_from_cam[:, :3, 3], world.points().reshape(4, -1, 3), strict=True))
    return replace(task, truth=replace(task.truth, extra={"scans": lambda: scans}))


def test_the_truth_is_perfect_with_and_without_scanners(task):
    for one in (task, with_scanners(task)):
        values = Eth3dOfficial().score(one, Estimate.of_truth(one)).values

        assert all(value == pytest.approx(1) for value in values.values())
        assert set(values) == {metric.name for metric in Eth3dOfficial().metrics}


def test_points_before_the_walls_are_accurate_at_one_tolerance_and_not_at_the_other(task):
    truth = Estimate.of_truth(task)
    # 3 cm before the surfaces along every line of sight, as the scanners saw it.
    world = photograph(4, (36, 48))
    rays = world.points() - world.world_from_cam[:, None, None, :3, 3]
    shares = 1 - 0.03 / np.linalg.norm(rays, axis=-1)
    estimate = replace(truth, depths=tuple(world.depths * shares))

    values = Eth3dOfficial().score(with_scanners(task), estimate).values

    assert values["accuracy_2cm"] < 0.02  # but for points that are on another wall by chance
    assert values["accuracy_5cm"] == pytest.approx(1)
    assert values["f1_5cm"] > 0.99


def test_a_point_in_a_beam_is_wrong_before_its_end_and_unknown_behind():
    scanner, wall = np.array([1.0, 2.0, 3.0]), np.array([[0.0, 0.0, 2.0]])
    points = scanner + np.array([[0, 0, 1.0], [0, 0, 1.98], [0, 0, 2.01], [0, 0, 4], [0.5, 0, 2], [0, 0, -1]])

    distance, passed = along_beams(points, [(scanner, scanner + wall)])

    np.testing.assert_allclose(distance, [1, 0.02, 0.01, 2, np.inf, np.inf])
    np.testing.assert_array_equal(passed, [True, True, False, False, False, False])


def test_a_beam_is_a_millimetre_wide_and_widens():
    scanner, measured = np.zeros(3), np.array([[0.0, 0, 20.0]])
    # 1.125 mm at the scanner, 0.192 mm more per metre.
    points = np.array([[0.0011, 0, 0.1], [0.0013, 0, 0.1], [0.0030, 0, 10.0], [0.0031, 0, 10.0]])

    _, passed = along_beams(points, [(scanner, measured)])

    np.testing.assert_array_equal(passed, [True, False, True, False])


def test_unknown_points_take_no_part_in_accuracy(task):
    world = photograph(4, (36, 48))
    hidden = world.points().reshape(-1, 3) * 3  # behind all walls
    estimate = replace(
        Estimate.of_truth(task), pointmaps=tuple(np.concatenate([world.points(), hidden.reshape(4, 36, 48, 3)], 1))
    )

    assert Eth3dOfficial().score(with_scanners(task), estimate).values["accuracy_5cm"] > 0.98
    assert Eth3dOfficial().score(task, estimate).values["accuracy_5cm"] < 0.6


def test_voxels_count_alike_however_many_points_they_hold():
    points = np.array([[0.25, 0.25, 0.25]] * 9 + [[5.25, 0.25, 0.25]])

    assert voxel_mean(points, np.array([1.0] * 9 + [0]), 1.0) == 0.5
    assert voxel_mean(points[:0], np.zeros(0), 1.0) == 0


def test_the_second_grid_is_shifted_by_half_a_voxel():
    points = np.array([[0.1, 0.1, 0.1], [0.9, 0.1, 0.1]])

    # One voxel of the first grid, two of the second: means 0.5, 1 and 0.
    assert voxel_mean(points, np.array([1.0, 0.0]), 1.0) == pytest.approx(0.5)
    assert voxel_mean(np.concatenate([points, points[:1]]), np.array([1.0, 0, 1]), 1.0) == pytest.approx(
        (2 / 3 + 1) / 3
    )


def test_half_a_room_is_accurate_and_half_complete(task):
    truth = Estimate.of_truth(task)
    poses = truth.world_from_cam.copy()
    poses[2:] = np.nan

    values = Eth3dOfficial(align="none").score(task, replace(truth, world_from_cam=poses)).values

    assert values["accuracy_2cm"] == 1
    assert 0.4 < values["completeness_2cm"] < 0.9


def test_nothing_is_the_worst(task):
    values = Eth3dOfficial().score(task, Estimate(np.full((4, 4, 4), np.nan))).values

    assert set(values.values()) == {0.0}
