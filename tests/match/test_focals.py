"""The focal length under which matches agree; the start where they do not tell."""

from dataclasses import replace

import numpy as np
import torch
from match_scenes import K_I, K_J, random_matches, turn, two_cameras

from pointmap.geometry.matching import PairMatches
from pointmap.match import search_focals


def scaled(K, factor):
    return K * np.array([[factor, 1, 1], [1, factor, 1], [1, 1, 1]])


def many(count=3):
    """Of cameras that are so far from each other that the focal length tells."""
    return [
        two_cameras(400, degrees=30, translation=(-2, 0.3, 0.6), wrong=0.3, seed=seed).matches for seed in range(count)
    ]


def test_a_focal_length_that_is_off_gets_better():
    for factor in (0.7, 1.35):
        start = np.stack([scaled(K_I, factor), scaled(K_J, factor)])

        found = search_focals(many(), start, np.zeros(2, bool), max_error_px=1.5)

        # The start is believed too: it is not given up altogether for some more matches.
        assert abs(np.log(found[0, 0, 0] / 250)) < 0.7 * abs(np.log(factor))
        np.testing.assert_allclose(found[1, 0, 0] / start[1, 0, 0], found[0, 0, 0] / start[0, 0, 0])


def test_principal_points_and_known_intrinsics_stay():
    start = np.stack([K_I, scaled(K_J, 0.7)])

    found = search_focals(many(), start, np.array([True, False]), max_error_px=1.5)

    np.testing.assert_array_equal(found[0], K_I)
    np.testing.assert_array_equal(found[1, :, 2], K_J[:, 2])
    assert abs(np.log(found[1, 0, 0] / 330)) < 0.15


def test_nothing_moves_without_evidence():
    start = np.stack([K_I, K_J])

    none = search_focals([], start, np.zeros(2, bool), max_error_px=1.5)
    all_known = search_focals(many(1), start, np.ones(2, bool), max_error_px=1.5)
    useless = search_focals([random_matches(8)], start, np.zeros(2, bool), max_error_px=1.5)

    for found in (none, all_known, useless):
        np.testing.assert_allclose(found, start)


def test_turning_about_the_optical_axis_leaves_the_focal_length_near_the_start():
    start = np.stack([K_I, K_J])
    # Whatever the focal lengths are, as long as their ratio is right, a turned picture is a turned picture.
    pixels = random_matches(300).pixels_i
    rotation = torch.tensor(turn((0, 0, 1), 20)[:2, :2]).float()
    pixels_j = (pixels - torch.tensor(K_I[:2, 2]).float()) @ rotation.mT * 330 / 250 + torch.tensor(K_J[:2, 2]).float()
    matches = PairMatches(0, 1, pixels, pixels_j, torch.ones(300))

    found = search_focals([matches], start, np.zeros(2, bool), max_error_px=1.5)

    assert abs(np.log(found[0, 0, 0] / 250)) < 0.13


def test_exact_matches_tell_the_focal_length_better_than_many_inexact_ones():
    coarse = [
        two_cameras(600, degrees=30, translation=(-2, 0.3, 0.6), noise_px=2.5, wrong=0.5, seed=seed).matches
        for seed in range(3)
    ]
    exact = [
        two_cameras(150, degrees=30, translation=(-2, 0.3, 0.6), noise_px=0.1, wrong=0.0, seed=seed + 9).matches
        for seed in range(3)
    ]
    joined = [a.joined(replace(b, weights=torch.full((150,), 10.0))) for a, b in zip(coarse, exact, strict=True)]
    start = np.stack([scaled(K_I, 1.4), scaled(K_J, 1.4)])

    def error(matches):
        return abs(np.log(search_focals(matches, start, np.zeros(2, bool), max_error_px=1.5)[0, 0, 0] / 250))

    assert error(joined) < 0.1
    assert error(joined) < error(coarse)
