"""Depth from photos, cameras and a range alone."""

import pytest
import torch
from stereo_scenes import errors, take_photos

from pointmap.errors import InputError
from pointmap.stereo import sweep_depths


def test_a_wall_with_a_step_is_found_on_both_sides_of_it():
    photos = take_photos(shapes=[(120, 160)] * 4, step=0.8)

    result = sweep_depths(photos.images, *photos.cameras(), (1.0, 8.0))

    for found, true in zip(result.depths, photos.depths, strict=True):
        assert errors(found, true).median() < 0.005
        assert (errors(found, true) < 0.05).float().mean() > 0.85


def test_what_only_one_photo_sees_is_not_confirmed():
    photos = take_photos(shapes=[(120, 160)] * 2, ball=True, spacing=0.8)

    result = sweep_depths(photos.images, *photos.cameras(), (1.5, 6.0))

    confirmed = result.confidences[0] > 0.1
    assert confirmed.float().mean() > 0.3
    assert (errors(result.depths[0], photos.depths[0])[confirmed] < 0.02).float().mean() > 0.95


def test_views_without_neighbours_have_no_depth():
    photos = take_photos(shapes=[(60, 80)] * 3)
    photos.world_from_cam[2, 0, 3] += 100.0

    result = sweep_depths(photos.images, *photos.cameras(), torch.tensor([[2.0, 5.0]] * 3))

    assert errors(result.depths[0], photos.depths[0]).median() < 0.01
    assert not result.depths[2].any()


@pytest.mark.parametrize("depth_range", [(0.0, 3.0), (3.0, 2.0), (1.0, float("inf"))])
def test_impossible_ranges_are_refused(depth_range):
    photos = take_photos(shapes=[(60, 80)] * 2)
    with pytest.raises(InputError, match="nearest < farthest"):
        sweep_depths(photos.images, *photos.cameras(), depth_range)
