from dataclasses import replace

import numpy as np
import pytest
import torch
from scenes import BALL_CENTRE, BALL_RADIUS, make_scene

from pointmap.errors import InputError
from pointmap.fusion.masks import flying_pixels, robust_min_confidence
from pointmap.geometry.cameras import camera_rays


def test_pixels_between_two_surfaces_fly():
    depth = torch.full((9, 12), 2.0)
    depth[:, 6:] = 4.0
    depth[:, 5] = 3.0  # hangs in the air

    flying = flying_pixels(depth)

    assert flying[:, 5].all()
    assert not flying[:, :4].any()
    assert not flying[:, 7:].any()


def test_a_floor_at_a_grazing_angle_does_not_fly():
    K = torch.tensor([[20.0, 0, 11.2], [0, 21.0, 2.1], [0, 0, 1]])
    depth = 1.5 / camera_rays(18, 24, K)[4:, :, 1]  # a floor 1.5 below the camera

    assert depth.max() / depth.min() > 5
    assert not flying_pixels(depth).any()


def test_invalid_depths_neither_fly_nor_make_their_neighbours_fly():
    depth = torch.full((8, 10), 2.0)
    depth[3, 4], depth[5, 5], depth[6, 2] = torch.nan, 0.0, torch.inf

    assert not flying_pixels(depth).any()


def test_the_default_threshold_keeps_everything_where_the_network_is_equally_sure():
    assert robust_min_confidence([np.full((4, 6), 3.0)]) <= 3.0


def test_the_default_threshold_is_a_quarter_of_the_median_above_one():
    confidences = [np.array([1.0, 5.0]), np.array([5.0, 9.0, np.nan, 0.0])]

    assert robust_min_confidence(confidences) == 2.0
    assert robust_min_confidence([]) == 1.0


def test_masks_leave_out_low_confidences_and_bad_depths():
    scene = make_scene(num_photos=1, confidence=5.0)
    depth, confidence = scene.depths[0].copy(), scene.confidences[0].copy()
    depth[2, 3], depth[2, 5], depth[2, 7] = np.nan, -1.0, 0.0
    confidence[2, 9], confidence[2, 11] = 1.2, np.nan
    scene = replace(scene, depths=[depth], confidences=[confidence])

    (mask,) = scene.masks()
    (strict,) = scene.masks(min_confidence=5.1)

    assert not mask[2, 3:12:2].any()
    assert mask[2, 4:12:2].all()
    assert not strict.any()


def test_only_pixels_around_the_outline_of_the_ball_are_left_out():
    scene = make_scene(scale=8, num_photos=1)

    (mask,) = scene.masks()

    centre_cam = BALL_CENTRE - scene.world_from_cam[0, :3, 3]
    off = np.linalg.norm(np.cross(scene.pointmaps[0], centre_cam / np.linalg.norm(centre_cam)), axis=-1)
    ray_distance = off / np.linalg.norm(scene.pointmaps[0], axis=-1) * np.linalg.norm(centre_cam)
    assert (~mask).any()
    assert np.abs(ray_distance[~mask] - BALL_RADIUS).max() < 0.25 * BALL_RADIUS


@pytest.mark.parametrize("noise", [0.01, 0.02])
def test_noise_does_not_fly(noise):
    clean = torch.from_numpy(make_scene(scale=8, num_photos=1).depths[0])
    noisy = clean * (1 + noise * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0)))

    flying, expected = flying_pixels(noisy), flying_pixels(clean)

    assert flying[~expected].float().mean() < 0.002
    assert flying[expected].float().mean() > 0.8


def test_a_percentile_leaves_out_the_least_confident_part_of_all_pixels():
    scene = make_scene(scale=2, num_photos=3)
    rng = np.random.default_rng(0)
    confidences = [1 + rng.random(depth.shape).astype(np.float32) for depth in scene.depths]
    confidences[0] += 1  # the first photo is surer everywhere
    scene = replace(scene, confidences=confidences)

    masks, most = scene.masks(confidence_percentile=50.0), scene.masks(confidence_percentile=0.0)

    kept = [mask.sum() / usable.sum() for mask, usable in zip(masks, most, strict=True)]
    assert kept[0] == 1
    assert kept[1] == pytest.approx(0.25, abs=0.05)
    assert kept[2] == pytest.approx(0.25, abs=0.05)


@pytest.mark.parametrize(
    ("keep", "expected"),
    [
        ({"confidence_percentile": 120.0}, "confidence_percentile is 120"),
        ({"confidence_percentile": -1.0}, "confidence_percentile is -1"),
        ({"min_confidence": float("nan")}, "min_confidence is NaN"),
        ({"min_confidence": 2.0, "confidence_percentile": 10.0}, "Give one"),
    ],
)
def test_settings_that_mean_nothing_are_refused(keep, expected):
    with pytest.raises(InputError, match=expected):
        make_scene(num_photos=1).masks(**keep)
