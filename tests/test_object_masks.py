"""Photos made by hand: a patterned thing that turns before something, whose outline is known."""

from dataclasses import replace

import numpy as np
import pytest

from pointmap.object_masks import isolate, object_masks, transfer
from pointmap.scene import View

HEIGHT, WIDTH = 120, 168


def texture(seed: int, *, low: int = 40, high: int = 215, cell: int = 6) -> np.ndarray:
    """(H, W, 3) patches of random colours."""
    rng = np.random.default_rng(seed)
    patches = rng.uniform(low, high, (HEIGHT // cell + 1, WIDTH // cell + 1, 3))
    return np.kron(patches, np.ones((cell, cell, 1)))[:HEIGHT, :WIDTH]


def outline(turn: float) -> np.ndarray:
    """A bar that turns about the vertical, so that its width changes, on a stem."""
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    bar = (np.abs(u - 80 - 9 * np.sin(turn)) < 18 + 16 * abs(np.cos(turn))) & (np.abs(v - 45) < 22)
    return bar | ((np.abs(u - 80) < 12) & (v >= 60) & (v < 100))


def photos(
    backgrounds: list[np.ndarray], *, noise: float = 2.0, shadow: bool = False
) -> tuple[list[View], list[np.ndarray]]:
    """Views, and the true masks."""
    rng = np.random.default_rng(0)
    views, masks = [], []
    for index, background in enumerate(backgrounds):
        turn = 2 * np.pi * index / len(backgrounds)
        mask = outline(turn)
        pattern = np.roll(texture(99, cell=5), 11 * index, axis=1)
        if shadow:
            left = 30 + round(8 * np.cos(turn))
            background = background.copy()
            background[96:112, left : left + 60] *= 0.7
        exposure = rng.uniform(0.95, 1.05)
        image = np.where(mask[..., None], pattern, background) * exposure + rng.normal(0, noise, (HEIGHT, WIDTH, 3))
        pixels = np.clip(image, 0, 255).astype(np.uint8)
        views.append(View(f"{index}.png", pixels, (WIDTH, HEIGHT), np.eye(3)))
        masks.append(mask)
    return views, masks


def overlap(found: list[np.ndarray], true: list[np.ndarray]) -> float:
    return float(np.mean([(a & b).sum() / (a | b).sum() for a, b in zip(found, true, strict=True)]))


def test_what_turns_before_a_background_that_stands_still_is_the_object():
    views, true = photos([texture(1)] * 9)

    found = object_masks(views)

    assert found.way == "static background"
    assert overlap(found.masks, true) > 0.8
    assert min((a & b).sum() / b.sum() for a, b in zip(found.masks, true, strict=True)) > 0.95


def test_a_shadow_that_moves_over_the_background_is_not_the_object():
    views, true = photos([texture(1)] * 9, shadow=True)

    found = object_masks(views)

    assert overlap(found.masks, true) > 0.78


def test_before_a_plain_backdrop_the_camera_may_move():
    v = np.linspace(0, 1, HEIGHT)[:, None, None]
    backdrops = [np.broadcast_to(170 + 30 * v + 3 * index, (HEIGHT, WIDTH, 3)) for index in range(5)]
    views, true = photos(backdrops)

    found = object_masks(views)

    assert found.way == "plain backdrop"
    assert overlap(found.masks, true) > 0.9


def test_a_background_that_moves_along_is_kept_and_the_reason_said():
    views, _ = photos([texture(seed) for seed in range(6)])

    found = object_masks(views)

    assert found.way == "nothing"
    assert all(mask.all() for mask in found.masks)
    assert "background moves" in found.reason
    assert "not plain" in found.reason


def test_photos_of_different_sizes_have_no_common_background():
    views, _ = photos([texture(1)] * 5)
    views[2] = replace(views[2], image=views[2].image[:, :-8])

    found = object_masks(views)

    assert found.way == "nothing"
    assert "differ in size" in found.reason


def test_given_masks_win_and_the_others_are_found():
    views, true = photos([texture(1)] * 9)
    own = np.zeros((HEIGHT, WIDTH), bool)
    own[10:20, 10:30] = True

    some = object_masks(views, [own, *[None] * 8])
    all_ = object_masks(views, [own] * 9)

    np.testing.assert_array_equal(some.masks[0], own)
    assert overlap(some.masks[1:], true[1:]) > 0.78
    assert all_.way == "given"
    assert all((mask == own).all() for mask in all_.masks)


def test_nothing_that_changes_is_no_object():
    views, _ = photos([texture(1)] * 6)
    still = [replace(view, image=views[0].image) for view in views]

    assert object_masks(still).way == "nothing"


def test_a_mask_goes_over_to_another_size_and_crop_of_the_photo():
    original = np.zeros((40, 60), bool)
    original[10:20, 30:50] = True
    view = View("a", np.zeros((40, 60, 3), np.uint8), (60, 40), np.eye(3))
    half_without_left_ten = np.array([[0.5, 0, -5.25], [0, 0.5, -0.25], [0, 0, 1]])
    to = View("a", np.zeros((20, 25, 3), np.uint8), (60, 40), half_without_left_ten)

    found = transfer(original, view, to)

    expected = np.zeros((20, 25), bool)
    expected[5:10, 10:20] = True
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("level", [0, 127])
def test_an_isolated_view_is_grey_around_the_object(level: int):
    views, true = photos([texture(1)])

    image = isolate(views[0], true[0], level).image

    assert (image[~true[0]] == level).all()
    np.testing.assert_array_equal(image[true[0]], views[0].image[true[0]])
