"""Clouds in millimetres against a scan with a mask and a table."""

from dataclasses import replace

import numpy as np
import pytest
from miniature_tasks import room_task
from miniature_world import World, photograph

from pointmap.eval.estimate import Estimate
from pointmap.eval.protocols.dtu_official import DtuOfficial
from pointmap.eval.task import Truth


def in_millimetres() -> World:
    world = photograph(5, (36, 48), step_deg=4)
    poses = world.world_from_cam.copy()
    poses[:, :3, 3] *= 1000
    return World(world.images, world.depths * 1000, world.intrinsics, poses)


@pytest.fixture
def task(tmp_path):
    return room_task(in_millimetres(), tmp_path, unit="mm")


def grid(side: int = 50, pitch: float = 1.0) -> np.ndarray:
    """A square in the plane z = 0 with its corner in the origin."""
    x, y = np.meshgrid(np.arange(side) * pitch, np.arange(side) * pitch)
    return np.stack([x.ravel(), y.ravel(), np.zeros(side * side)], axis=-1)


def scan(points: np.ndarray, **extra) -> Truth:
    return Truth(np.zeros((0, 3, 3)), np.zeros((0, 4, 4)), unit="mm", cloud=lambda: points, extra=extra)


def test_the_truth_is_perfect(task):
    values = DtuOfficial().score(task, Estimate.of_truth(task)).values

    assert values["accuracy"] == pytest.approx(0, abs=1e-6)
    # Points nearer than 0.2 mm to another are thinned out, and the scan is not.
    assert values["completion"] == pytest.approx(0, abs=0.2)


def test_with_given_poses_only_points_that_photos_agree_on_are_fused(task):
    given = DtuOfficial(poses="true", consistency=5.0)
    truth = Estimate.of_truth(task)
    # A depth of its own for each photo.
    alone = replace(truth, depths=tuple(depth * (1 + 0.05 * i) for i, depth in enumerate(truth.depths)))

    assert given.score(task, truth).values["accuracy"] < 1
    assert np.isnan(given.score(task, alone).values["overall"])


def test_a_shifted_plane_is_off_by_its_shift():
    accuracy, completion = DtuOfficial().compare(grid() + np.array([0, 0, 0.5]), scan(grid()))

    assert accuracy == pytest.approx(0.5)
    assert completion == pytest.approx(0.5)


def test_points_of_twenty_millimetres_and_more_are_left_out():
    far = np.concatenate([grid(), grid() + np.array([0, 0, 25.0])])

    assert DtuOfficial().compare(far, scan(grid())) == pytest.approx((0, 0))
    assert DtuOfficial().compare(grid(), scan(far)) == pytest.approx((0, 0))
    assert DtuOfficial(farthest=30).compare(far, scan(grid()))[0] == pytest.approx(12.5)


def test_only_observed_points_are_asked_for_accuracy():
    mask = np.ones((51, 51, 3), bool)
    mask[:, 25:] = False
    observed = lambda: (mask, np.array([[0.0, 0, -1], [50, 50, 1]]), 1.0)  # noqa: E731
    points = grid()
    points[points[:, 1] >= 25, 2] = 10

    accuracy, completion = DtuOfficial().compare(points, scan(grid(), observation_mask=observed))

    assert accuracy == 0
    assert completion > 1  # of which the half that was not observed takes part


def test_points_far_outside_of_the_box_complete_nothing():
    mask = np.ones((11, 11, 3), bool)
    small = lambda: (mask, np.array([[0.0, 0, -1], [10, 10, 1]]), 1.0)  # noqa: E731
    # Up to 60 mm below the box and 120 mm above.
    truth = scan(np.array([[-59.0, 0, 0], [129, 0, 0]]), observation_mask=small)

    assert DtuOfficial().compare(np.array([[0.0, 0, 0], [-59, 0, 0], [129, 0, 0]]), truth)[1] == 0
    assert DtuOfficial(farthest=500).compare(np.array([[0.0, 0, 0], [-61, 0, 0], [131, 0, 0]]), truth)[1] == 94


def test_the_table_need_not_be_complete():
    with_table = np.concatenate([grid(), grid() + np.array([0, 0, -8.0])])

    assert DtuOfficial().compare(grid(), scan(with_table))[1] == pytest.approx(4)
    for plane in (np.array([0.0, 0, 1, 4]), lambda: np.array([[0.0, 0, 1, 4]])):
        assert DtuOfficial().compare(grid(), scan(with_table, plane=plane))[1] == 0


def test_masks_say_which_pixels_are_fused(task):
    truth = Estimate.of_truth(task)
    wrong = [depth.copy() for depth in truth.depths]
    mask = np.ones((72, 96), bool)  # twice as large as the maps
    for depth in wrong:
        depth[:18] *= 1.004
    mask[:36] = False
    masked = replace(task, truth=replace(task.truth, extra={"masks": [lambda: mask] * 4 + [None]}))
    wrong[4] = truth.depths[4]

    estimate = replace(truth, depths=tuple(wrong))

    assert DtuOfficial().score(masked, estimate).values["accuracy"] < 1e-3
    assert DtuOfficial().score(task, estimate).values["accuracy"] > 1


def test_a_reconstruction_without_photos_has_no_figures(task):
    values = DtuOfficial().score(task, Estimate(np.full((5, 4, 4), np.nan))).values

    assert all(np.isnan(value) for value in values.values())
