"""Tracks on a wavy, textured wall that is known in closed form: where photos show a point is found in the photos."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pointmap.fusion.patches import align_patches, plane_homographies, pyramid
from pointmap.fusion.tracks import Tracks, TrackView, find_tracks
from pointmap.fusion.triangulation import triangulate

SHAPE = (270, 400)
K = np.array([[420.0, 0.0, 185.0], [0.0, 430.0, 150.0], [0.0, 0.0, 1.0]])
STEP = 4
"""Pixels of the photos per pixel of the depth maps."""


def wall_depth(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return 3.0 + 0.3 * x + 0.1 * np.sin(2 * y)


def texture(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Smooth, without repetition, and with contrast in every direction."""
    rng = np.random.default_rng(3)
    value = np.zeros_like(x)
    for _ in range(40):
        frequency, phase = rng.normal(size=2) * 35, rng.uniform(0, 2 * np.pi)
        value += np.sin(frequency[0] * x + frequency[1] * y + phase)
    return np.clip(128 + 18 * value, 0, 255)


def pose(x: float, y: float, turn: float) -> np.ndarray:
    world_from_cam = np.eye(4)
    c, s = np.cos(turn), np.sin(turn)
    world_from_cam[:3, :3] = [[c, 0, s], [0, 1, 0], [-s, 0, c]]
    world_from_cam[:3, 3] = x, y, 0
    return world_from_cam


def on_wall(world_from_cam: np.ndarray, u: np.ndarray, v: np.ndarray, K: np.ndarray = K) -> tuple[np.ndarray, ...]:
    """The world point that a pixel shows, and its depth; by fixed-point iteration, since the wall is nearly flat."""
    rays = np.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1], np.ones_like(u)], -1) @ world_from_cam[:3, :3].T
    distance = np.full(u.shape, 3.0)
    for _ in range(60):
        point = world_from_cam[:3, 3] + distance[..., None] * rays
        distance = distance + (wall_depth(point[..., 0], point[..., 1]) - point[..., 2]) / rays[..., 2]
    return world_from_cam[:3, 3] + distance[..., None] * rays, distance


def wall_view(world_from_cam: np.ndarray) -> TrackView:
    v, u = np.indices(SHAPE, float)
    point, _ = on_wall(world_from_cam, u, v)
    image = np.rint(texture(point[..., 0], point[..., 1])).astype(np.uint8)
    small = np.array([[1 / STEP, 0, (1 / STEP - 1) / 2], [0, 1 / STEP, (1 / STEP - 1) / 2], [0, 0, 1]]) @ K
    v, u = np.indices([side // STEP for side in SHAPE], float)
    depth = on_wall(world_from_cam, u, v, small)[1].astype(np.float32)
    colors = np.full((*depth.shape, 3), [10, 20, 30], np.uint8)
    return TrackView(image, K, world_from_cam, depth, np.ones(depth.shape, bool), colors, small)


@pytest.fixture(scope="module")
def wall() -> list[TrackView]:
    return [wall_view(pose(x, y, turn)) for x, y, turn in ((0.0, 0.0, 0.0), (0.5, 0.1, -0.1), (-0.4, 0.0, 0.15))]


def errors_px(views: list[TrackView], tracks: Tracks) -> np.ndarray:
    """Distance of every place of a track from where the photo truly shows what the first place shows."""
    first = np.unique(tracks.track_points, return_index=True)[1][tracks.track_points]
    errors = np.zeros(len(first))
    for k, (start, view) in enumerate(zip(first, tracks.track_views, strict=True)):
        u, v = tracks.track_pixels[start]
        point = on_wall(views[tracks.track_views[start]].world_from_cam, u[None], v[None])[0][0]
        cam = np.linalg.inv(views[view].world_from_cam) @ [*point, 1.0]
        errors[k] = np.linalg.norm((K @ cam[:3])[:2] / cam[2] - tracks.track_pixels[k])
    return errors


def test_places_are_where_the_photos_show_the_point_to_a_tenth_of_a_pixel(wall):
    tracks = find_tracks(wall, max_points=300, progress=None)

    assert 150 < len(tracks.points) <= 300
    assert np.bincount(tracks.track_points).min() >= 2
    assert (np.diff(tracks.track_points) >= 0).all()
    errors = errors_px(wall, tracks)
    assert np.median(errors) < 0.03
    assert np.quantile(errors, 0.95) < 0.15
    distance = wall_depth(tracks.points[:, 0], tracks.points[:, 1]) - tracks.points[:, 2]
    assert np.abs(distance).mean() < 0.003
    assert (tracks.colors == [10, 20, 30]).all()


def test_wrong_cameras_do_not_move_the_places(wall):
    """Otherwise bundle adjustment could not correct them."""
    turned = wall[1].world_from_cam @ pose(0, 0, 0.006)  # 2.5 pixels
    wrong = [wall[0], replace(wall[1], world_from_cam=turned)]

    tracks = find_tracks(wrong, max_points=300, progress=None)

    assert len(tracks.points) > 100
    assert np.median(errors_px(wall[:2], tracks)) < 0.05


def test_points_are_spread_over_the_photo(wall):
    tracks = find_tracks(wall, max_points=200, progress=None)

    pixels = tracks.track_pixels[tracks.track_views == 0]
    occupied = {(int(u) // 100, int(v) // 90) for u, v in pixels}
    assert len(occupied) >= 11  # of 12, one of which the other photos hardly see


def test_pixels_that_are_not_trusted_or_hidden_are_in_no_track(wall):
    mask = wall[0].mask.copy()
    mask[:, :50] = False  # the left half
    nearer = replace(wall[2], depth=wall[2].depth * 0.8)  # shows something in front of the wall
    views = [replace(wall[0], mask=mask), wall[1], nearer]

    tracks = find_tracks(views, max_points=300, progress=None)

    assert len(tracks.points) > 50
    assert set(tracks.track_views) == {0, 1}
    assert tracks.track_pixels[tracks.track_views == 0][:, 0].min() > 50 * STEP - 2


def test_noise_of_a_depth_sensor_costs_few_points_and_no_accuracy(wall):
    rng = np.random.default_rng(1)
    noisy = [replace(view, depth=view.depth * (1 + 0.02 * rng.normal(size=view.depth.shape))) for view in wall]

    tracks = find_tracks(noisy, max_points=300, progress=None)

    assert len(tracks.points) > 120
    assert np.median(errors_px(wall, tracks)) < 0.05


def test_corners_at_the_edge_of_something_nearer_are_left_out(wall):
    """What the patch shows of the background is elsewhere in other photos."""
    depth = wall[0].depth.copy()
    depth[:, 40:60] *= 0.7
    views = [replace(wall[0], depth=depth), *wall[1:]]

    tracks = find_tracks(views, max_points=300, progress=None)

    chosen = tracks.track_pixels[np.unique(tracks.track_points, return_index=True)[1]]
    own = chosen[tracks.track_views[np.unique(tracks.track_points, return_index=True)[1]] == 0]
    assert len(own) > 30
    assert (np.abs(own[:, :1] - [40 * STEP, 60 * STEP]) > 4).all()


def test_without_common_surface_or_contrast_there_are_no_points(wall):
    behind = replace(wall[1], world_from_cam=wall[1].world_from_cam @ np.diag([-1.0, 1, -1, 1]))
    grey = [replace(view, image=np.full_like(view.image, 90)) for view in wall]
    nothing = [replace(view, mask=np.zeros_like(view.mask)) for view in wall]

    for views in ([], wall[:1], [wall[0], behind], grey, nothing):
        tracks = find_tracks(views, progress=None)
        assert tracks.points.shape == (0, 3)
        assert tracks.track_pixels.shape == (0, 2)


def test_progress_is_reported_per_photo(wall):
    calls = []

    find_tracks(wall, max_points=50, progress=lambda *call: calls.append(call))

    assert calls == [("tracks", done, 3) for done in (1, 2, 3)]


def test_a_patch_is_found_again_from_pixels_away_and_in_other_light(wall):
    u, v = (values.ravel() for values in np.meshgrid(np.arange(80, 300, 20.0), np.arange(60, 220, 20.0)))
    point, depth = on_wall(wall[0].world_from_cam, u, v)
    cam = (point - wall[1].world_from_cam[:3, 3]) @ wall[1].world_from_cam[:3, :3]
    truth = (cam / cam[:, 2:] @ K.T)[:, :2]
    pixels, inverse = torch.from_numpy(np.stack([u, v], 1)), torch.from_numpy(1 / depth)
    slopes = torch.tensor([-0.3 / 3 / K[0, 0], 0.0]).double().expand(len(u), 2)
    j_from_i = torch.from_numpy(np.linalg.inv(wall[1].world_from_cam) @ wall[0].world_from_cam)
    H = plane_homographies(pixels, inverse, slopes, torch.from_numpy(K), torch.from_numpy(K), j_from_i)
    off = torch.tensor([[1.0, 0, 3.0], [0, 1, -2.0], [0, 0, 1]]).double() @ H
    darker = torch.from_numpy(wall[1].image * 0.5 + 40)

    found, alike = align_patches(pyramid(torch.from_numpy(wall[0].image * 1.0)), pyramid(darker), pixels, off)

    good = alike.numpy() > 0.9
    assert good.mean() > 0.8
    assert np.median(np.linalg.norm(found.numpy() - truth, axis=1)[good]) < 0.05


def test_points_are_triangulated_from_their_pixels_and_not_from_the_start():
    rng = np.random.default_rng(0)
    points = rng.uniform([-1, -1, 3], [1, 1, 5], (40, 3))
    poses = [pose(x, 0.1 * x, -0.1 * x) for x in (-0.6, 0.0, 0.7)]
    cameras = np.stack([K @ np.linalg.inv(world_from_cam)[:3] for world_from_cam in poses])
    index, view = (values.ravel() for values in np.meshgrid(np.arange(40), np.arange(3), indexing="ij"))
    mapped = np.einsum("tij,tj->ti", cameras[view], np.pad(points[index], ((0, 0), (0, 1)), constant_values=1))
    pixels = mapped[:, :2] / mapped[:, 2:]
    pixels[0] += 60  # one of three places of the first point is wrong

    found, errors = triangulate(points * 1.05, poses[1][:3, 3], cameras, index, view, pixels)

    np.testing.assert_allclose(found[1:], points[1:], atol=2e-2)
    assert errors[3:].max() < 0.3
    assert errors[0] > 30
