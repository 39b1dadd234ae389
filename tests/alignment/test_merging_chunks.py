"""Chunks of photos through a multi-view network, merged: each has errors, a scale and a frame of its own."""

import golden_inputs
import numpy as np
import pytest
from alignment_scenes import MIXED, Truth, make_truth, pose_errors

from pointmap.alignment import align
from pointmap.groups import (
    group_from_depths,
    group_from_local_points,
    group_from_points,
    load_groups,
    make_chunks,
    predict_groups,
    save_groups,
)
from pointmap.scene import Group, View


class Network:
    """A stand-in for a multi-view network: the truth in a frame and scale of each chunk, with errors.

    Depths are wrong by `noise` (relative, of every pixel), camera positions by `noise` of the distance to the scene,
    directions by `noise` radians; ten times that for views in `bad`, which have little confidence.
    """

    def __init__(self, truth: Truth, *, noise: float = 0.0, bad: tuple[int, ...] = (), tell: str = "depths"):
        self.truth, self.noise, self.bad, self.tell = truth, noise, bad, tell

    def __call__(self, views: list[View], indices: tuple[int, ...]) -> Group:
        random = np.random.default_rng([*indices, 5])
        truth, scale = self.truth, np.exp(random.uniform(-2, 2))
        world_from_truth = golden_inputs.look_at(random.standard_normal(3), random.standard_normal(3))
        depths, local, poses, confidences = [], [], [], []
        for view in indices:
            sigma = self.noise * (10 if view in self.bad else 1)
            factor = np.exp(sigma * random.standard_normal(truth.shapes[view]))
            depths.append(scale * truth.depths[view] * factor)
            local.append(scale * truth.points(view, view) * factor[..., None])
            pose = world_from_truth @ truth.world_from_cam[view] @ nudge(sigma, random)
            pose[:3, 3] *= scale
            poses.append(pose)
            confidences.append(np.full(truth.shapes[view], 1.5 if view in self.bad else 9.0))
        if self.tell == "depths":
            K = truth.intrinsics[list(indices)]
            return group_from_depths(indices, depths, K, confidences, cam_from_world=np.linalg.inv(poses))
        if self.tell == "local points":
            return group_from_local_points(indices, local, confidences, world_from_cam=poses)
        points = [p @ pose[:3, :3].T + pose[:3, 3] for p, pose in zip(local, poses, strict=True)]
        return group_from_points(indices, points, confidences, world_from_first=poses[0])


def nudge(sigma: float, random: np.random.Generator) -> np.ndarray:
    x, y, z = sigma * random.standard_normal(3)
    turn = np.linalg.qr(np.array([[1, -z, y], [z, 1, -x], [-y, x, 1]]))[0]
    pose = np.eye(4)
    pose[:3, :3] = turn * np.sign(np.diag(turn))
    pose[:3, 3] = 3 * sigma * random.standard_normal(3)
    return pose


def photos(truth: Truth) -> list[View]:
    return [
        View(str(view), np.full((*shape, 3), view, np.uint8), shape[::-1], np.eye(3))
        for view, shape in enumerate(truth.shapes)
    ]


@pytest.fixture(scope="module")
def truth() -> Truth:
    """Fourteen views of mixed sizes."""
    return make_truth((MIXED * 4)[:14])


FIVES = make_chunks(14, size=5, overlap=2, cyclic=True)


def merge(truth: Truth, chunks, **network):
    return align(predict_groups(Network(truth, **network), photos(truth), chunks))


@pytest.mark.parametrize("tell", ["depths", "local points", "points of one frame"])
def test_exact_chunks_give_the_true_cameras_however_they_are_told(tell):
    truth = make_truth(MIXED + MIXED[:3], offset=(2.0, -1.0))
    views, chunks = photos(truth), make_chunks(7, size=4, overlap=1)

    result = align(
        predict_groups(Network(truth, tell=tell), views, chunks), principal_points=truth.intrinsics[:, :2, 2]
    )

    rotation, centre = pose_errors(result.world_from_cam, truth)
    assert rotation < 0.05
    assert centre < 2e-3
    np.testing.assert_allclose(result.intrinsics, truth.intrinsics, rtol=2e-3)
    assert result.registered.all()
    assert result.dropped == []


def test_chunks_of_five_that_share_two_views_are_merged(truth):
    rotation, centre = pose_errors(merge(truth, FIVES, noise=0.003).world_from_cam, truth)

    assert rotation < 1.5  # 0.17 degrees about each axis in every chunk
    assert centre < 0.08


def test_a_loop_stops_the_drift_of_a_long_walk(truth):
    """The cameras stand on a ring: the last one sees what the first one saw."""
    walk = make_chunks(14, size=4, overlap=1)
    closed = make_chunks(14, size=4, overlap=1, loops=[(0, 13)])

    drifted, tied = (pose_errors(merge(truth, chunks, noise=0.003).world_from_cam, truth) for chunks in (walk, closed))

    assert tied[0] < drifted[0]
    assert tied[1] < drifted[1]


def test_pairs_and_chunks_mix_and_are_better_than_chunks_alone(truth):
    pairs = [(view, (view + step) % 14) for view in range(14) for step in (1, 2, -1)]

    alone, together = merge(truth, FIVES, noise=0.003), merge(truth, FIVES + pairs, noise=0.003)

    assert together.registered.all()
    assert together.world_from_group.shape == (len(FIVES) + len(pairs), 4, 4)
    assert pose_errors(together.world_from_cam, truth)[0] < 0.8 * pose_errors(alone.world_from_cam, truth)[0]


def test_a_chunk_of_nonsense_does_not_break_the_view_that_only_it_has_first(truth):
    chunks = make_chunks(14, size=6, overlap=4, cyclic=True)
    groups = predict_groups(Network(truth, noise=0.003), photos(truth), chunks)
    random, wrong = np.random.default_rng(0), groups[3]
    points = [random.standard_normal(points.shape).astype(np.float32) for points in wrong.points]

    result = align([*groups[:3], Group(wrong.views, points, wrong.confidences), *groups[4:]])

    assert result.group_weights.argmin() == 3
    assert result.group_weights[3] < 0.01
    np.testing.assert_allclose(result.intrinsics[:, 0, 0], truth.intrinsics[:, 0, 0], rtol=0.05)
    assert pose_errors(result.world_from_cam, truth)[0] < 1.5


def test_one_chunk_alone_is_what_the_network_says():
    truth = make_truth(MIXED)

    result = merge(truth, [(2, 0, 1, 3)], noise=0.003)

    assert pose_errors(result.world_from_cam, truth)[0] < 1.0
    np.testing.assert_allclose(
        result.world_from_cam[0], np.eye(4), atol=1e-12
    )  # the first view, not the first of the chunk


def test_a_chunk_whose_first_view_is_badly_seen_spoils_no_other(truth):
    """The first view gives a chunk its frame: an error there must not become one of all."""
    bad = (2, 7, 11)
    good = [view for view in range(14) if view not in bad]
    chunks = [tuple(sorted(chunk, key=lambda view: (view not in bad, view))) for chunk in FIVES]
    assert sum(chunk[0] in bad for chunk in chunks) >= 3

    result = merge(truth, chunks, noise=0.003, bad=bad)

    errors = golden_inputs.pose_errors(result.world_from_cam[good], truth.world_from_cam[good])
    assert errors["rel_rot_deg_max"] < 2.0
    assert errors["trans_rel_max"] < 0.06
    assert result.registered.all()


def test_groups_from_disk_give_the_same_scene_bit_for_bit(truth, tmp_path):
    groups = predict_groups(Network(truth, noise=0.003), photos(truth), FIVES)
    save_groups(groups, tmp_path)

    from_memory, from_disk = align(groups), align(load_groups(tmp_path))

    for name in ("world_from_cam", "intrinsics", "world_from_group"):
        np.testing.assert_array_equal(getattr(from_memory, name), getattr(from_disk, name))
    for ours, theirs in zip(from_memory.depths, from_disk.depths, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_chunks_that_share_no_view_cannot_be_merged_and_are_named(truth):
    result = merge(truth, [(0, 1, 2, 3, 4), (5, 6, 7)])

    assert result.registered.tolist() == [True] * 5 + [False] * 3
    assert any("Views 5, 6, 7" in line for line in result.dropped)
