"""Scenes that leave something open, and predictions that are partly nonsense: a sane answer, or a clear word."""

import golden_inputs
import numpy as np
import pytest
from alignment_scenes import (
    MIXED,
    Truth,
    complete,
    make_group,
    make_groups,
    make_truth,
    photograph,
    pose_errors,
    relative_rotation_error,
)

from pointmap.alignment import Alignment, align
from pointmap.scene import Group

NOISE = 0.003


def assert_sane(result: Alignment) -> None:
    """Cameras are cameras, depths are finite, and whoever is missing is missing everywhere and named."""
    registered = result.registered
    rotations = result.world_from_cam[registered, :3, :3]
    np.testing.assert_allclose(
        rotations @ rotations.swapaxes(1, 2), np.tile(np.eye(3), (len(rotations), 1, 1)), atol=1e-9
    )
    assert np.isfinite(result.world_from_cam[registered]).all()
    assert np.isnan(result.world_from_cam[~registered]).all()
    assert np.isfinite(result.intrinsics).all()
    assert (result.intrinsics[:, 0, 0] > 0).all()
    for depth, confidence, present in zip(result.depths, result.confidences, registered, strict=True):
        assert (np.isfinite(depth) & (depth >= 0)).all() if present else np.isnan(depth).all()
        assert np.isfinite(confidence).all()
    assert np.isfinite(result.loss)
    assert np.isfinite(result.history).all()
    assert sorted(result.reasons) == np.flatnonzero(~registered).tolist()
    assert np.isfinite(result.view_residuals[registered]).all()
    covariances = result.pose_covariances[registered]
    # NaN where every view is predicted once only.
    assert np.isnan(covariances).all() or (np.linalg.eigvalsh(covariances) > -1e-9 * (1 + covariances.max())).all()


def errors_of(result: Alignment, truth: Truth, views: list[int]) -> tuple[float, float]:
    """Largest rotation error (degrees) and centre error (share of the mean radius) among some of the views."""
    errors = golden_inputs.pose_errors(result.world_from_cam[views], truth.world_from_cam[views])
    return errors["rel_rot_deg_max"], errors["trans_rel_max"]


def rotation_errors(result: Alignment, truth: Truth) -> float:
    """Largest error of a relative rotation, in degrees."""
    return max(
        relative_rotation_error(result.world_from_cam, truth, i, j) for i, j in complete(len(result.world_from_cam))
    )


def with_points(group: Group, view: int, change) -> Group:
    """The group, with other points for one of its views, if it shows that."""
    if view not in group.views:
        return group
    k = group.views.index(view)
    points = list(group.points)
    points[k] = np.asarray(change(points[k].copy()), np.float32)
    return Group(group.views, points, group.confidences)


def with_confidences(group: Group, view: int, value: float) -> Group:
    """The group, equally sure everywhere in one of its views, if it shows that."""
    if view not in group.views:
        return group
    k = group.views.index(view)
    confidences = list(group.confidences)
    confidences[k] = np.full_like(confidences[k], value)
    return Group(group.views, group.points, confidences)


# Where the cameras are


@pytest.mark.parametrize("noise", [0.0, NOISE])
def test_a_pure_rotation_gives_true_rotations_and_one_place(noise):
    truth = make_truth(MIXED, same_place=True)

    result = align(make_groups(truth, complete(4), noise=noise))

    assert_sane(result)
    assert rotation_errors(result, truth) < 0.2
    assert np.abs(result.world_from_cam[:, :3, 3]).max() < 0.01 * np.median(result.depths[0])


def test_a_pure_rotation_that_only_neighbours_see_closes_no_loop_and_needs_none():
    truth = make_truth(MIXED, same_place=True)

    result = align(make_groups(truth, [(0, 1), (1, 2), (2, 3)], noise=NOISE))

    assert_sane(result)
    assert rotation_errors(result, truth) < 0.6
    assert np.abs(result.world_from_cam[:, :3, 3]).max() < 0.05 * np.median(result.depths[0])


@pytest.mark.parametrize("noise", [0.0, NOISE])
def test_identical_photos_are_identical_cameras(noise):
    truth = make_truth([(30, 44)] * 3, same_place=True, identical=True)

    result = align(make_groups(truth, complete(3), noise=noise))

    assert_sane(result)
    np.testing.assert_allclose(result.world_from_cam, np.tile(np.eye(4), (3, 1, 1)), atol=1e-3 + 3 * noise)
    np.testing.assert_allclose(result.intrinsics, truth.intrinsics, rtol=1e-3 + 3 * noise)


@pytest.mark.parametrize("direction", [(1.0, 0.1, 0.0), (0.0, 0.0, 1.0)], ids=["sideways", "forwards"])
def test_cameras_on_a_line_stay_on_it(direction):
    places = np.array([-0.9, -0.3, 0.2, 1.0])[:, None] * direction + [0.0, 0.0, -3.2]
    poses = [golden_inputs.look_at(place, place + np.array([0.02, 0.05, 1.0])) for place in places]
    truth = photograph(MIXED, poses, [44.0, 46.0, 48.0, 50.0])

    result = align(make_groups(truth, complete(4), noise=NOISE))

    assert_sane(result)
    assert rotation_errors(result, truth) < 0.2
    # The centres about the first camera, in its frame: the similarity of centres alone could not tell the roll.
    found, true = (
        (poses[0, :3, :3].T @ (poses[:, :3, 3] - poses[0, :3, 3]).T).T
        for poses in (result.world_from_cam, truth.world_from_cam)
    )
    scale = np.linalg.norm(true[3]) / np.linalg.norm(found[3])
    np.testing.assert_allclose(scale * found, true, atol=0.02)


def test_one_camera_fifty_times_farther_away_harms_nobody():
    near = make_truth([(30, 44)] * 4)
    far = golden_inputs.look_at(np.array([40.0, 25.0, -140.0]), np.zeros(3))
    truth = photograph([(30, 44)] * 5, [*near.world_from_cam, far], [*near.intrinsics[:, 0, 0], 50 * 44.0])

    result = align(make_groups(truth, complete(5), noise=NOISE))

    assert_sane(result)
    rotation, centre = errors_of(result, truth, [0, 1, 2, 3])
    assert rotation < 0.5
    assert centre < 0.02


# What they see


def test_a_plane_is_as_good_as_any_scene():
    poses = list(make_truth(MIXED).world_from_cam)
    truth = photograph(MIXED, poses, [44.0, 46.0, 48.0, 50.0], surface=lambda x, y: 0.1 * x - 0.2 * y)

    result = align(make_groups(truth, complete(4), noise=NOISE))

    assert_sane(result)
    rotation, centre = pose_errors(result.world_from_cam, truth)
    assert rotation < 0.2
    assert centre < 0.01
    np.testing.assert_allclose(result.intrinsics, truth.intrinsics, rtol=0.02)


def test_a_wall_seen_from_the_front_leaves_distance_and_focal_length_open_but_nothing_else():
    straight = [golden_inputs.look_at(np.array([x, 0.0, -3.0]), np.array([x, 0.0, 0.0])) for x in (0.0, 0.4)]
    truth = photograph([(30, 44)] * 2, straight, [44.0, 44.0], surface=lambda x, y: 0 * x)

    result = align([make_group(truth, (0, 1), noise=NOISE)])

    assert_sane(result)
    assert result.registered.all()
    assert relative_rotation_error(result.world_from_cam, truth, 0, 1) < 3.0
    # Nearer with a shorter lens or farther with a longer one look alike: the width of the wall in view is known.
    widths = [np.median(depth) / focal for depth, focal in zip(result.depths, result.intrinsics[:, 0, 0], strict=True)]
    assert widths[1] == pytest.approx(widths[0], rel=0.02)


def test_images_of_very_different_sizes_meet():
    truth = make_truth([(90, 16), (16, 24), (24, 90), (60, 80)])

    result = align(make_groups(truth, complete(4), noise=NOISE))

    assert_sane(result)
    rotation, centre = pose_errors(result.world_from_cam, truth)
    assert rotation < 0.3
    assert centre < 0.02


# Few groups


def test_one_photo_as_its_own_pair_is_one_camera():
    truth = make_truth([(30, 44)])

    result = align([make_group(truth, (0, 0))])

    assert_sane(result)
    np.testing.assert_allclose(result.world_from_cam, np.eye(4)[None], atol=1e-12)
    np.testing.assert_allclose(result.intrinsics, truth.intrinsics, rtol=1e-3)
    assert (result.depths[0] / truth.depths[0]).std() < 1e-3


@pytest.mark.parametrize("views", [(0, 1), (2, 0, 3, 1)])
def test_a_single_group_is_a_scene(views):
    truth = make_truth(MIXED[: len(views)])

    result = align([make_group(truth, views, noise=NOISE)])

    assert_sane(result)
    assert result.registered.all()
    assert rotation_errors(result, truth) < 1.0


@pytest.mark.parametrize("scale", [1e6, 1e-6])
def test_a_group_of_another_scale_weighs_as_much_as_the_others(scale):
    truth = make_truth(MIXED)
    pairs = complete(4)
    groups = [make_group(truth, pair, scale=scale if e == 5 else 1.0, noise=NOISE) for e, pair in enumerate(pairs)]
    usual = [make_group(truth, pair, noise=NOISE) for pair in pairs]

    result, same = align(groups), align(usual)

    assert_sane(result)
    rotation, centre = pose_errors(result.world_from_cam, truth)
    assert rotation < 0.2
    assert centre < 0.01
    np.testing.assert_allclose(result.world_from_cam[:, :3, :3], same.world_from_cam[:, :3, :3], atol=1e-3)


@pytest.mark.parametrize("scale", [1e6, 1e-6])
def test_the_unit_of_all_groups_does_not_matter(scale):
    truth = make_truth(MIXED)

    result = align([make_group(truth, pair, scale=scale, noise=NOISE) for pair in complete(4)])

    assert_sane(result)
    rotation, centre = pose_errors(result.world_from_cam, truth)
    assert rotation < 0.2
    assert centre < 0.01


# Confidence


@pytest.mark.parametrize("confidence", [1.0, 0.0])
def test_being_unsure_everywhere_weighs_all_pixels_alike(confidence):
    truth = make_truth(MIXED)

    result = align(make_groups(truth, complete(4), confidence=confidence))

    assert_sane(result)
    assert result.registered.all()
    assert pose_errors(result.world_from_cam, truth)[0] < 0.01


@pytest.mark.parametrize("confidence", [1.0, 0.0, -5.0])
def test_a_view_of_which_nothing_is_sure_is_left_out(confidence):
    truth = make_truth(MIXED)
    groups = [with_confidences(group, 2, confidence) for group in make_groups(truth, complete(4), noise=NOISE)]

    result = align(groups)

    assert_sane(result)
    assert result.registered.tolist() == [True, True, False, True]
    assert any(line.startswith("View 2:") and "confidence" in line for line in result.dropped)
    rotation, centre = errors_of(result, truth, [0, 1, 3])
    assert rotation < 0.2
    assert centre < 0.01


def test_a_view_that_is_sure_in_one_group_only_is_held_by_that():
    truth = make_truth(MIXED)
    groups = make_groups(truth, complete(4), noise=NOISE)
    groups = [group if group.views == (2, 0) else with_confidences(group, 2, 1.0) for group in groups]

    result = align(groups)

    assert_sane(result)
    assert result.registered.all()
    assert pose_errors(result.world_from_cam, truth)[0] < 0.5


def test_boundless_confidence_in_one_pixel_decides_nothing_alone():
    truth = make_truth(MIXED)
    groups = make_groups(truth, complete(4), noise=NOISE)
    groups[0].confidences[0][3, 4] = 1e30
    groups[1].confidences[1][5, 6] = np.inf

    result = align(groups)

    assert_sane(result)
    assert pose_errors(result.world_from_cam, truth)[0] < 0.5


# Points


def test_points_that_are_not_finite_are_ignored():
    truth = make_truth(MIXED)
    groups = make_groups(truth, complete(4), noise=NOISE)
    for group in groups:
        group.points[0][:4, :7] = np.nan
        group.points[0][9, 9] = 1e25
        group.points[1][-3:, 5, 1] = np.inf
        group.points[1][2, 8, 2] = -np.inf
        group.confidences[1][10, :] = np.nan

    result = align(groups)

    assert_sane(result)
    assert result.registered.all()
    rotation, centre = pose_errors(result.world_from_cam, truth)
    assert rotation < 0.2
    assert centre < 0.01


@pytest.mark.parametrize("valid", [3, 1])
def test_a_view_with_three_valid_pixels_harms_nobody(valid):
    truth = make_truth(MIXED)

    def few(points):
        kept = np.full_like(points, np.nan)
        for y, x in [(5, 7), (20, 30), (11, 18)][:valid]:
            kept[y, x] = points[y, x]
        return kept

    groups = [with_points(group, 2, few) for group in make_groups(truth, complete(4), noise=NOISE)]

    result = align(groups)

    assert_sane(result)
    assert result.registered[[0, 1, 3]].all()
    rotation, centre = errors_of(result, truth, [0, 1, 3])
    assert rotation < 0.3
    assert centre < 0.015


def one_point(points):
    return np.full_like(points, 0.4)


def origin(points):
    return np.zeros_like(points)


def behind(points):
    return -points


def noise_only(points):
    return 3 * np.random.default_rng(5).standard_normal(points.shape)


@pytest.mark.parametrize("change", [one_point, origin, behind, noise_only])
def test_a_view_that_is_nonsense_in_all_groups_harms_nobody(change):
    truth = make_truth([(30, 44)] * 5)
    groups = [with_points(group, 2, change) for group in make_groups(truth, complete(5), noise=NOISE)]

    result = align(groups)

    assert_sane(result)
    assert result.registered[[0, 1, 3, 4]].all()
    rotation, centre = errors_of(result, truth, [0, 1, 3, 4])
    assert rotation < 0.5
    assert centre < 0.03


@pytest.mark.parametrize("change", [one_point, origin])
def test_points_without_any_extent_are_no_scene_but_no_crash_either(change):
    truth = make_truth([(30, 44)] * 2)
    groups = make_groups(truth, complete(2))
    for view in (0, 1):
        groups = [with_points(group, view, change) for group in groups]

    assert_sane(align(groups))


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 2)])
def test_images_of_a_few_pixels_are_no_scene_but_no_crash_either(shape):
    truth = photograph([shape] * 2, list(make_truth([(4, 6)] * 2).world_from_cam), [5.0, 5.0])

    assert_sane(align(make_groups(truth, complete(2))))
