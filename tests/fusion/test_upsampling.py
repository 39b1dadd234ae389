"""Maps at the photo's resolution: exact on planes, with the edges of the photo and nothing between surfaces."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scenes import make_scene, render, without_registration

from pointmap.errors import InputError
from pointmap.fusion.upsampling import upsample_maps
from pointmap.scene import Photo, PhotoMaps, Scene

FACTOR = 6


@pytest.fixture(scope="module")
def room() -> tuple[Scene, list[Photo], list[np.ndarray]]:
    """A scene with small maps, its photos (one of them portrait) and their true depths."""
    scene = make_scene(scale=4, num_photos=3)
    enlarge = np.array([[FACTOR, 0, (FACTOR - 1) / 2], [0, FACTOR, (FACTOR - 1) / 2], [0, 0, 1.0]])
    photos, depths = [], []
    for K_small, pose, small in zip(scene.working_intrinsics, scene.world_from_cam, scene.depths, strict=True):
        K = enlarge @ K_small
        depth, color = render(K, pose, small.shape[1] * FACTOR, small.shape[0] * FACTOR)
        photos.append(Photo(color, K))
        depths.append(depth)
    return scene, photos, depths


def enlarged(room: tuple, index: int) -> PhotoMaps:
    """The maps of a photo of the room, from its small ones."""
    scene, photos, _ = room
    kept = scene.masks()[index]
    K = scene.working_intrinsics[index]
    return upsample_maps(photos[index], scene.depths[index], scene.confidences[index], kept, K)


def beside_edges(depth: np.ndarray, reach: int) -> np.ndarray:
    """True within some pixels of a step of depth."""
    import cv2

    step = np.zeros(depth.shape, np.uint8)
    step[:, 1:] |= np.abs(np.diff(depth, axis=1)) > 0.05 * depth[:, 1:]
    step[1:] |= np.abs(np.diff(depth, axis=0)) > 0.05 * depth[1:]
    return cv2.dilate(step, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) > 0


@pytest.mark.parametrize("index", [0, 2])
def test_depth_edges_are_where_the_photo_has_them(room, index):
    import cv2

    scene, _, depths = room
    true, small = depths[index], scene.depths[index]
    size = true.shape[::-1]

    found = enlarged(room, index).depth

    def error(depth):
        return (np.abs(depth - true) / true)[beside_edges(true, 5)].mean()

    assert error(found) < 0.02
    assert error(found) < 0.25 * error(cv2.resize(small, size, interpolation=cv2.INTER_NEAREST_EXACT))
    assert error(found) < 0.25 * error(cv2.resize(small, size, interpolation=cv2.INTER_LINEAR))


@pytest.mark.parametrize("index", [0, 2])
def test_no_depth_lies_between_two_surfaces(room, index):
    import cv2

    true = room[2][index]
    window = np.ones((2 * FACTOR + 1, 2 * FACTOR + 1), np.uint8)
    front, back = cv2.erode(true, window), cv2.dilate(true, window)
    is_edge = back > 1.3 * front

    def hanging(depth):
        return ((depth > 1.12 * front) & (depth < 0.88 * back))[is_edge].mean()

    assert is_edge.mean() > 0.01
    assert hanging(enlarged(room, index).depth) < 0.02
    assert hanging(cv2.resize(room[0].depths[index], true.shape[::-1])) > 0.1


def test_planes_stay_planes_up_to_the_border():
    K_small, factor = np.array([[40.0, 0, 17.3], [0, 42.0, 10.6], [0, 0, 1]]), 5
    K = np.array([[factor, 0, (factor - 1) / 2], [0, factor, (factor - 1) / 2], [0, 0, 1.0]]) @ K_small

    def plane(matrix, height, width):
        u, v = np.meshgrid(np.arange(width), np.arange(height))
        rays = np.stack([(u - matrix[0, 2]) / matrix[0, 0], (v - matrix[1, 2]) / matrix[1, 1], np.ones_like(u)], -1)
        return (1.0 / (rays @ [0.3, 0.9, 0.5])).astype(np.float32)  # steep: a floor

    rng = np.random.default_rng(0)
    photo = Photo(rng.integers(0, 256, (24 * factor, 36 * factor, 3), dtype=np.uint8), K)
    small = plane(K_small, 24, 36)
    assert small.max() > 3 * small.min()

    maps = upsample_maps(photo, small, np.full(small.shape, 2, np.float32), np.ones(small.shape, bool), K_small)

    np.testing.assert_allclose(maps.depth, plane(K, 24 * factor, 36 * factor), rtol=2e-4)
    np.testing.assert_allclose(maps.confidence, 2)
    assert maps.mask.all()


def test_strips_do_not_show(room, monkeypatch):
    whole = enlarged(room, 0)
    monkeypatch.setattr("pointmap.fusion.upsampling._STRIP_PIXELS", 60 * whole.depth.shape[1])

    parts = enlarged(room, 0)

    assert (np.abs(parts.depth - whole.depth) > 1e-4 * whole.depth).mean() < 1e-3
    assert (parts.mask != whole.mask).mean() < 1e-3


def test_the_mask_reaches_the_edges_and_leaves_out_what_the_small_one_does(room):
    scene, photos, depths = room
    kept = scene.masks()[0]
    kept[:20] = False

    maps = upsample_maps(photos[0], scene.depths[0], scene.confidences[0], kept, scene.working_intrinsics[0])

    edges = beside_edges(depths[0], FACTOR)
    assert kept[beside_edges(scene.depths[0], 1)].mean() < 0.1
    assert maps.mask[edges].mean() > 0.7
    assert not maps.mask[: 20 * FACTOR].any()
    assert maps.mask[20 * FACTOR :].mean() > 0.95


def test_the_border_of_a_mask_follows_the_photo():
    photo = np.full((120, 160, 3), 60, np.uint8)
    photo[:, 83:] = 200  # the object, whose small mask is a little too large
    depth = np.full((12, 16), 2, np.float32)
    depth[:, :8] = 0
    K_small = np.array([[20.0, 0, 7.5], [0, 20.0, 5.5], [0, 0, 1]])
    K = np.array([[10, 0, 4.5], [0, 10, 4.5], [0, 0, 1.0]]) @ K_small

    maps = upsample_maps(Photo(photo, K), depth, np.full(depth.shape, 2, np.float32), depth > 0, K_small)

    np.testing.assert_array_equal(maps.depth[30] > 0, np.arange(160) >= 83)
    np.testing.assert_array_equal(maps.mask, maps.depth > 0)


def test_original_files_are_used_and_nothing_is_known_beyond_the_crop(tmp_path):
    scene = make_scene(num_photos=1, scale=2)
    width, height = 400, 240  # 320 of these columns are seen by the working image of 64 x 48, moved by 30
    K = np.array([[5, 0, 2], [0, 5, 2], [0, 0, 1.0]]) @ scene.working_intrinsics[0]
    K[0, 2] += 30
    _, color = render(K, np.eye(4), width, height)
    Image.fromarray(color).save(tmp_path / "photo.png")
    scene = replace(scene, paths=(tmp_path / "photo.png",), image_sizes=np.array([[width, height]]), intrinsics=K[None])

    maps = scene.photo_maps(0)
    shrunk = scene.photo_maps(0, max_size=200)

    assert maps.image.shape == (height, width, 3)
    np.testing.assert_array_equal((maps.depth > 0).all(axis=0), (np.arange(width) >= 30) & (np.arange(width) < 350))
    assert not maps.mask[:, :30].any()
    assert (maps.confidence[:, 30:350] == 4).all()
    assert shrunk.depth.shape == (120, 200)
    np.testing.assert_allclose(shrunk.depth[60, 100], maps.depth[120:122, 200:202].mean(), rtol=1e-3)


def test_sky_ends_where_the_photo_has_its_edge_and_has_no_depth(tmp_path):
    scene = make_scene(num_photos=1, scale=2)
    sky = np.zeros((48, 64), np.float32)
    sky[:20] = 1  # on a photo five times as large, whose sky ends a row lower
    photo = np.full((240, 320, 3), 60, np.uint8)
    photo[:101] = 230
    Image.fromarray(photo).save(tmp_path / "photo.png")
    scene = replace(scene, sky=[sky], paths=(tmp_path / "photo.png",))

    assert (scene.photo_maps(0).depth > 0).all()
    maps = scene.photo_maps(0, mask_sky=True)

    np.testing.assert_array_equal(maps.depth[:, 100] > 0, np.arange(240) >= 101)
    assert not maps.mask[:101].any()


def test_photos_that_are_shown_smaller_than_the_maps_have_maps_too():
    scene = make_scene(num_photos=1, scale=2)

    maps = scene.photo_maps(0, max_size=20)

    assert maps.depth.shape == maps.image.shape[:2] == (15, 20)
    assert maps.mask.mean() > 0.7
    assert np.median(np.abs(maps.depth / scene.depths[0][1::3, 1::3][:15, :20] - 1)) < 0.02


def test_a_photo_that_is_not_registered_keeps_nothing():
    scene = without_registration(make_scene(num_photos=2), 1)

    assert not scene.photo_maps(1).mask.any()


def test_a_photo_without_any_depth_has_empty_maps():
    scene = make_scene(num_photos=1)
    scene = replace(scene, depths=[np.full_like(scene.depths[0], np.nan)])

    maps = scene.photo_maps(0)

    assert not maps.depth.any()
    assert not maps.confidence.any()
    assert not maps.mask.any()


def test_settings_are_checked():
    with pytest.raises(InputError, match="consistency"):
        make_scene(num_photos=1).photo_maps(0, consistency=-0.5)
