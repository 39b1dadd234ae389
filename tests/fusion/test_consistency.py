"""What more photos see past than confirm is left out of masks."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scenes import make_scene, without_registration

from pointmap.errors import InputError
from pointmap.geometry.visibility import count_votes
from pointmap.scene import Scene


def walls(*depths: float) -> tuple[list[torch.Tensor], torch.Tensor, torch.Tensor]:
    """Maps of one depth each, not square, of cameras side by side that look the same way."""
    K = torch.tensor([[20.0, 0, 9.3], [0, 21.0, 5.2], [0, 0, 1]])
    world_from_cam = torch.eye(4).repeat(len(depths), 1, 1)
    world_from_cam[:, 0, 3] = 0.1 * torch.arange(len(depths))
    return [torch.full((12, 18), depth) for depth in depths], K.repeat(len(depths), 1, 1), world_from_cam


def with_patch(scene: Scene, *photos: int) -> tuple[Scene, np.ndarray]:
    """The scene with a patch of some photos in front of their walls, and where the patch is, without its rim."""
    depths = [depth.copy() for depth in scene.depths]
    inside = np.zeros(depths[0].shape, bool)
    inside[56:72, 64:90] = True
    for photo in photos:
        depths[photo][52:76, 60:94] *= 0.7
    return replace(scene, depths=depths), inside


def test_views_vote_for_points_that_they_see_and_against_those_that_they_see_past():
    depths, K, poses = walls(2.0, 2.01, 3.0)

    votes = count_votes(depths, K, poses, tolerance=0.02)

    # In the middle of each map: the first two confirm one another, and the third sees past both.
    assert [int(vote[6, 9]) for vote in votes] == [0, 0, 0]
    assert [int(vote[6, 9]) for vote in count_votes(*walls(2.0, 3.0, 3.01), tolerance=0.02)] == [-2, 1, 1]
    assert [int(vote[6, 9]) for vote in count_votes(*walls(2.0, 3.0), tolerance=0.6)] == [1, 1]


def test_a_view_that_knows_no_depth_at_a_point_has_no_vote():
    depths, K, poses = walls(2.0, 3.0)
    depths[1] = torch.where(torch.arange(18) < 9, depths[1], torch.nan)

    votes = count_votes(depths, K, poses, tolerance=0.02)[0]

    assert (votes[:, 1:8] == -1).all()  # a pixel of the first view is one further left in the second
    assert (votes[:, 10:] == 0).all()


def test_steep_surfaces_and_edges_do_not_contradict_themselves():
    scene = make_scene(scale=4)

    plain, consistent = scene.masks(), scene.masks(consistency=0.01)

    for before, after in zip(plain, consistent, strict=True):
        assert after.sum() > 0.995 * before.sum()


def test_what_one_photo_alone_sees_floating_is_left_out():
    scene, patch = with_patch(make_scene(scale=4), 0)

    plain, consistent = scene.masks()[0], scene.masks(consistency=0.02)[0]

    assert plain[patch].mean() > 0.95
    assert not consistent[patch].any()
    assert consistent[~patch].sum() > 0.9 * plain[~patch].sum()


def test_a_point_that_no_other_photo_can_see_stays():
    alone = without_registration(make_scene(scale=4), 1, 2, 3, 4)
    scene, patch = with_patch(alone, 0)

    masks = scene.masks(consistency=0.02)

    np.testing.assert_array_equal(masks[0], scene.masks()[0])
    assert masks[0][patch].mean() > 0.9
    assert not masks[1].any()


def test_a_scene_without_photos_that_are_registered_keeps_nothing():
    scene = without_registration(make_scene(), 0, 1, 2, 3, 4)

    assert not any(mask.any() for mask in scene.masks(consistency=0.02, visibility_tolerance=0.02))


@pytest.mark.parametrize("setting", ["consistency", "visibility_tolerance"])
@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_shares_of_the_depth_lie_between_zero_and_one(setting, share):
    with pytest.raises(InputError, match=setting):
        make_scene(num_photos=1).masks(**{setting: share})
