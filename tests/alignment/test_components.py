"""Photos that fall apart: one scene per part, and a word on every photo that is in none."""

import numpy as np
import pytest
from alignment_scenes import complete, make_group, make_groups, make_truth, pose_errors
from golden_inputs import pose_errors as errors_of_poses

from pointmap.alignment import align, align_all
from pointmap.errors import InputError
from pointmap.scene import Group, LazyGroup

SHAPES = [(30, 44), (44, 30), (26, 44), (30, 44), (44, 30), (30, 44), (20, 30)]
PAIRS = [(1, 4), (4, 1), *((i, j) for i in (0, 2, 3) for j in (0, 2, 3) if i != j)]
"""Views 0, 2, 3 and views 1, 4; nothing of 6, and of 5 only what is said beside 6 in `scene`."""


def blank(group: Group, view: int) -> Group:
    """The group without a finite point of one view."""
    points = [np.full_like(p, np.nan) if v == view else p for v, p in zip(group.views, group.points, strict=True)]
    return Group(group.views, points, group.confidences)


@pytest.fixture(scope="module")
def truth():
    return make_truth(SHAPES)


@pytest.fixture(scope="module")
def groups(truth) -> list[Group]:
    pairs = make_groups(truth, PAIRS, noise=0.002)
    # Of view 5 there are predictions, but they say nothing; view 0 has one that says nothing, among others.
    return [*pairs, blank(make_group(truth, (5, 2)), 5), blank(make_group(truth, (0, 2)), 0)]


def test_every_part_is_a_scene_of_its_own_the_largest_first(truth, groups):
    scenes = align_all(groups, num_views=7)

    assert [np.flatnonzero(scene.registered).tolist() for scene in scenes] == [[0, 2, 3], [1, 4]]
    for scene, views in zip(scenes, ([0, 2, 3], [1, 4]), strict=True):
        np.testing.assert_allclose(scene.world_from_cam[views[0]], np.eye(4), atol=1e-12)
        relative = np.linalg.inv(truth.world_from_cam[views[0]]) @ truth.world_from_cam[views[1]]
        found = scene.world_from_cam[views[1]]
        np.testing.assert_allclose(found[:3, :3], relative[:3, :3], atol=0.01)
        np.testing.assert_allclose(
            found[:3, 3] / np.linalg.norm(found[:3, 3]), relative[:3, 3] / np.linalg.norm(relative[:3, 3]), atol=0.02
        )
        # The groups of a part are those that have a place in its world.
        placed = np.isfinite(scene.world_from_group[:, 0, 0]).tolist()
        assert placed[:8] == [all(view in views for view in pair) for pair in PAIRS]


def test_the_largest_scene_is_that_of_align(groups):
    largest, alone = align_all(groups, num_views=7)[0], align(groups, num_views=7)

    np.testing.assert_array_equal(largest.world_from_cam, alone.world_from_cam)
    assert largest.dropped == alone.dropped
    assert largest.reasons == alone.reasons


def test_every_view_that_is_not_registered_is_named_once_with_its_reason(groups):
    for scene in align_all(groups, num_views=7):
        missing = np.flatnonzero(~scene.registered).tolist()
        assert sorted(scene.reasons) == missing
        for view in missing:
            lines = [line for line in scene.dropped if str(view) in line.split(":")[0].replace(",", "").split()]
            assert len(lines) == 1
            assert scene.reasons[view] in lines[0]

    largest, other = align_all(groups, num_views=7)
    assert "not tied to the other 3 views" in largest.reasons[1]
    assert "not tied to the other 2 views" in other.reasons[0]
    assert largest.reasons[5] == "1 of 1 predictions have no finite point with a confidence above 1"
    assert largest.reasons[6] == "no prediction shows it"


def test_a_registered_view_is_named_where_some_of_its_predictions_say_nothing(groups):
    result = align(groups, num_views=7)

    assert result.dropped[-1] == "View 0: 1 of 5 predictions have no finite point with a confidence above 1."


def test_known_cameras_and_lazy_groups_serve_every_part(truth, groups):
    lazy = [LazyGroup(group.views, lambda group=group: group) for group in groups]

    scenes = align_all(lazy, num_views=7, world_from_cam=truth.world_from_cam)

    for scene in scenes:
        views = np.flatnonzero(scene.registered)
        np.testing.assert_allclose(scene.world_from_cam[views], truth.world_from_cam[views], atol=1e-9)


def test_connected_photos_are_one_scene():
    truth = make_truth(SHAPES[:4])

    (scene,) = align_all(make_groups(truth, complete(4)))

    assert pose_errors(scene.world_from_cam, truth)[0] < 0.01
    assert scene.reasons == {}


def test_progress_goes_through_all_parts(groups):
    calls: list[tuple[int, int]] = []

    align_all(groups, num_views=7, progress=lambda _, done, total: calls.append((done, total)))

    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    assert {total for _, total in calls} == {calls[-1][0]}


def test_nothing_usable_is_an_error_that_says_so(groups):
    with pytest.raises(InputError, match="None of the 1 predictions is usable"):
        align_all([blank(blank(groups[0], 1), 4)])


def test_chunks_of_many_views_that_share_none_are_scenes():
    truth = make_truth([(30, 44)] * 7)

    scenes = align_all([make_group(truth, (4, 5, 6), noise=0.002), make_group(truth, (2, 0, 1, 3), noise=0.002)])

    assert [np.flatnonzero(scene.registered).tolist() for scene in scenes] == [[0, 1, 2, 3], [4, 5, 6]]
    for scene in scenes:
        views = np.flatnonzero(scene.registered)
        assert errors_of_poses(scene.world_from_cam[views], truth.world_from_cam[views])["rel_rot_deg_max"] < 1.0
