"""Keypoints find each other in turned photos, and replace the matches of a network that they prove wrong."""

import numpy as np
import pytest
import torch
from match_scenes import SIZES, between, random_matches
from spots import spots

from pointmap.geometry.matching import PairMatches
from pointmap.match import join_keypoints, keypoint_matches
from pointmap.match.chance import chance
from pointmap.match.keypoints import EpipolarMatches, find_keypoints, match_keypoints, near_epipolar_lines
from pointmap.scene import View


def view(image, scale=1.0, name="photo"):
    return View(name, image, (image.shape[1], image.shape[0]), np.diag([scale, scale, 1.0]))


def whole(*views):
    return [np.ones(view.image.shape[:2], bool) for view in views]


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_photo_is_found_again_however_it_is_turned(quarters):
    photo = spots(0)
    turned = np.ascontiguousarray(np.rot90(photo, quarters))  # counter-clockwise

    pixels, found = match_keypoints(find_keypoints(photo), find_keypoints(turned))

    x, y = pixels.unbind(-1)
    expected = {1: (y, 319 - x), 2: (319 - x, 239 - y), 3: (239 - y, x)}[quarters]
    assert len(pixels) > 100
    assert ((found - torch.stack(expected, -1)).norm(dim=1) < 1).float().mean() > 0.95


def test_matches_come_in_working_pixels():
    photo = spots(0)
    turned = np.ascontiguousarray(np.rot90(photo))
    large = [view(photo), view(turned)]
    small = [view(photo[::2, ::2], 0.5), view(turned[::2, ::2], 0.5)]

    (found,) = keypoint_matches(small, large, whole(*small), [(1, 0), (0, 1), (1, 1)])

    x, y = found.matches.pixels_i.unbind(-1)
    assert (found.matches.view_i, found.matches.view_j) == (0, 1)
    assert (found.matches.pixels_j - torch.stack([y, 159.5 - x], -1)).norm(dim=1).median() < 0.2
    assert near_epipolar_lines(found.matches, found.fundamental, 0.5).mean() > 0.9


def test_what_is_not_kept_has_no_keypoints():
    photo = view(spots(0))
    keep = whole(photo, photo)
    keep[1][:, 150:] = False

    (found,) = keypoint_matches([photo, photo], [photo, photo], keep, [(0, 1)])

    assert found.matches.pixels_j[:, 0].max() < 150


def test_photos_of_different_things_have_no_matches():
    views = [view(spots(0)), view(spots(1)), view(np.full((240, 320, 3), 90, np.uint8))]

    assert keypoint_matches(views, views, whole(*views), [(0, 1), (0, 2), (1, 2)]) == []


def agreeing(i, j, matches=None):
    """Keypoint matches of two photos of which one is the other moved to the right: lines are rows."""
    pixels = torch.rand(50, 2) * 200
    right = PairMatches(i, j, pixels, pixels + torch.tensor([9.0, 0.0]), torch.ones(50))
    return EpipolarMatches(matches or right, np.array([[0, 0, 0], [0, 0, -1], [0, 1, 0.0]]))


VIEWS = [view(np.zeros((size[1], size[0], 3), np.uint8)) for size in [SIZES[0]] * 7]


def test_keypoints_replace_the_matches_of_a_network_that_they_prove_wrong():
    keypoints = [agreeing(0, j) for j in range(1, 6)]
    other = between(random_matches(300), 1, 2)
    wrong = [between(random_matches(300, seed=j), 0, j) for j in range(1, 6)]

    assert join_keypoints([*wrong, other], keypoints, VIEWS) == [found.matches for found in keypoints]


def test_keypoints_join_the_matches_of_a_network_that_agrees_or_that_too_few_pairs_judge():
    keypoints = [agreeing(0, j) for j in range(1, 6)]
    right = [agreeing(0, j).matches for j in range(1, 6)]
    wrong = [between(random_matches(300, seed=j), 0, j) for j in range(1, 6)]

    for network, joining in ((right, keypoints), (wrong, keypoints[:4]), (wrong, [])):
        joined = join_keypoints(network, joining, VIEWS)
        exact = {(found.matches.view_i, found.matches.view_j): len(found.matches.weights) for found in joining}
        assert [(match.view_i, match.view_j) for match in joined] == [(m.view_i, m.view_j) for m in network]
        for match, before in zip(joined, network, strict=True):
            assert len(match.weights) == len(before.weights) + exact.get((match.view_i, match.view_j), 0)


def test_pairs_that_only_keypoints_tie_are_added():
    joined = join_keypoints([agreeing(0, 1).matches], [agreeing(0, 1), agreeing(1, 2)], VIEWS)

    assert [(match.view_i, match.view_j, len(match.weights)) for match in joined] == [(0, 1, 100), (1, 2, 50)]


def test_distances_to_epipolar_lines_are_those_of_pixels():
    pixels = torch.tensor([[10.0, 20.0], [50.0, 70.0]])
    matches = PairMatches(0, 1, pixels, pixels + torch.tensor([[3.0, 1.0], [5.0, 4.0]]), torch.ones(2))

    # Off its row by 1 and by 4 pixels, of which each end bears its part.
    assert near_epipolar_lines(matches, agreeing(0, 1).fundamental, 1.0).tolist() == [True, False]


def test_fewer_agree_by_chance_where_they_have_to_agree_better():
    matches = random_matches(200)

    assert 6 / 200 < chance(matches, 0.5) < chance(matches, 1.5) < chance(matches, 5.0) <= 1
    assert chance(matches, 1.5, sample=7, solutions=3) > chance(matches, 1.5)
