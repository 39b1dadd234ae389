from dataclasses import replace

import numpy as np
import pytest
import torch
from ball_views import AROUND, CENTRE, RADIUS, K, ball_views, distance_to_ball
from scenes import distance_to_surface, make_scene, without_registration

import pointmap
from pointmap import Cancelled, InputError
from pointmap.fusion.fuse import FINEST, Entry, fuse_scene, voxel_size_for

VOXEL = 0.04
FLAT_K = np.array([[50.0, 0, 21.0], [0, 55.0, 12.0], [0, 0, 1]])


@pytest.fixture(scope="module")
def views():
    return ball_views(AROUND[::2])


def flat(z: float = 1.0) -> np.ndarray:
    return np.full((24, 40), z, np.float32)


def test_depth_maps_from_all_around_become_a_ball(views):
    depths, colors, poses = views
    mesh = pointmap.fuse(depths, K, poses, colors)

    assert mesh.volume == pytest.approx(4 / 3 * np.pi * RADIUS**3, rel=0.02)
    assert distance_to_ball(mesh.vertices).mean() < 0.002
    top = np.asarray(mesh.visual.vertex_colors)[mesh.vertices[:, 0] > CENTRE[0] + 0.1, :3]
    np.testing.assert_allclose(top.mean(axis=0), [20, 180, 60], atol=2)


def test_a_stream_gives_the_same_as_a_list(views):
    depths, colors, poses = views
    listed = pointmap.fuse(depths, [K] * len(depths), poses, colors, VOXEL)
    streamed = pointmap.fuse(
        (depth for depth in depths),
        (K for _ in depths),
        iter(poses),
        (torch.from_numpy(color) for color in colors),
        VOXEL,
    )

    np.testing.assert_array_equal(listed.vertices, streamed.vertices)
    np.testing.assert_array_equal(listed.faces, streamed.faces)
    np.testing.assert_array_equal(listed.visual.vertex_colors, streamed.visual.vertex_colors)


def test_a_stream_without_a_voxel_size_takes_it_from_its_first_known_depth(views):
    depths, _, poses = views
    first = voxel_size_for([Entry(depths[0], K, poses[0], None, None)])

    mesh = pointmap.fuse(iter([np.zeros((3, 5)), *depths]), K, iter([np.eye(4), *poses]))
    given = pointmap.fuse(depths, K, poses, voxel_size=first)

    assert len(mesh.vertices) == len(given.vertices)


def test_maps_may_differ_in_size():
    small_K = np.diag([0.5, 0.5, 1]) @ FLAT_K
    mesh = pointmap.fuse([flat(), flat()[:12, :20]], [FLAT_K, small_K], [np.eye(4)] * 2, voxel_size=0.05)

    np.testing.assert_allclose(mesh.vertices[:, 2], 1, atol=1e-3)


@pytest.mark.parametrize("unknown", [0.0, np.nan, np.inf, -np.inf])
def test_unknown_depths_leave_a_hole_and_nothing_else(unknown):
    depth = flat()
    depth[5:15, 10:25] = unknown

    mesh = pointmap.fuse([depth], FLAT_K, [np.eye(4)])

    np.testing.assert_allclose(mesh.vertices[:, 2], 1, atol=1e-3)
    assert mesh.euler_number == 0  # a sheet with one hole


def test_maps_without_a_pose_take_no_part():
    lost = np.full((4, 4), np.nan)
    mesh = pointmap.fuse([flat(), flat(2.0)], FLAT_K, [np.eye(4), lost], voxel_size=0.04)

    np.testing.assert_allclose(mesh.vertices[:, 2], 1, atol=1e-3)


def test_max_depth_leaves_out_what_is_further():
    depth = flat()
    depth[:, 20:] = 3.0

    mesh = pointmap.fuse([depth], FLAT_K, [np.eye(4)], voxel_size=0.04, max_depth=2.0)

    np.testing.assert_allclose(mesh.vertices[:, 2], 1, atol=1e-3)


def test_weights_say_which_map_counts_more():
    mesh = pointmap.fuse([flat(), flat(1.02)], FLAT_K, [np.eye(4)] * 2, voxel_size=0.02, weights=[1.0, 3.0])

    np.testing.assert_allclose(mesh.vertices[:, 2], 1.015, atol=1e-3)


@pytest.mark.parametrize("depth", [np.zeros((3, 4)), np.full((3, 4), np.nan), np.zeros((1, 1))])
def test_without_a_known_depth_the_mesh_is_empty(depth):
    mesh = pointmap.fuse([depth], FLAT_K, [np.eye(4)])

    assert mesh.vertices.shape == mesh.faces.shape == (0, 3)


def test_one_known_pixel_is_no_trouble():
    depth = np.zeros((5, 7), np.float32)
    depth[2, 3] = 1.0

    assert np.isfinite(pointmap.fuse([depth], FLAT_K, [np.eye(4)]).vertices).all()


def test_the_voxel_is_as_large_as_a_pixel_on_the_surface():
    near = voxel_size_for([Entry(flat(), FLAT_K, np.eye(4), None, None)])
    far = voxel_size_for([Entry(flat(3.0), FLAT_K, np.eye(4), None, None)])

    assert near == pytest.approx(1 / 50)
    assert far == pytest.approx(3 / 50)


def test_the_voxel_is_never_so_small_that_memory_runs_out():
    fine_K = np.array([[5000.0, 0, 999.5], [0, 5000.0, 0.5], [0, 0, 1]])
    size = voxel_size_for([Entry(np.ones((2, 2000)), fine_K, np.eye(4), None, None)])

    assert size == pytest.approx(FINEST * 0.4, rel=0.05)  # 2000 pixels of 1/5000, less the outermost


def test_a_voxel_far_too_small_is_refused_instead_of_filling_the_memory(monkeypatch):
    monkeypatch.setattr("pointmap.fusion.tsdf._MOST_BLOCKS", 1000)

    with pytest.raises(InputError, match=r"Depth map 0: .*larger voxel_size"):
        pointmap.fuse([flat()], FLAT_K, [np.eye(4)], voxel_size=0.002)


def test_one_wild_depth_does_not_coarsen_the_voxels():
    depth = flat()
    depth[0, 0] = 1e6

    mesh = pointmap.fuse([depth], FLAT_K, [np.eye(4)])

    assert (np.abs(mesh.vertices[:, 2] - 1) < 1e-3).mean() > 0.9


def test_progress_is_told_and_may_cancel():
    told = []
    pointmap.fuse([flat()] * 3, FLAT_K, [np.eye(4)] * 3, progress=lambda *step: told.append(step))

    assert told == [("fuse", 1, 3), ("fuse", 2, 3), ("fuse", 3, 3)]

    def stop(stage: str, done: int, total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        pointmap.fuse([flat()] * 3, FLAT_K, [np.eye(4)] * 3, progress=stop)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depths": [], "world_from_cam": []}, "no depth maps"),
        ({"depths": iter([]), "world_from_cam": iter([])}, "no depth maps"),
        ({"world_from_cam": [np.eye(4)]}, "numbers differ"),
        ({"world_from_cam": iter([np.eye(4)])}, "only 1 of world_from_cam"),
        ({"colors": [np.zeros((24, 40, 3), np.uint8)]}, "numbers differ"),
        ({"intrinsics": np.zeros((3, 3))}, "pinhole matrix"),
        ({"world_from_cam": [np.eye(4), np.diag([2.0, 1, 1, 1])]}, "Depth map 1: .*not rigid"),
        ({"depths": [flat(), flat()[None]]}, r"Depth map 1: .*\(1, 24, 40\)"),
        ({"voxel_size": 0.0}, "voxel_size is 0"),
        ({"truncation": -1.0}, "truncation is -1"),
        ({"max_depth": 0.0}, "max_depth is 0"),
        ({"colors": [np.zeros((24, 40), np.uint8)] * 2}, "Depth map 0: Colours"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    good = {"depths": [flat(), flat()], "intrinsics": FLAT_K, "world_from_cam": [np.eye(4)] * 2}

    with pytest.raises(InputError, match=message):
        pointmap.fuse(**(good | {"voxel_size": 0.05} | change))


def test_the_fused_room_lies_on_its_walls_and_has_their_colours():
    scene = without_registration(make_scene(scale=4, num_photos=6), 5)

    mesh = fuse_scene(scene, voxel_size=0.03)

    assert np.quantile(distance_to_surface(mesh.vertices), 0.95) < 0.01
    assert mesh.visual.kind == "vertex"


def test_a_scene_counts_by_confidence_and_keeps_what_its_masks_keep():
    scene = make_scene(scale=4, num_photos=2)
    one = replace(scene, confidences=[np.full_like(scene.confidences[0], 100.0), np.ones_like(scene.confidences[1])])

    kept = fuse_scene(one, voxel_size=0.05, min_confidence=2.0)
    empty = fuse_scene(one, min_confidence=200.0)

    assert 0 < len(kept.faces) < len(fuse_scene(scene, voxel_size=0.05).faces)
    assert len(empty.faces) == 0
