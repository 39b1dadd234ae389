"""The same scene, told as each kind of network tells it, is the same group."""

import numpy as np
import pytest
import torch

from pointmap.errors import InputError
from pointmap.groups import group_from_depths, group_from_local_points, group_from_points

VIEWS = (4, 2, 7)
SHAPES = [(6, 9), (9, 6), (5, 8)]


def turned(angle: float, offset: tuple[float, float, float]) -> np.ndarray:
    """A pose, turned about an axis that is none of the camera's."""
    axis = np.array([0.36, 0.48, 0.8])
    cross = np.cross(np.eye(3), axis)
    pose = np.eye(4)
    pose[:3, :3] = np.eye(3) - np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    pose[:3, 3] = offset
    return pose


class Told:
    """Random depths of three cameras, of sizes of their own or all alike."""

    def __init__(self, shapes=SHAPES):
        random = np.random.default_rng(3)
        self.world_from_cam = np.stack([turned(0.4, (1, 2, 3)), turned(-0.7, (0, 1, 2)), turned(1.1, (-1, 0.5, 0))])
        self.cam_from_world = np.linalg.inv(self.world_from_cam)
        self.K = np.stack([[[8.0 + k, 0, 3.1], [0, 9.0, 2.2 - k], [0, 0, 1]] for k in range(3)])
        self.depths = [random.uniform(1, 4, shape) for shape in shapes]
        self.confidences = [random.uniform(1, 9, shape) for shape in shapes]
        self.local = []
        for depth, K in zip(self.depths, self.K, strict=True):
            v, u = np.indices(depth.shape)
            self.local.append(np.stack([u, v, np.ones_like(u)], -1) @ np.linalg.inv(K).T * depth[..., None])
        self.world = [apply(pose, points) for pose, points in zip(self.world_from_cam, self.local, strict=True)]
        self.in_first = [apply(self.cam_from_world[0], points) for points in self.world]


def apply(b_from_a, points_a):
    return points_a @ b_from_a[:3, :3].T + b_from_a[:3, 3]


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def alike():
    return Told([(6, 9)] * 3)


def assert_told(group, told):
    assert group.views == VIEWS
    for k in range(3):
        np.testing.assert_allclose(group.points[k], told.in_first[k], atol=1e-5)
        np.testing.assert_allclose(group.confidences[k], told.confidences[k], rtol=1e-6)
        assert group.points[k].dtype == group.confidences[k].dtype == np.float32


# Three ways to tell


def test_points_of_a_common_frame_are_brought_into_that_of_the_first_view(told):
    assert_told(
        group_from_points(VIEWS, told.world, told.confidences, world_from_first=told.world_from_cam[0, :3]), told
    )


def test_points_in_the_frame_of_the_first_view_stay(told):
    assert_told(group_from_points(VIEWS, told.in_first, told.confidences), told)


def test_depths_with_extrinsics_become_points(told):
    group = group_from_depths(VIEWS, told.depths, told.K, told.confidences, cam_from_world=told.cam_from_world[:, :3])

    assert_told(group, told)


def test_depths_with_camera_poses_become_the_same_points(told):
    assert_told(
        group_from_depths(VIEWS, told.depths, told.K, told.confidences, world_from_cam=told.world_from_cam), told
    )


def test_points_of_every_camera_are_moved_by_the_poses(told):
    group = group_from_local_points(VIEWS, told.local, told.confidences, world_from_cam=told.world_from_cam)

    assert_told(group, told)


# As models return them


def test_stacked_tensors_with_a_batch_of_one_are_taken_as_vggt_gives_them(alike):
    predictions = {
        "depth": torch.tensor(np.stack(alike.depths))[None, ..., None],  # (1, S, h, w, 1)
        "depth_conf": torch.tensor(np.stack(alike.confidences))[None],  # (1, S, h, w)
        "extrinsic": torch.tensor(alike.cam_from_world[:, :3])[None],  # (1, S, 3, 4)
        "intrinsic": torch.tensor(alike.K)[None],  # (1, S, 3, 3)
    }

    group = group_from_depths(
        VIEWS,
        predictions["depth"],
        predictions["intrinsic"],
        predictions["depth_conf"],
        cam_from_world=predictions["extrinsic"],
    )

    assert_told(group, alike)


def test_one_dictionary_per_view_is_taken_as_mapanything_gives_it(told):
    keep = [np.ones(shape, bool) for shape in SHAPES]
    keep[1][2:4, 1:] = False
    predictions = [
        {
            "pts3d_cam": torch.tensor(told.local[k])[None],  # (1, h, w, 3)
            "camera_poses": torch.tensor(told.world_from_cam[k])[None],  # (1, 4, 4)
            "conf": torch.tensor(told.confidences[k])[None],  # (1, h, w)
            "mask": torch.tensor(keep[k])[None, ..., None],  # (1, h, w, 1)
        }
        for k in range(3)
    ]
    points, poses, confidences, masks = ([p[name] for p in predictions] for name in predictions[0])

    group = group_from_local_points(VIEWS, points, confidences, world_from_cam=poses, masks=masks)

    assert (group.confidences[1][~keep[1]] == 1).all()
    np.testing.assert_allclose(group.confidences[1][keep[1]], told.confidences[1][keep[1]], rtol=1e-6)
    np.testing.assert_allclose(group.points[1][keep[1]], told.in_first[1][keep[1]], atol=1e-5)


def test_half_precision_is_taken_and_its_rotations_are_made_exact(alike):
    poses = torch.tensor(alike.world_from_cam).bfloat16()

    group = group_from_local_points(
        VIEWS,
        torch.tensor(np.stack(alike.local)).half(),
        torch.tensor(np.stack(alike.confidences)).half(),
        world_from_cam=poses,
    )

    # Nothing but roundings; distances of points of one view to each other have not even those of the pose.
    for k in range(3):
        np.testing.assert_allclose(group.points[k], alike.in_first[k], atol=0.05)
        spread = [np.linalg.norm(points[k] - points[k][0, 0], axis=-1) for points in (group.points, alike.local)]
        np.testing.assert_allclose(spread[0], spread[1], atol=5e-3)


# Confidences


@pytest.mark.parametrize("kind", ["at_least_one", "positive", "probability", "logit"])
def test_every_kind_of_confidence_becomes_the_same(told, kind):
    stated = {
        "at_least_one": lambda c: c,
        "positive": lambda c: c - 1,
        "probability": lambda c: 1 - 1 / c,
        "logit": lambda c: np.log(c - 1),
    }[kind]

    group = group_from_points(VIEWS, told.in_first, [stated(c) for c in told.confidences], confidence_kind=kind)

    for found, expected in zip(group.confidences, told.confidences, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_without_confidences_all_points_count_alike(told):
    group = group_from_points(VIEWS, told.in_first)

    assert len({float(value) for confidence in group.confidences for value in confidence.flat}) == 1
    assert group.confidences[0].min() > 1


def test_a_certain_probability_is_a_large_finite_confidence(told):
    certain = [np.ones(shape) for shape in SHAPES]

    group = group_from_points(VIEWS, told.in_first, certain, confidence_kind="probability")

    assert 100 < group.confidences[0].max() < 1e6


def test_confidences_of_another_kind_than_said_are_an_error(told):
    with pytest.raises(InputError, match=r"from .* to .* are not of the kind 'at_least_one'.*confidence_kind"):
        group_from_points(VIEWS, told.in_first, [c / 10 for c in told.confidences])
    with pytest.raises(InputError, match="choose 'at_least_one', 'positive', 'probability', 'logit'"):
        group_from_points(VIEWS, told.in_first, told.confidences, confidence_kind="exp")


# Pixels that say nothing


def test_pixels_without_an_answer_weigh_nothing(told):
    told.depths[0][1, 2], told.depths[1][3, 1], told.depths[2][0, 0] = 0.0, np.nan, -1.0
    told.confidences[0][4, 4] = np.nan

    group = group_from_depths(VIEWS, told.depths, told.K, told.confidences, world_from_cam=told.world_from_cam)

    silent = [(0, 1, 2), (0, 4, 4), (1, 3, 1), (2, 0, 0)]
    assert all(group.confidences[k][v, u] == 1 for k, v, u in silent)
    assert sum((c == 1).sum() for c in group.confidences) == len(silent)
    assert all(np.isfinite(points).all() for points in group.points)


# What is wrong is said


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"views": (4,)}, "two or more views"),
        ({"views": (4, -2, 7)}, "two or more views"),
        ({"depths": np.ones((2, 6, 9))}, r"depths for 3 views: .* got shape \(2, 6, 9\)"),
        ({"depths": np.ones((2, 3, 6, 9))}, r"batch of one around it; got shape \(2, 3, 6, 9\)"),
        ({"depths": ["far", "near", "far"]}, "array or a tensor of numbers, got str"),
        ({"intrinsics": np.ones((3, 3, 4))}, r"intrinsics: matrices of shape \(3, 4\); expected \(3, 3\)"),
        ({"intrinsics": np.zeros((3, 3, 3))}, "positive focal lengths"),
        ({"confidences": np.ones((3, 9, 6))}, "confidences of view 0 of the group: 9x6 pixels"),
        ({"masks": np.ones((3, 9, 6), bool)}, "masks of view 0 of the group: 9x6 pixels"),
        ({"world_from_cam": None}, "either as world_from_cam .* or as cam_from_world"),
        ({"cam_from_world": np.tile(np.eye(4), (3, 1, 1))}, "either as world_from_cam"),
        ({"world_from_cam": np.tile(2 * np.eye(4), (3, 1, 1))}, r"world_from_cam\[0\] is not a rigid transform"),
        ({"world_from_cam": np.tile(np.diag([1, 1, -1, 1]), (3, 1, 1))}, "not a rigid transform"),
        ({"world_from_cam": np.full((3, 4, 4), np.nan)}, "not finite"),
        ({"world_from_cam": np.eye(3)}, r"got shape \(3, 3\)"),
    ],
)
def test_arrays_that_do_not_fit_are_named(alike, change, message):
    arguments = {
        "views": VIEWS,
        "depths": alike.depths,
        "intrinsics": alike.K,
        "confidences": alike.confidences,
        "world_from_cam": alike.world_from_cam,
    } | change

    with pytest.raises(InputError, match=message):
        group_from_depths(**arguments)


def test_points_with_their_axes_in_another_order_are_an_error(alike):
    channels_first = np.moveaxis(np.stack(alike.world), -1, 1)

    with pytest.raises(InputError, match=r"maps of shape \(3, 6, 9\); expected \(h, w, 3\)"):
        group_from_points(VIEWS, channels_first)
