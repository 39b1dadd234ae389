"""Pictures of matches: what is drawn where, in which colour, and how much."""

import numpy as np
import pytest
import torch

from pointmap.errors import InputError
from pointmap.match import Matches, draw_matches

GREY_I, GREY_J = np.full((60, 100, 3), 40, np.uint8), np.full((90, 50, 3), 160, np.uint8)


def at(pixels_i, pixels_j, scores):
    return Matches(torch.tensor(pixels_i), torch.tensor(pixels_j), torch.tensor(scores))


def coloured(picture, hue):
    """(x, y) of pixels whose strongest channel is clearly `hue` (0 red, 1 green)."""
    others = np.delete(picture, hue, axis=2).max(axis=2).astype(int)
    y, x = np.nonzero(picture[..., hue].astype(int) - others > 80)
    return x, y


def test_photos_stand_side_by_side_and_lines_end_where_the_matches_are():
    picture = draw_matches(GREY_I, GREY_J, at([[20.0, 10.0]], [[30.0, 80.0]], [1.0]), np.array([True]))

    gap = picture.shape[1] - 150
    assert picture.shape[0] == 90
    assert 4 <= gap <= 20
    assert (picture[30, 60] == 40).all()
    assert (picture[30, -1] == 160).all()
    x, y = coloured(picture, 1)
    assert abs(x.min() - 20) <= 3
    assert abs(y.min() - 10) <= 3
    assert abs(x.max() - (100 + gap + 30)) <= 3
    assert abs(y.max() - 80) <= 3


def test_wrong_matches_are_red_and_right_ones_green():
    matches = at([[20.0, 10.0], [20.0, 50.0]], [[30.0, 10.0], [30.0, 50.0]], [0.9, 0.1])

    picture = draw_matches(GREY_I, GREY_J, matches, np.array([False, True]))

    assert coloured(picture, 0)[1].max() < 20
    assert coloured(picture, 1)[1].min() > 40


def test_without_inliers_the_score_chooses_between_red_and_green():
    matches = at([[20.0, 10.0], [20.0, 50.0]], [[30.0, 10.0], [30.0, 50.0]], [0.31, 0.3])

    picture = draw_matches(GREY_I, GREY_J, matches)

    assert coloured(picture, 1)[1].max() < 20
    assert coloured(picture, 0)[1].min() > 40


def test_large_photos_shrink_with_their_matches():
    large = np.full((600, 1000, 3), 40, np.uint8)

    picture = draw_matches(large, large, at([[0.0, 599.0]], [[999.0, 599.0]], [1.0]), np.array([True]), height=60)

    assert picture.shape[0] == 60
    x, y = coloured(picture, 1)
    assert (x.min(), x.max()) == (0, picture.shape[1] - 1)
    assert y.min() >= 55


@pytest.mark.parametrize("marked", [False, True])
def test_only_so_many_are_drawn_evenly_from_left_to_right(marked):
    left = torch.linspace(5, 195, 100)
    pixels = torch.stack([left, torch.full((100,), 5.0)], dim=1)
    wide = np.full((100, 200, 3), 40, np.uint8)
    inliers = np.ones(100, bool) if marked else None
    there = torch.tensor([[100.0, 95.0]]).repeat(100, 1)

    picture = draw_matches(wide, wide, Matches(pixels, there, torch.ones(100)), inliers, most=3)

    places = coloured(picture[:4], 1)[0]  # the tops of the circles
    groups = np.split(places, np.flatnonzero(np.diff(np.sort(places)) > 10) + 1)
    assert len(groups) == 3
    assert places.min() < 10
    assert 190 < places.max() < 205


def test_photos_without_matches_are_a_picture_too():
    for inliers in (None, np.zeros(0, bool)):
        assert draw_matches(GREY_I, GREY_J[:1], Matches.none(), inliers).shape[0] == 60


def test_marks_must_be_as_many_as_matches():
    with pytest.raises(InputError, match="1 matches, but 2 marks"):
        draw_matches(GREY_I, GREY_J, at([[20.0, 10.0]], [[30.0, 80.0]], [1.0]), np.ones(2, bool))
