"""What the caller knows before: how it is read, and what it does to a scene."""

from dataclasses import replace

import numpy as np
import pytest
from alignment_scenes import (
    MIXED,
    Truth,
    complete,
    make_group,
    make_groups,
    make_truth,
    place_in,
    pose_errors,
    relative_rotation_error,
)

from pointmap import KnownDistance, Soft
from pointmap.alignment import align, align_all
from pointmap.alignment.given import read_known
from pointmap.alignment.known_world import to_known_world
from pointmap.alignment.per_view import read_masks
from pointmap.errors import InputError

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


# What it does to a scene


@pytest.fixture(scope="module")
def truth():
    return make_truth(MIXED, offset=(3.0, -2.0))


@pytest.fixture(scope="module")
def groups(truth):
    """Predictions with errors as a network makes them: smooth ones, too, where more pixels do not help."""
    groups = make_groups(truth, complete(4), noise=0.05)
    random = np.random.default_rng(1)
    for group in groups:
        for points in group.points:
            points *= 1 + 0.03 * random.standard_normal(3) * np.linspace(-1, 1, points.shape[0])[:, None, None]
    return groups


@pytest.fixture(scope="module")
def settings(truth):
    return {"principal_points": truth.intrinsics[:, :2, 2]}


@pytest.fixture(scope="module")
def free(groups, settings):
    """What the predictions say alone."""
    return align(groups, **settings)


def test_true_intrinsics_lower_the_errors(truth, groups, free):
    result = align(groups, intrinsics=list(truth.intrinsics))

    assert sum(pose_errors(result.world_from_cam, truth)) < sum(pose_errors(free.world_from_cam, truth))


def test_true_poses_of_some_lower_the_errors_of_others_and_are_kept(truth, groups, settings, free):
    known = [truth.world_from_cam[0], None, truth.world_from_cam[2], truth.world_from_cam[3]]

    result = align(groups, world_from_cam=known, **settings)

    np.testing.assert_allclose(result.world_from_cam[[0, 2, 3]], truth.world_from_cam[[0, 2, 3]], rtol=0, atol=1e-9)
    scene = to_known_world(free, world_from_cam=[pose if pose is None else Soft(pose, (1.0, 0.1)) for pose in known])
    errors = [np.abs(found.world_from_cam[1] - truth.world_from_cam[1]).max() for found in (result, scene)]
    assert errors[0] < errors[1]
    assert np.median(result.depths[1] / truth.depths[1]) == pytest.approx(1, rel=0.03)


def test_noise_neither_shrinks_depths_nor_lengthens_focals_between_known_poses(truth, settings):
    # Smaller groups have smaller errors; but what is minimised is their share.
    groups = make_groups(truth, complete(4), noise=0.2)

    result = align(groups, world_from_cam=list(truth.world_from_cam), **settings)

    np.testing.assert_allclose(result.intrinsics[:, 0, 0], truth.intrinsics[:, 0, 0], rtol=0.02)
    for found, true in zip(result.depths, truth.depths, strict=True):
        assert np.median(found / true) == pytest.approx(1, rel=0.01)


def test_soft_poses_end_between_data_and_prior_nearer_to_the_surer(truth, groups, settings, free):
    exact = align(groups, world_from_cam=list(truth.world_from_cam), **settings)

    def errors(degrees, units):
        soft = [Soft(pose, (degrees, units)) for pose in truth.world_from_cam]
        found = align(groups, world_from_cam=soft, **settings)
        return np.abs(found.world_from_cam - truth.world_from_cam).max(), found

    sure, between, unsure = errors(1e-3, 1e-5), errors(1.0, 0.02), errors(1e3, 1e2)
    assert sure[0] < 1e-4
    assert sure[0] < 0.5 * between[0] < 0.5 * unsure[0]
    np.testing.assert_allclose(sure[1].intrinsics, exact.intrinsics, rtol=1e-3)
    np.testing.assert_allclose(unsure[1].intrinsics, free.intrinsics, rtol=1e-3)
    assert relative_rotation_error(unsure[1].world_from_cam, as_truth(free), 0, 1) < 0.02


def test_a_soft_focal_length_ends_between_data_and_prior(truth, groups, free):
    wrong = truth.intrinsics.copy()
    wrong[:, [0, 1], [0, 1]] *= 1.3

    def focals(sigma):
        return align(groups, intrinsics=[Soft(K, sigma) for K in wrong]).intrinsics[:, 0, 0]

    exact, told, data = focals(1e-5), wrong[:, 0, 0], free.intrinsics[:, 0, 0]
    between, nothing = focals(0.03), focals(1e3)
    np.testing.assert_allclose(exact, told, rtol=1e-3)
    np.testing.assert_allclose(nothing, data, rtol=1e-3)
    assert ((np.minimum(told, data) < between) & (between < np.maximum(told, data))).all()


def test_a_soft_focal_length_of_one_camera_counts_once(truth, groups, settings):
    shared = {"shared_focal": [0, 1, 0, 0]}
    matrices = truth.intrinsics.copy()
    matrices[:, [0, 1], [0, 1]] = 1.2 * truth.intrinsics[0, 0, 0]
    soft = [Soft(K, 0.03) for K in matrices]

    once = align(groups, intrinsics=[soft[0], None, None, None], **settings, **shared)
    thrice = align(groups, intrinsics=[soft[0], None, soft[2], soft[3]], **settings, **shared)

    assert once.intrinsics[0, 0, 0] == pytest.approx(thrice.intrinsics[0, 0, 0], rel=1e-3)


@pytest.mark.parametrize("sigma", [None, 0.03])
def test_a_depth_map_in_metres_gives_a_scene_in_metres(truth, groups, settings, free, sigma):
    told = 20 * truth.depths[1]
    told[:, :9] = 0
    entry = told if sigma is None else Soft(told, sigma)

    result = align(groups, depths=[None, entry, None, None], **settings)

    if sigma is None:
        np.testing.assert_array_equal(result.depths[1][:, 9:], told[:, 9:].astype(np.float32))
    assert np.median(np.abs(np.log(result.depths[1] / truth.depths[1])[:, 9:] - np.log(20))) < 0.01
    for view in range(4):
        # The others are as large relative to this one as the predictions have it.
        as_predicted = np.median(free.depths[view] / truth.depths[view]) / np.median(free.depths[1] / truth.depths[1])
        assert np.median(result.depths[view] / truth.depths[view]) == pytest.approx(20 * as_predicted, rel=0.02)
    np.testing.assert_allclose(result.world_from_cam[0], np.eye(4), atol=1e-9)


def test_a_soft_depth_map_ends_between_data_and_prior(truth, groups, settings, free):
    told = 2 * truth.depths[1] * np.linspace(0.97, 1.03, MIXED[1][0])[:, None]

    def bend(sigma):
        result = align(groups, depths=[None, Soft(told, sigma), None, None], **settings)
        ratio = np.log(result.depths[1] / truth.depths[1])
        return np.median(ratio[-10:]) - np.median(ratio[:10]), result

    sure, between, unsure = bend(1e-4), bend(0.005), bend(1e3)
    predicted = np.log(free.depths[1] / truth.depths[1])
    predicted = np.median(predicted[-10:]) - np.median(predicted[:10])
    assert predicted + 0.005 < between[0] < sure[0] - 0.005
    assert unsure[0] == pytest.approx(predicted, abs=2e-3)
    np.testing.assert_allclose(sure[1].depths[1], told, rtol=1e-3)
    np.testing.assert_allclose(unsure[1].intrinsics, free.intrinsics, rtol=1e-3)


def test_each_part_of_a_disconnected_set_is_in_the_world_that_is_known(truth):
    pairs = [(0, 1), (1, 0), (2, 3), (3, 2)]
    groups = [make_group(truth, pair, scale=0.5 + number) for number, pair in enumerate(pairs)]

    first, second = align_all(groups, world_from_cam=list(truth.world_from_cam), intrinsics=list(truth.intrinsics))

    for part, views in ((first, [0, 1]), (second, [2, 3])):
        assert np.flatnonzero(part.registered).tolist() == views
        np.testing.assert_array_equal(part.world_from_cam[views], truth.world_from_cam[views])
        assert np.median(part.depths[views[1]] / truth.depths[views[1]]) == pytest.approx(1, rel=1e-3)


def test_wrong_pixels_of_a_soft_depth_map_do_not_disturb(truth, groups, settings):
    told = truth.depths[1].copy()
    told[::4] *= 3

    result = align(groups, depths=[None, Soft(told, 0.02), None, None], **settings)

    assert np.median(result.depths[1][1::4] / truth.depths[1][1::4]) == pytest.approx(1, rel=0.02)


def test_a_few_known_depths_set_the_scale(truth, groups, settings):
    told = np.zeros_like(truth.depths[2])
    told[5:25:6, 7:40:9] = 7 * truth.depths[2][5:25:6, 7:40:9]

    result = align(groups, depths=[None, None, Soft(told, 0.01), None], pixels_per_view=300, **settings)

    assert np.median(result.depths[0] / truth.depths[0]) == pytest.approx(7, rel=0.05)


@pytest.mark.parametrize("sigma", [None, 0.1])
def test_gravity_is_the_y_axis_of_the_world(truth, groups, settings, free, sigma):
    down = np.array([0.1, 1.0, 0.4]) / np.linalg.norm([0.1, 1.0, 0.4])
    gravity = [None, *(pose[:3, :3].T @ down for pose in truth.world_from_cam[1:])]

    result = align(groups, gravity=[g if g is None or sigma is None else Soft(g, sigma) for g in gravity], **settings)

    for view in (1, 2, 3):
        angle = np.degrees(np.arccos(result.world_from_cam[view, 1, :3] @ gravity[view]))
        assert angle < 0.1
    np.testing.assert_allclose(result.world_from_cam[0, :3, 3], 0, atol=1e-9)
    assert pose_errors(result.world_from_cam, truth)[0] < 1.05 * pose_errors(free.world_from_cam, truth)[0]
    assert result.dropped == []


@pytest.mark.parametrize(
    ("places", "sigma"),
    [
        ((0, 3), None),
        (((1, 7, 20), (2, 21.25, 20.5)), None),
        (((1, 7, 20), (2, 21.25, 20.5)), 0.01),
        ((2, (0, 40, 3)), None),
    ],
)
def test_a_distance_sets_the_scale(groups, settings, places, sigma):
    result = align(groups, distances=[KnownDistance(*places, length=50.0, sigma=sigma)], **settings)

    a, b = (place_in(result, place) for place in places)
    assert np.linalg.norm(a - b) == pytest.approx(50, rel=1e-6)
    np.testing.assert_allclose(result.world_from_cam[0], np.eye(4), atol=1e-9)


def test_several_distances_bend_the_scene(truth, groups, settings, free):
    pairs = [(i, j) for i in range(4) for j in range(i)]
    lengths = [float(np.linalg.norm(np.subtract(*truth.world_from_cam[list(pair), :3, 3]))) for pair in pairs]
    known = [KnownDistance(*pair, length=length) for pair, length in zip(pairs, lengths, strict=True)]

    result = align(groups, distances=known, **settings)

    for (i, j), length in zip(pairs, lengths, strict=True):
        assert np.linalg.norm(place_in(result, i) - place_in(result, j)) == pytest.approx(length, rel=1e-3)
    assert pose_errors(result.world_from_cam, truth)[1] < pose_errors(free.world_from_cam, truth)[1]


def test_a_distance_to_a_view_that_is_not_registered_is_named(groups):
    result = align(groups, num_views=5, shapes=[*MIXED, (30, 44)], distances=[KnownDistance(0, 4, length=2.0)])

    assert any("Views 0, 4: distances[0] says nothing" in line for line in result.dropped)


def test_what_lies_under_a_mask_changes_nothing(truth, groups, settings, free):
    masks = [None, np.ones(MIXED[1], bool), None, np.arange(30 * 44).reshape(30, 44)]
    masks[1][5:30, 8:25] = False
    masks[3][:, 30:] = 0
    random = np.random.default_rng(0)
    nonsense = [replace(group, points=list(group.points), confidences=list(group.confidences)) for group in groups]
    for number, group in enumerate(nonsense):
        for slot, view in enumerate(group.views):
            if masks[view] is not None:
                hidden = masks[view] == 0
                points, confidence = group.points[slot].copy(), group.confidences[slot].copy()
                points[hidden] = random.standard_normal((hidden.sum(), 3)) if number % 2 else np.nan
                confidence[hidden] = 100
                group.points[slot], group.confidences[slot] = points, confidence

    clean, result = (align(given, masks=masks, **settings) for given in (groups, nonsense))

    np.testing.assert_array_equal(result.world_from_cam, clean.world_from_cam)
    for view in range(4):
        np.testing.assert_array_equal(result.depths[view], clean.depths[view])
        np.testing.assert_array_equal(result.confidences[view], clean.confidences[view])
    assert (result.depths[1][5:30, 8:25] == 0).all()
    assert (result.depths[1][31:] > 0).all()
    assert pose_errors(result.world_from_cam, truth)[0] < 2 * pose_errors(free.world_from_cam, truth)[0]


def as_truth(found):
    return Truth([], found.world_from_cam, found.intrinsics, [])
