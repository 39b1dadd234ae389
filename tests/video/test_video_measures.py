"""How far things moved between two pictures, and which one is sharper."""

import cv2
import numpy as np
import pytest
from example_videos import texture

from pointmap.video.choose import LEAST_SHIFT
from pointmap.video.measures import sharpness, shift

WIDE = cv2.cvtColor(texture(1000, 480), cv2.COLOR_RGB2GRAY)
START = WIDE[:, :640]


@pytest.mark.parametrize("pixels", [0, 4, 8, 16, 32])
def test_a_pan_is_measured_as_a_share_of_the_long_side(pixels):
    assert shift(START, WIDE[:, pixels : pixels + 640]) == pytest.approx(pixels / 640, abs=0.003)


def test_coming_closer_counts_as_motion():
    about = cv2.getRotationMatrix2D((320, 240), 0, 1.12)

    assert shift(START, cv2.warpAffine(START, about, (640, 480))) > LEAST_SHIFT


@pytest.mark.parametrize("pixels", [100, 200, 360])
def test_a_great_way_or_a_cut_is_never_taken_for_standing_still(pixels):
    assert shift(START, WIDE[:, pixels : pixels + 640]) > LEAST_SHIFT
    assert shift(START, cv2.cvtColor(texture(640, 480, seed=5), cv2.COLOR_RGB2GRAY)) == np.inf
    assert shift(START, START.T) == np.inf


def test_brightness_and_somebody_walking_by_are_no_motion():
    dimmed = (0.8 * START).astype(np.uint8)
    walker = START.copy()
    walker[100:400, 200:300] = 0

    assert shift(START, dimmed) < LEAST_SHIFT
    assert shift(START, walker) < LEAST_SHIFT


def test_where_nothing_is_to_be_seen_nothing_moves():
    dark = np.random.default_rng(0).integers(0, 2, (2, 480, 640), np.uint8)

    assert shift(dark[0], dark[1]) == 0


def test_blur_costs_sharpness_the_more_the_wider_it_is():
    measured = [sharpness(cv2.blur(START, (width, 1))) for width in (1, 2, 4, 8, 16)]

    assert measured == sorted(measured, reverse=True)
    assert measured[1] < 0.9 * measured[0]
