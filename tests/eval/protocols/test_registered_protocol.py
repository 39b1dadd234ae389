"""The share of queries with a pose."""

import numpy as np
import pytest
from miniature_tasks import room_task
from miniature_world import photograph

from pointmap.eval.estimate import Estimate
from pointmap.eval.protocols.registered import Registered


@pytest.fixture
def task(tmp_path):
    return room_task(photograph(5), tmp_path, queries=(1, 3, 4))


def test_it_counts_queries_alone_and_says_nothing_of_how_right_they_are(task):
    poses = np.tile(np.eye(4), (5, 1, 1))
    poses[3, 0, 3] = np.nan
    poses[0] = np.nan

    assert Registered().score(task, Estimate(poses)).values["registered"] == pytest.approx(2 / 3)


def test_a_pose_in_part_is_none(task):
    poses = np.full((5, 4, 4), np.nan)
    poses[:, :3, :3] = np.eye(3)

    assert Registered().score(task, Estimate(poses)).values["registered"] == 0


def test_without_queries_there_is_no_share(tmp_path):
    task = room_task(photograph(2), tmp_path)

    assert np.isnan(Registered().score(task, Estimate(task.truth.world_from_cam)).values["registered"])
