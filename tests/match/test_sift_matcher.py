"""SIFT through the protocol of matchers: pixels of any image, each photo described once, nothing where nothing is."""

import numpy as np
import pytest
import torch
from spots import spots

from pointmap.errors import InputError
from pointmap.match import agreeing_matches, keypoint_matches, match_photos
from pointmap.match.sift import SiftMatcher
from pointmap.scene import View


def shifted(left, width=240, height=200):
    """A window of one wide image."""
    return np.ascontiguousarray(spots(0, height, 400)[:, left : left + width])


def test_a_window_that_moved_matches_at_the_shift_with_scores_in_the_unit_interval():
    matcher = SiftMatcher()

    found = matcher.match(matcher.describe(shifted(0)), matcher.describe(shifted(60)))

    assert len(found) > 50
    right = (found.pixels_j - found.pixels_i - torch.tensor([-60.0, 0.0])).norm(dim=1) < 1
    assert right.float().mean() > 0.95
    assert found.scores.min() >= 0
    assert found.scores.max() <= 1


@pytest.mark.parametrize("size", [(300, 420), (421, 299)])
def test_large_images_are_matched_small_in_their_own_pixels(size):
    large = spots(3, *size)
    matcher = SiftMatcher(image_size=256)

    found = matcher.match(matcher.describe(large), SiftMatcher().describe(large))

    assert len(found) > 30
    apart = (found.pixels_i - found.pixels_j).norm(dim=1)
    assert apart.median() < 0.6
    assert found.pixels_i.max() > 256


def test_each_photo_is_described_once_and_matches_are_in_pixels_of_the_views():
    class Counting(SiftMatcher):
        described = 0

        def describe(self, image):
            Counting.described += 1
            return super().describe(image)

    large = [View(str(left), shifted(left), (480, 400), np.diag([0.5, 0.5, 1])) for left in (0, 30, 60)]
    small = [View(view.name, view.image[::2, ::2], (480, 400), np.diag([0.25, 0.25, 1])) for view in large]
    told = []

    found = match_photos(
        Counting(), small, [(1, 0), (0, 1), (1, 2)], large_views=iter(large), progress=lambda *step: told.append(step)
    )

    assert Counting.described == 3
    assert [(pair.view_i, pair.view_j) for pair in found] == [(0, 1), (1, 2)]
    assert told == [("match", done, 5) for done in range(6)]
    for pair in found:
        moved = pair.pixels_j - pair.pixels_i
        assert (moved.median(dim=0).values - torch.tensor([-15.0, 0.0])).norm() < 0.2
        assert pair.weights.max() <= 1


def test_matches_of_a_matcher_that_agree_are_those_of_keypoints():
    views = [View(str(left), shifted(left), (240, 200), np.eye(3)) for left in (0, 40)]
    views.append(View("other", spots(9, 200, 240), (240, 200), np.eye(3)))
    keep = [np.ones((200, 240), bool) for _ in views]
    pairs = [(0, 1), (0, 2), (1, 2)]

    agreeing = agreeing_matches(match_photos(SiftMatcher(), views, pairs), views, keep)

    (expected,) = keypoint_matches(views, views, keep, pairs)
    (found,) = agreeing
    torch.testing.assert_close(found.matches.pixels_j, expected.matches.pixels_j)
    torch.testing.assert_close(found.matches.weights, expected.matches.weights)
    np.testing.assert_allclose(found.fundamental, expected.fundamental)
    keep[1][:, 100:] = False
    (found,) = agreeing_matches(match_photos(SiftMatcher(), views, pairs), views, keep)
    assert found.matches.pixels_j[:, 0].max() < 100


@pytest.mark.parametrize("shape", [(1, 200), (200, 1), (1, 1), (60, 80)])
def test_images_that_show_nothing_have_no_matches(shape):
    matcher = SiftMatcher()
    nothing = matcher.describe(np.full((*shape, 3), 90, np.uint8))

    assert len(matcher.match(nothing, matcher.describe(shifted(0)))) == 0
    assert len(matcher.match(matcher.describe(shifted(0)), nothing)) == 0
    assert len(matcher.match(nothing, nothing)) == 0


def test_identical_photos_match_in_place():
    matcher = SiftMatcher()
    described = matcher.describe(shifted(0))

    found = matcher.match(described, described)

    assert len(found) > 50
    torch.testing.assert_close(found.pixels_i, found.pixels_j)
    assert found.scores.min() > 0.99


@pytest.mark.parametrize("image", [np.zeros((60, 80), np.uint8), np.zeros((60, 80, 3)), np.zeros((0, 80, 3), np.uint8)])
def test_what_is_no_rgb_image_is_refused(image):
    with pytest.raises(InputError, match=r"RGB images \(height, width, 3\) of uint8; this one is"):
        SiftMatcher().describe(image)
