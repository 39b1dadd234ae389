"""Cameras and points from matches of a scene that was made up."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from sfm.sfm_scenes import FOCAL, SIZE, Made, orbit, seen_from

from pointmap.errors import InputError
from pointmap.geometry.matching import PairMatches
from pointmap.metrics import pose_errors
from pointmap.sfm import collect_matches, map_photos

pytest.importorskip("pycolmap", reason="needs pycolmap: pip install 'pointmap[colmap]'")


def worst_deg(found: np.ndarray, true: np.ndarray) -> float:
    errors = pose_errors(torch.from_numpy(found), torch.from_numpy(true))
    return float(torch.maximum(errors.rotation_deg, errors.direction_deg).max())


@pytest.mark.parametrize("method", ["incremental", "global"])
def test_mapping_finds_the_cameras_the_focal_length_and_the_points(method):
    scene = orbit(6, noise_px=0.1)

    (model,) = map_photos(scene.photos(focal=1.2 * FOCAL, known=False), method=method)

    assert model.registered.all()
    assert worst_deg(model.world_from_cam, scene.world_from_cam) < 0.3
    np.testing.assert_allclose(model.intrinsics[:, 0, 0], FOCAL, rtol=0.01)
    np.testing.assert_allclose(model.intrinsics[:, :2, 2], np.tile([300.0, 215.0], (6, 1)))
    assert len(model.points) > 200
    assert 0.02 < model.mean_error < 0.2


def test_three_photos_with_few_points_on_their_first_try_and_the_same_again():
    photos = orbit(3, points=60, noise_px=0.3).photos()

    (model,), (again,) = map_photos(photos, seed=3), map_photos(photos, seed=3)

    assert model.registered.all()
    np.testing.assert_array_equal(model.world_from_cam, again.world_from_cam)
    np.testing.assert_array_equal(model.points, again.points)


def test_a_large_photo_whose_keypoints_come_from_a_small_copy_is_registered_as_the_small_one():
    small = orbit(4, noise_px=0.5).photos()
    to_large = np.diag([8.0, 8.0, 1.0])
    large = replace(
        small,
        image_sizes=8 * small.image_sizes,
        intrinsics=to_large @ small.intrinsics,
        keypoints=tuple(8 * pixels for pixels in small.keypoints),
    )

    (of_small,), (of_large,) = map_photos(small), map_photos(large)

    assert of_large.registered.all()
    assert len(of_large.points) == pytest.approx(len(of_small.points), rel=0.05)


def test_what_is_fixed_stays():
    scene = orbit(4)

    (model,) = map_photos(scene.photos(focal=1.03 * FOCAL), fixed=[True] * 4)

    np.testing.assert_allclose(model.intrinsics[:, 0, 0], 1.03 * FOCAL)


@pytest.mark.parametrize("method", ["incremental", "global"])
def test_points_take_their_colours_from_the_photos(tmp_path, method):
    photos = orbit(3, points=60).photos(names=["a.png", "b.png", "c.png"])
    for name in photos.names:
        Image.new("RGB", SIZE, (10, 200, 90)).save(tmp_path / name)

    (model,) = map_photos(photos, method=method, images=tmp_path)

    assert len(model.points) > 30
    assert (model.colors == [10, 200, 90]).all()


def test_two_scenes_in_one_set_become_two_models():
    first, second = orbit(5), orbit(3, seed=1)
    moved = [PairMatches(m.view_i + 5, m.view_j + 5, m.pixels_i, m.pixels_j, m.weights) for m in second.matches()]
    photos = collect_matches(
        [*first.matches(), *moved], np.tile(SIZE, (8, 1)), np.tile(first.K, (8, 1, 1)), known=[True] * 8
    )

    large, small = map_photos(photos)

    assert large.registered.tolist() == [True] * 5 + [False] * 3
    assert small.registered.tolist() == [False] * 5 + [True] * 3
    assert np.isnan(large.world_from_cam[5:]).all()


def still(scene: Made) -> Made:
    """All photos the same."""
    return seen_from(scene.points, np.tile(scene.world_from_cam[:1], (4, 1, 1)))


def turning(scene: Made) -> Made:
    """From one place into different directions."""
    poses = np.tile(scene.world_from_cam[:1], (4, 1, 1))
    for number, pose in enumerate(poses):
        angle = 0.05 * number
        turn = [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
        pose[:3, :3] = pose[:3, :3] @ turn
    return seen_from(scene.points, poses, noise_px=0.1)


@pytest.mark.parametrize("motion", [still, turning])
@pytest.mark.parametrize("method", ["incremental", "global"])
def test_photos_from_one_place_tell_no_structure_and_do_no_harm(motion, method):
    models = map_photos(motion(orbit(4)).photos(), method=method)

    assert sum(len(model.points) for model in models) == 0


def test_photos_that_share_nothing_give_no_model():
    wrong = np.random.default_rng(0).uniform(0, 400, (2, 100, 2))
    match = PairMatches(0, 1, *torch.from_numpy(wrong), torch.ones(100))
    sizes, K = np.tile(SIZE, (3, 1)), np.tile(orbit(1).K, (3, 1, 1))

    assert map_photos(collect_matches([match], sizes, K)) == []
    assert map_photos(collect_matches([], sizes, K)) == []


def test_an_unknown_mapper_is_refused():
    with pytest.raises(InputError, match=r"'magic'.*'incremental' or 'global'"):
        map_photos(orbit(3, points=40).photos(), method="magic")
