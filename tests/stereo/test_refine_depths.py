"""Depth maps with known errors, refined by photos of surfaces that we chose."""

import pytest
import torch
from stereo_scenes import bent, errors, take_photos

from pointmap.errors import Cancelled, InputError
from pointmap.geometry.transforms import rigid
from pointmap.stereo import refine_depths

SHAPES = [(96, 128), (128, 100), (96, 128), (90, 120)]


def test_a_slanted_wall_is_found_to_a_part_of_a_percent():
    photos = take_photos(shapes=SHAPES)
    initial = bent(photos.depths)

    result = refine_depths(photos.images, *photos.cameras(), initial)

    for image, before, after, support, true in zip(
        photos.images, initial, result.depths, result.support, photos.depths, strict=True
    ):
        assert after.shape == image.shape[:2]
        assert errors(before, true).median() > 0.03
        assert errors(after, true).median() < 0.005
        assert (errors(after, true) < 0.01).float().mean() > 0.8
        assert (support > 0).float().mean() > 0.7


def test_a_flat_map_gets_the_relief_of_a_ball_and_its_outline():
    photos = take_photos(shapes=[(120, 160)] * 4, ball=True)
    wall = take_photos(shapes=[(120, 160)] * 4).depths

    found = refine_depths(photos.images, *photos.cameras(), wall).depths[1]

    true = photos.depths[1]
    on_ball = true < wall[1] - 1e-3
    assert errors(wall[1], true)[on_ball].median() > 0.2
    assert errors(found, true)[on_ball].median() < 0.01
    assert errors(found, true)[~on_ball].median() < 0.005
    assert (errors(found, true) < 0.05).float().mean() > 0.9


def test_exposure_does_not_matter():
    photos = take_photos(shapes=SHAPES)
    darker = [
        ((image.float() / 255) ** gamma * gain * 255).round().byte()
        for image, gamma, gain in zip(photos.images, (1.0, 1.3, 0.9, 1.1), (1.0, 0.6, 0.9, 0.75), strict=True)
    ]

    result = refine_depths(darker, *photos.cameras(), bent(photos.depths))

    assert all(errors(found, true).median() < 0.005 for found, true in zip(result.depths, photos.depths, strict=True))


def test_without_texture_the_initial_shape_stays_and_is_corrected_like_its_surroundings():
    photos = take_photos(shapes=[(96, 128)] * 4, plain_right_of=0.3)
    initial = [1.1 * depth for depth in photos.depths]

    result = refine_depths(photos.images, *photos.cameras(), initial)

    plain = (photos.images[1] == 128).all(-1)
    inner = torch.nn.functional.max_pool2d((~plain).float()[None], 9, 1, 4)[0] == 0
    assert inner.float().mean() > 0.1
    assert (result.confidences[1][inner] < 0.05).float().mean() > 0.95
    assert errors(result.depths[1], photos.depths[1])[inner].max() < 0.03


def test_poses_may_be_off_by_a_pixel():
    photos = take_photos(shapes=[(120, 160)] * 3)
    pitch = torch.tensor(1.0 / (1.05 * 160))  # moves the photo up or down by a pixel
    c, s = torch.cos(pitch), torch.sin(pitch)
    nod = rigid(torch.tensor([[1.0, 0, 0], [0, c, -s], [0, s, c]]), torch.zeros(3))
    photos.world_from_cam[1] = photos.world_from_cam[1] @ nod

    result = refine_depths(photos.images, *photos.cameras(), bent(photos.depths))

    for found, support, true in zip(result.depths, result.support, photos.depths, strict=True):
        assert errors(found, true).median() < 0.02
        assert (support > 0).float().mean() > 0.8


def test_views_that_nobody_shares_keep_their_depth():
    photos = take_photos(shapes=SHAPES[:3])
    photos.world_from_cam[2, 0, 3] += 100.0
    initial = bent(photos.depths)

    result = refine_depths(photos.images, *photos.cameras(), initial)

    torch.testing.assert_close(result.depths[2], initial[2], rtol=1e-4, atol=0)
    assert not result.confidences[2].any()
    assert not result.support[2].any()
    assert errors(result.depths[0], photos.depths[0]).median() < 0.01


def test_unregistered_views_and_unknown_depths_do_no_harm():
    photos = take_photos(shapes=SHAPES)
    photos.world_from_cam[3] = torch.nan
    initial = bent(photos.depths)
    initial[0][:30] = 0
    initial[1][:, 50:] = torch.nan
    initial[2][:] = 0

    result = refine_depths(photos.images, *photos.cameras(), initial)

    assert all(depth.isfinite().all() for depth in result.depths)
    assert errors(result.depths[0], photos.depths[0])[30:].median() < 0.01
    assert not result.depths[2].any()
    torch.testing.assert_close(result.depths[3], initial[3], rtol=1e-4, atol=0)


def test_the_initial_map_may_be_smaller_than_the_photo():
    photos = take_photos(shapes=[(96, 128)] * 3)
    initial = [torch.nn.functional.avg_pool2d(depth[None], 4)[0] for depth in bent(photos.depths)]

    found = refine_depths(photos.images, *photos.cameras(), initial).depths[1]

    assert errors(found, photos.depths[1]).median() < 0.008


def test_the_same_input_gives_the_same_result():
    photos = take_photos(shapes=[(60, 80)] * 3)
    first, second = (refine_depths(photos.images, *photos.cameras(), bent(photos.depths)) for _ in range(2))

    assert all(torch.equal(a, b) for a, b in zip(first.depths, second.depths, strict=True))


def test_progress_ends_at_its_total_and_may_cancel():
    photos = take_photos(shapes=[(60, 80)] * 2)
    calls = []
    refine_depths(photos.images, *photos.cameras(), photos.depths, progress=lambda *call: calls.append(call))
    assert {call[0] for call in calls} == {"stereo"}
    assert [call[1] for call in calls] == sorted(call[1] for call in calls)
    assert calls[-1][1] == calls[-1][2]

    def stop(stage: str, done: int, total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        refine_depths(photos.images, *photos.cameras(), photos.depths, progress=stop)


def test_missing_cameras_are_named():
    photos = take_photos(shapes=[(60, 80)] * 2)
    with pytest.raises(InputError, match="'intrinsics': 1"):
        refine_depths(photos.images, photos.intrinsics[:1], photos.world_from_cam, photos.depths)
