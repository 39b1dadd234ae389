"""Cameras and depths from predictions whose poses are wrong and matches that are right."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from alignment.alignment_scenes import complete, make_groups, make_truth, pose_errors
from match.match_scenes import turn

from pointmap import posing
from pointmap.alignment import align
from pointmap.alignment.bundle import adjust
from pointmap.alignment.known_world import to_known_world
from pointmap.geometry.matching import PairMatches
from pointmap.match import correct_groups, verify
from pointmap.posing import Beside, Priors, pose_views
from pointmap.priors import Soft

SHAPES = [(64, 96), (96, 64), (80, 80)]


def matches_of(truth, i, j, step=4):
    """Exact matches of a grid of pixels of i."""
    height, width = truth.shapes[i]
    x, y = (part.ravel() for part in np.meshgrid(np.arange(0, width, step), np.arange(0, height, step)))
    seen = truth.points(i, j)[y, x] @ truth.intrinsics[j].T
    pixels = seen[:, :2] / seen[:, 2:]
    inside = ((pixels >= 0) & (pixels <= np.array(truth.shapes[j])[::-1] - 1)).all(1)
    pixels_i = torch.tensor(np.stack([x, y], 1)[inside]).float()
    return PairMatches(i, j, pixels_i, torch.tensor(pixels[inside]).float(), torch.ones(int(inside.sum())))


def all_matches(truth):
    count = len(truth.shapes)
    return [matches_of(truth, i, j) for i in range(count) for j in range(i + 1, count)]


def misled(groups, degrees=20):
    """The second view's points turned about their middle."""
    rotation = torch.tensor(turn((1, 2, 0.5), degrees)).float()
    found = []
    for group in groups:
        points = torch.as_tensor(group.points[1])
        middle = points.mean(dim=(0, 1))
        found.append(replace(group, points=[group.points[0], (points - middle) @ rotation.mT + middle]))
    return found


def corrected(truth, groups, matches):
    poses = [verify(m, truth.intrinsics[m.view_i], truth.intrinsics[m.view_j], max_error_px=0.5) for m in matches]
    return correct_groups(groups, matches, poses, truth.intrinsics)


def test_groups_get_the_true_relative_pose_each_in_its_own_scale():
    truth = make_truth(SHAPES, offset=(4, -3))
    groups = misled(make_groups(truth, complete(3)))

    for number, group in enumerate(corrected(truth, groups, all_matches(truth))):
        scale = 0.5 + 0.3 * number
        for view, points in zip(group.views, group.points, strict=True):
            exact = scale * truth.points(view, group.views[0])
            assert np.abs(points.numpy() - exact).max() < 0.05 * scale


def test_pairs_that_could_not_be_verified_hardly_count_and_others_stay_as_they_are():
    truth = make_truth(SHAPES)
    groups = make_groups(truth, [(0, 1), (1, 0), (0, 2)])
    three = replace(
        groups[0],
        views=(0, 1, 2),
        points=[truth.points(v, 0).astype(np.float32) for v in range(3)],
        confidences=[np.full(shape, 5.0, np.float32) for shape in SHAPES],
    )

    match = matches_of(truth, 1, 0)
    found = correct_groups([*groups, three], [match], [None], truth.intrinsics)

    for group in found[:2]:
        assert all(1 < float(c.max()) < 1.2 for c in group.confidences)
    assert found[2] is groups[2]
    assert found[3] is three


def test_a_view_that_is_never_first_keeps_its_points():
    truth = make_truth(SHAPES)
    groups = make_groups(truth, [(0, 1)])

    (found,) = corrected(truth, groups, [matches_of(truth, 0, 1)])

    np.testing.assert_array_equal(found.points[1], groups[0].points[1])


def test_cameras_that_only_turn_keep_the_translation_that_the_network_says():
    truth = make_truth(SHAPES, same_place=True)
    groups = make_groups(truth, complete(3))

    for number, group in enumerate(corrected(truth, groups, all_matches(truth))):
        scale = 0.5 + 0.3 * number
        exact = scale * truth.points(group.views[1], group.views[0])
        assert np.abs(group.points[1].numpy() - exact).max() < 0.1 * scale


def priors(truth, known):
    count = len(truth.shapes)
    return Priors(list(truth.intrinsics) if known else [None] * count, [None] * count, [0] * count)


def test_right_matches_give_right_cameras_where_the_network_is_wrong():
    truth = make_truth(SHAPES, offset=(4, -3))
    groups = misled(make_groups(truth, complete(3)))

    without = pose_views(groups, [], SHAPES, priors(truth, known=True)).alignment
    found = pose_views(groups, all_matches(truth), SHAPES, priors(truth, known=True)).alignment

    assert pose_errors(without.world_from_cam, truth)[0] > 5
    turned, moved = pose_errors(found.world_from_cam, truth)
    assert turned < 1.5
    assert moved < 0.05


def test_what_is_known_of_the_world_outlives_bundle_adjustment():
    truth = make_truth(SHAPES, offset=(4, -3))
    groups = misled(make_groups(truth, complete(3)))
    soft = [Soft(pose, (2.0, 0.05)) for pose in truth.world_from_cam]
    down = np.array([0.0, 0.6, 0.8])
    gravity = [truth.world_from_cam[0, :3, :3].T @ down, None, None]
    depths = [None, 4 * truth.depths[1], None]
    known = priors(truth, known=True)

    by_poses = Beside([None] * 3, soft, [None] * 3, [None] * 3)
    by_sensors = Beside([None] * 3, [None] * 3, depths, gravity)
    posed = pose_views(groups, all_matches(truth), SHAPES, known, beside=by_poses).alignment
    sensed = pose_views(groups, all_matches(truth), SHAPES, known, beside=by_sensors).alignment
    posed = to_known_world(posed, world_from_cam=soft)
    sensed = to_known_world(sensed, depths=depths, gravity=gravity)

    np.testing.assert_allclose(posed.world_from_cam, truth.world_from_cam, atol=0.05)
    np.testing.assert_allclose(sensed.world_from_cam[0, :3, :3] @ gravity[0], [0, 1, 0], atol=1e-9)
    np.testing.assert_array_equal(sensed.depths[1], depths[1].astype(np.float32))
    assert np.median(sensed.depths[0] / truth.depths[0]) == pytest.approx(4, rel=0.02)
    assert pose_errors(sensed.world_from_cam, truth)[0] < 1.5


def test_without_matches_it_is_the_aligner():
    truth = make_truth(SHAPES)
    groups = make_groups(truth, complete(3))

    found = pose_views(groups, [], SHAPES, priors(truth, known=False)).alignment
    plain = align(groups, num_views=3, shapes=SHAPES, shared_focal=[0, 0, 0])

    np.testing.assert_array_equal(found.world_from_cam, plain.world_from_cam)
    np.testing.assert_array_equal(found.depths[1], plain.depths[1])


def test_a_bundle_adjustment_that_runs_away_is_done_again_without_focal_lengths(monkeypatch):
    """What the matches tell of the focal length is too little; the adjustment takes it for another one."""
    truth = make_truth(SHAPES)
    fixed = []

    def run_away(matches, *, intrinsics, fixed_focals, **others):
        fixed.append(bool(fixed_focals.all()))
        adjusted = adjust(matches, intrinsics=intrinsics, fixed_focals=fixed_focals, **others)
        longer = adjusted.intrinsics * torch.tensor([[3.0, 1, 1], [1, 3, 1], [1, 1, 1]])
        return adjusted if fixed[-1] else replace(adjusted, intrinsics=longer)

    monkeypatch.setattr(posing, "adjust", run_away)
    priors = Priors([None] * 3, [None] * 3, [0, 1, 2])

    found = pose_views(make_groups(truth, complete(3)), all_matches(truth), SHAPES, priors).alignment

    assert fixed == [False, True]
    np.testing.assert_allclose(found.intrinsics[:, 0, 0], truth.intrinsics[:, 0, 0], rtol=0.1)
