import numpy as np
import pytest
import torch
from ball_views import AROUND, CENTRE, RADIUS, WALL_Z, K, ball_views, distance_to_ball
from scipy.spatial import KDTree

from pointmap import InputError
from pointmap.fusion.tsdf import TsdfVolume

VOXEL = 0.03
FLAT_K = np.array([[50.0, 0, 21.0], [0, 55.0, 12.0], [0, 0, 1]])


def fused(depths, poses, colors=None, *, voxel_size=VOXEL, **settings) -> TsdfVolume:
    volume = TsdfVolume(voxel_size, **settings)
    for index, (depth, pose) in enumerate(zip(depths, poses, strict=True)):
        volume.integrate(depth, K, pose, None if colors is None else colors[index])
    return volume


@pytest.fixture(scope="module")
def ball():
    depths, colors, poses = ball_views()
    return fused(depths, poses, colors).mesh()


def test_a_ball_seen_from_all_around_is_closed_and_has_its_size(ball):
    assert ball.is_watertight
    assert ball.euler_number == 2
    assert ball.volume == pytest.approx(4 / 3 * np.pi * RADIUS**3, rel=0.01)  # above 0: faces look outwards


def test_vertices_are_within_a_fraction_of_a_voxel_of_the_surface(ball):
    distance = distance_to_ball(ball.vertices) / VOXEL

    assert distance.mean() < 0.08
    assert distance.max() < 0.5


def test_vertices_have_the_colours_of_the_surface(ball):
    left = ball.vertices[:, 0] < CENTRE[0] - 2 * VOXEL
    right = ball.vertices[:, 0] > CENTRE[0] + 2 * VOXEL
    colors = np.asarray(ball.visual.vertex_colors)[:, :3].astype(int)

    assert np.abs(colors[left] - [200, 40, 20]).max() <= 5
    assert np.abs(colors[right] - [20, 180, 60]).max() <= 5


def test_memory_grows_with_the_surface_and_not_with_the_volume():
    depths, _, poses = ball_views()
    coarse, fine = fused(depths, poses), fused(depths, poses, voxel_size=VOXEL / 2)

    assert 3 < fine.num_blocks / coarse.num_blocks < 5  # a solid volume: 8


def test_the_order_of_depth_maps_does_not_matter():
    depths, colors, poses = ball_views()
    forth, back = fused(depths, poses, colors), fused(depths[::-1], poses[::-1], colors[::-1])

    one, other = forth.mesh(), back.mesh()

    assert one.vertices.shape == other.vertices.shape
    distance, nearest = KDTree(other.vertices).query(one.vertices)
    assert distance.max() < 0.02 * VOXEL
    difference = np.asarray(one.visual.vertex_colors, int) - np.asarray(other.visual.vertex_colors, int)[nearest]
    assert np.abs(difference).max() <= 1


def test_a_ball_before_a_wall_gets_no_skirt_and_no_colour_of_it():
    depths, colors, poses = ball_views(np.array([[-0.6, 0, -1], [0, 0.3, -1], [0.5, -0.4, -1.0]]), wall=True)

    mesh = fused(depths, poses, colors).mesh()

    off = np.minimum(distance_to_ball(mesh.vertices), np.abs(mesh.vertices[:, 2] - WALL_Z))
    assert np.quantile(off, 0.95) < 0.25 * VOXEL
    assert off.max() < VOXEL
    on_ball = distance_to_ball(mesh.vertices) < 0.5 * VOXEL
    blue = np.asarray(mesh.visual.vertex_colors)[:, 2] > 120
    assert blue[on_ball].mean() < 0.01
    assert blue[~on_ball].mean() > 0.99


def test_far_from_the_origin_nothing_gets_coarse():
    depths, _, poses = ball_views()
    away = np.array([4.5e5, 5.3e6, 300.0])
    poses[:, :3, 3] += away

    mesh = fused(depths, poses).mesh()

    assert mesh.is_watertight
    assert distance_to_ball(mesh.vertices - away).max() < 0.5 * VOXEL


def test_many_noisy_maps_are_better_than_one():
    rng = np.random.default_rng(0)
    depths = [np.full((24, 40), 1.0) * (1 + 0.02 * rng.standard_normal((24, 40))) for _ in range(30)]
    errors = {}
    for count in (1, 30):
        volume = TsdfVolume(0.02, truncation=0.1)
        for depth in depths[:count]:
            volume.integrate(depth, FLAT_K, np.eye(4))
        errors[count] = float(np.sqrt(((volume.mesh().vertices[:, 2] - 1) ** 2).mean()))

    assert errors[30] < 0.3 * errors[1]


def test_the_surface_lies_at_the_weighted_mean_of_depths():
    volume = TsdfVolume(0.02)
    volume.integrate(np.full((24, 40), 1.0), FLAT_K, np.eye(4), weight=3.0)
    volume.integrate(np.full((24, 40), 1.02), FLAT_K, np.eye(4), weight=np.ones((24, 40)))

    np.testing.assert_allclose(volume.mesh().vertices[:, 2], 1.005, atol=1e-3)


def test_pixels_outside_the_mask_make_no_surface():
    mask = np.zeros((24, 40), bool)
    mask[:, :20] = True
    volume = TsdfVolume(0.02)
    volume.integrate(np.full((24, 40), 1.0), FLAT_K, np.eye(4), mask=mask)

    border = (19.5 - FLAT_K[0, 2]) / FLAT_K[0, 0]
    assert volume.mesh().bounds[1, 0] == pytest.approx(border, abs=0.025)


def test_the_two_sides_of_a_thick_wall_do_not_carve_each_other():
    back = np.diag([-1.0, 1, -1, 1])
    back[2, 3] = 2.2  # the other side of a wall from z = 1 to z = 1.2, seen from behind
    volume = TsdfVolume(0.02)
    for pose in (np.eye(4), back, np.eye(4)):
        volume.integrate(np.full((24, 40), 1.0), FLAT_K, pose)

    z = volume.mesh().vertices[:, 2]

    assert (np.abs(z - 1) < 0.01).mean() == pytest.approx(0.5, abs=0.1)
    assert (np.minimum(np.abs(z - 1), np.abs(z - 1.2)) < 0.01).all()


def test_surface_with_too_little_weight_is_left_out():
    volume = TsdfVolume(0.02)
    volume.integrate(np.full((24, 40), 1.0), FLAT_K, np.eye(4))

    assert len(volume.mesh(min_weight=0.5).faces) > 0
    assert len(volume.mesh(min_weight=1.5).faces) == 0


def test_a_coarse_map_leaves_no_holes_in_fine_voxels():
    volume = TsdfVolume(0.004)  # pixels are five voxels apart
    volume.integrate(np.full((24, 40), 1.0), FLAT_K, np.eye(4))

    mesh = volume.mesh()
    assert mesh.euler_number == 1  # one sheet: in one piece, without holes
    assert mesh.area == pytest.approx(24 / 55 * 40 / 50, rel=0.05)


def test_frames_without_a_known_depth_change_nothing():
    volume = TsdfVolume(0.02)
    for value in (0.0, np.nan, np.inf, -1.0):
        volume.integrate(np.full((5, 7), value), FLAT_K, np.eye(4))

    assert volume.num_blocks == 0
    assert len(volume.mesh().faces) == 0


def test_a_single_pixel_is_no_trouble():
    volume = TsdfVolume(0.02)
    volume.integrate(np.ones((1, 1)), np.array([[50.0, 0, 0], [0, 50, 0], [0, 0, 1]]), np.eye(4))

    np.testing.assert_allclose(volume.mesh().vertices[:, 2], 1.0, atol=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depth": np.ones((3, 4, 1))}, r"\(h, w\)"),
        ({"intrinsics": np.zeros((3, 3))}, "pinhole matrix"),
        ({"intrinsics": np.eye(4)}, "pinhole matrix"),
        ({"world_from_cam": 2 * np.eye(4)}, "not rigid"),
        ({"world_from_cam": np.diag([1.0, 1, -1, 1])}, "not rigid"),
        ({"world_from_cam": np.full((4, 4), np.inf)}, "finite"),
        ({"color": np.zeros((3, 4), np.uint8)}, r"\(3, 4, 3\)"),
        ({"color": np.zeros((3, 4, 3), np.int64)}, "uint8"),
        ({"weight": np.ones((4, 3))}, r"weight map has shape \(4, 3\)"),
        ({"mask": np.ones((4, 3), bool)}, r"mask map has shape \(4, 3\)"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    good = {"depth": np.ones((3, 4)), "intrinsics": FLAT_K, "world_from_cam": np.eye(4)}

    with pytest.raises(InputError, match=message):
        TsdfVolume(0.1).integrate(**(good | change))


def test_colours_are_there_for_all_depth_maps_or_for_none():
    volume = TsdfVolume(0.1)
    volume.integrate(np.ones((3, 4)), FLAT_K, np.eye(4))

    with pytest.raises(InputError, match="all of them, or for none"):
        volume.integrate(np.ones((3, 4)), FLAT_K, np.eye(4), np.zeros((3, 4, 3), np.uint8))


@pytest.mark.parametrize("sizes", [(0.0,), (np.nan,), (-1.0,), (0.1, 0.1), (0.1, np.inf)])
def test_sizes_that_make_no_volume_are_refused(sizes):
    with pytest.raises(InputError, match=r"voxel_size is|truncation is"):
        TsdfVolume(*sizes)


@pytest.mark.gpu
def test_cuda_agrees_with_the_cpu():
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    depths, colors, poses = ball_views(AROUND[::3])
    one, other = (fused(depths, poses, colors, device=device).mesh() for device in ("cpu", "cuda"))

    assert one.vertices.shape == other.vertices.shape
    np.testing.assert_allclose(one.vertices, other.vertices, atol=0.01 * VOXEL)
