"""Points of a small room, moved by known amounts."""

from dataclasses import replace

import numpy as np
import pytest
from miniature_tasks import room_task
from miniature_world import photograph
from scipy.spatial.transform import Rotation

from pointmap.eval.estimate import Estimate
from pointmap.eval.protocols.points import PointMaps


@pytest.fixture
def task(tmp_path):
    return room_task(photograph(3, (36, 48), square=False), tmp_path)


def in_another_frame(estimate: Estimate, scale: float) -> Estimate:
    """The same after a change of frame and unit."""
    move = np.eye(4)
    move[:3, :3] = Rotation.from_euler("xyz", [20, -70, 10], degrees=True).as_matrix()
    move[:3, 3] = [3, -2, 1]
    poses = move @ estimate.world_from_cam
    poses[:, :3, 3] *= scale
    return replace(estimate, world_from_cam=poses, depths=tuple(depth * scale for depth in estimate.depths))


FLAVOURS = [
    PointMaps(first="umeyama"),
    PointMaps(first="umeyama", size=(40, 30)),
    PointMaps(first="normalised", size=(24, 24)),
    PointMaps(first="normalised", size=(40, 30), crop=16),
    PointMaps(first="median", icp=None, normals=False),
]


@pytest.mark.parametrize("protocol", FLAVOURS)
def test_the_truth_is_perfect_in_any_frame_and_unit(protocol, task):
    scores = protocol.score(task, in_another_frame(Estimate.of_truth(task), 0.25))

    for metric in protocol.metrics:
        assert scores.values[metric.name] == pytest.approx(metric.perfect, abs=1e-6), metric.name


def test_without_any_alignment_the_frame_counts(task):
    protocol = PointMaps(first="none", icp=None)
    truth = Estimate.of_truth(task)

    assert protocol.score(task, truth).values["accuracy"] == pytest.approx(0, abs=1e-12)
    assert protocol.score(task, in_another_frame(truth, 1.0)).values["accuracy"] > 0.5


def test_cameras_pushed_apart_show_as_points_off_by_no_more(task):
    truth = Estimate.of_truth(task)
    poses = truth.world_from_cam.copy()
    poses[:, :3, 3] += [0, 0.001, 0]

    values = PointMaps(first="none", icp=None).score(task, replace(truth, world_from_cam=poses)).values

    assert values["accuracy"] == pytest.approx(0.001, rel=0.2)
    assert values["completion"] == pytest.approx(0.001, rel=0.2)


def test_icp_takes_away_a_small_shift(task):
    truth = Estimate.of_truth(task)
    poses = truth.world_from_cam.copy()
    poses[:, :3, 3] += [0.004, 0.003, -0.002]

    values = PointMaps(first="none", icp=0.1).score(task, replace(truth, world_from_cam=poses)).values

    assert values["accuracy"] < 2e-4


def test_a_lost_photo_costs_completeness_and_not_accuracy(task):
    truth = Estimate.of_truth(task)
    poses = truth.world_from_cam.copy()
    poses[1] = np.nan

    values = PointMaps().score(task, replace(truth, world_from_cam=poses)).values

    assert values["accuracy"] == pytest.approx(0, abs=1e-6)
    assert values["completion"] > 1e-3


def test_the_first_photo_may_be_the_lost_one(task):
    truth = in_another_frame(Estimate.of_truth(task), 2.0)
    truth.world_from_cam[0] = np.nan

    for first in ("normalised", "median"):
        # The medians are over the pixels that both have, and so the truth stays perfect.
        assert PointMaps(first=first).score(task, truth).values["accuracy"] == pytest.approx(0, abs=1e-6)


def test_a_reconstruction_without_photos_gets_the_worst_figures(task):
    nothing = Estimate(np.full((3, 4, 4), np.nan))

    for protocol in FLAVOURS:
        values = protocol.score(task, nothing).values
        assert set(values) == {metric.name for metric in protocol.metrics}
        assert np.isnan(values["accuracy"])


def test_holes_and_infinite_depths_are_missing(task):
    truth = Estimate.of_truth(task)
    depths = [depth.copy() for depth in truth.depths]
    depths[0][:10] = 0
    depths[1][:, :10] = np.nan
    depths[2][5, 5] = np.inf

    values = PointMaps().score(task, replace(truth, depths=tuple(depths))).values

    assert values["accuracy"] == pytest.approx(0, abs=1e-6)
    assert 0 < values["completion"] < 0.2


def test_true_depths_beyond_the_farthest_take_no_part(task):
    truth = Estimate.of_truth(task)
    depths = tuple(np.where(depth > 2.5, 2 * depth, depth) for depth in truth.depths)

    values = PointMaps(farthest=2.5).score(task, replace(truth, depths=depths)).values

    assert values["accuracy"] == pytest.approx(0, abs=1e-6)
    assert PointMaps().score(task, replace(truth, depths=depths)).values["accuracy"] > 0.05


def test_drawn_points_give_nearly_the_same_figures(task):
    truth = Estimate.of_truth(task)
    noise = np.random.default_rng(0)
    depths = tuple((depth * noise.normal(1, 0.05, depth.shape)).astype(np.float32) for depth in truth.depths)
    noisy = replace(truth, depths=depths)

    all_of_them = PointMaps(icp=None).score(task, noisy).values
    some = PointMaps(icp=None, limit=1500).score(task, noisy).values

    for name, value in all_of_them.items():
        assert some[name] == pytest.approx(value, rel=0.1)


def test_maps_of_a_part_of_the_photo_are_compared_where_they_are(task):
    truth = Estimate.of_truth(task)
    regions = np.tile([8.0, 6.0, 40.0, 30.0], (3, 1))
    cut = replace(truth, depths=tuple(depth[6:30, 8:40] for depth in truth.depths), regions=regions)

    values = PointMaps().score(task, cut).values

    assert values["accuracy"] == pytest.approx(0, abs=1e-6)
    assert values["completion"] > 0.01


def test_a_crop_looks_at_the_centre_alone(task):
    truth = Estimate.of_truth(task)
    depths = [depth.copy() for depth in truth.depths]
    for depth in depths:
        depth[:10] *= 1.5
        depth[-10:] *= 1.5
    spoiled = replace(truth, depths=tuple(depths))

    assert PointMaps(first="none", icp=None, crop=16).score(task, spoiled).values["accuracy"] < 1e-12
    assert PointMaps(first="none", icp=None).score(task, spoiled).values["accuracy"] > 0.01


def test_relative_errors_are_of_the_distance_from_the_first_camera(tmp_path):
    task = room_task(photograph(1, (36, 48)), tmp_path)
    truth = Estimate.of_truth(task)
    depth = truth.depths[0].copy()
    depth[:9] *= 1.2  # a quarter, and the factor of medians stays nearly 1

    values = PointMaps(first="median", icp=None, normals=False).score(task, replace(truth, depths=(depth,))).values

    assert values["relative"] == pytest.approx(0.25 * 0.2, abs=0.02)
