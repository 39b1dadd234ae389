"""Few photos with little overlap, from cameras that we placed."""

import numpy as np

from pointmap.eval.ground_truth import GroundTruth
from pointmap.eval.subsets import sparse_subsets, view_change


def ring(count: int) -> GroundTruth:
    """Cameras that turn by 360 / count degrees from each to the next, in one place."""
    poses = np.tile(np.eye(4), (count, 1, 1))
    for index, angle in enumerate(2 * np.pi * np.arange(count) / count):
        poses[index, :3, :3] = [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    return GroundTruth(
        "ring", (None,) * count, np.tile(np.eye(3), (count, 1, 1)), poses, (None,) * count, (1.0,) * count
    )


def test_a_change_of_view_is_a_third_of_the_largest_baseline_or_30_degrees():
    turning = view_change(ring(36).world_from_cam)
    moving = np.tile(np.eye(4), (4, 1, 1))
    moving[:, 0, 3] = [0, 1, 2, 3]

    np.testing.assert_allclose(turning[0, [0, 1, 3, 18]], [0, 1 / 3, 1, 6], atol=1e-6)
    np.testing.assert_allclose(view_change(moving)[0], [0, 1, 2, 3], atol=1e-6)


def test_chosen_photos_are_one_step_from_their_nearest():
    truth = ring(36)

    subsets = sparse_subsets(truth, 4, 3)

    assert len({tuple(subset) for subset in subsets}) == 3
    for subset in subsets:
        change = view_change(truth.world_from_cam[subset])
        np.fill_diagonal(change, np.inf)
        np.testing.assert_allclose(change.min(axis=1), 1, atol=1e-6)


def test_the_choice_is_frozen_by_its_seed():
    first, again, other = (sparse_subsets(ring(36), 3, 2, seed) for seed in (5, 5, 6))

    assert [s.tolist() for s in first] == [s.tolist() for s in again] != [s.tolist() for s in other]


def test_photos_without_a_pose_are_never_chosen_and_too_few_give_nothing():
    truth = ring(6)
    truth.world_from_cam[2] = np.nan

    assert all(2 not in subset for subset in sparse_subsets(truth, 4, 9))
    assert sparse_subsets(truth, 6, 1) == []
