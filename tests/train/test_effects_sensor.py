"""Each effect on a picture for which its result can be said beforehand."""

import io
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from pointmap.train.effects_sensor import (
    add_noise,
    colour_matrix,
    compress,
    curve,
    expose,
    recolour,
    sharpen,
    soften,
)
from pointmap.train.random import Random


def grey(value: float, count: int = 1) -> Tensor:
    return torch.full((count, 3, 64, 96), value)


def step() -> Tensor:
    """Dark on the left, bright on the right."""
    image = torch.full((1, 3, 24, 32), 0.3)
    image[..., 16:] = 0.7
    return image


@pytest.mark.parametrize("smear", [0.0, 0.4])
def test_noise_has_the_stated_variance_at_every_brightness(smear):
    images = torch.cat([grey(0.0), grey(0.5)])
    shot, read = torch.tensor([0.06, 0.06]), torch.tensor([0.02, 0.02])

    seen = add_noise(images, shot, read, torch.full((2,), smear), Random(0))

    dark, bright = (seen - images).std(dim=(1, 2, 3))
    assert dark == pytest.approx(0.02, rel=0.03)
    assert bright == pytest.approx(math.sqrt(0.06**2 * 0.5 + 0.02**2), rel=0.03)
    assert (seen - images).mean().abs() < 1e-3


def test_smeared_noise_is_alike_in_neighbours():
    def correlation(smear: float) -> float:
        seen = add_noise(grey(0.5), torch.tensor([0.1]), torch.tensor([0.0]), torch.tensor([smear]), Random(0)) - 0.5
        return ((seen[..., 1:] * seen[..., :-1]).mean() / seen.var()).item()

    assert abs(correlation(0.0)) < 0.02
    assert correlation(0.3) == pytest.approx(0.3 / (1 + 0.3**2), abs=0.02)  # of the kernel (c, 1)


def test_one_stop_doubles_the_light_and_white_clips():
    seen = expose(torch.cat([grey(0.4), grey(0.9)]), torch.tensor([1.0, 1.0]))

    assert seen[0].mean() == pytest.approx((2 * 0.4**2.2) ** (1 / 2.2), rel=1e-4)
    assert seen[1].max() == 1


def test_white_balance_makes_grey_warm():
    matrix = colour_matrix(*torch.tensor([[0.1], [0.05], [1.0], [0.0]]))

    seen = recolour(grey(0.5), matrix)

    torch.testing.assert_close(seen[0, :, 0, 0], torch.tensor([0.55, 0.525, 0.45]))


def test_no_saturation_makes_grey_and_a_third_of_a_turn_makes_green_of_red():
    red = torch.tensor([0.8, 0.2, 0.2])[None, :, None, None].expand(1, 3, 4, 5)

    pale = recolour(red, colour_matrix(*torch.tensor([[0.0], [0.0], [0.0], [0.0]])))
    turned = recolour(red, colour_matrix(*torch.tensor([[0.0], [0.0], [1.0], [2 * math.pi / 3]])))

    torch.testing.assert_close(pale[0, :, 0, 0], torch.full((3,), 0.4))
    torch.testing.assert_close(turned[0, :, 0, 0], torch.tensor([0.2, 0.8, 0.2]))


def test_contrast_spreads_about_the_mean_and_gamma_bends():
    spread = curve(step(), torch.ones(1), torch.tensor([1.5]))
    bent = curve(step(), torch.tensor([2.0]), torch.ones(1))

    torch.testing.assert_close(spread[0, 0, 0, [0, -1]], torch.tensor([0.2, 0.8]))
    torch.testing.assert_close(bent[0, 0, 0, [0, -1]], torch.tensor([0.09, 0.49]))


def test_sharpening_leaves_halos_at_edges_and_nothing_elsewhere():
    row = sharpen(step(), torch.tensor([0.9]))[0, 0, 12]

    third = 0.4 / 3 * 0.9  # a third of the step, from the one of three columns that lies beyond it
    torch.testing.assert_close(row[14:18], torch.tensor([0.3, 0.3 - third, 0.7 + third, 0.7]))


def test_softness_removes_what_is_finer_than_two_pixels_and_keeps_the_mean():
    fine = torch.zeros(1, 3, 15, 21)
    fine[..., ::2] = 1

    entirely, half = (soften(fine, torch.tensor([amount]))[0, 0, 4, 2:18] for amount in (1.0, 0.5))

    torch.testing.assert_close(entirely, torch.full((16,), 0.5))
    torch.testing.assert_close(half, 0.25 + 0.5 * fine[0, 0, 4, 2:18])


def photo() -> np.ndarray:
    """Smooth colours with edges, 40 x 56: neither side is a multiple of 16."""
    y, x = np.mgrid[:40, :56]
    red, green = 128 + 80 * np.sin(x / 5 + y / 9), 40 + 3 * x
    blue = np.where((x // 11 + y // 7) % 2, 200, 70)
    return np.stack([red, green, blue], axis=-1).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("quality", [15, 40, 85])
def test_compression_equals_that_of_libjpeg(quality):
    image = pytest.importorskip("PIL.Image")
    grey_photo = np.repeat(photo()[..., :1], 3, axis=-1)  # PIL interpolates colours between blocks, brightness not
    file = io.BytesIO()
    image.fromarray(grey_photo).save(file, "JPEG", quality=quality, subsampling=2)
    theirs = np.asarray(image.open(file)).astype(float)

    ours = compress(torch.tensor(grey_photo).permute(2, 0, 1)[None] / 255, torch.tensor([float(quality)]))

    ours = (ours[0].permute(1, 2, 0) * 255).numpy()
    whole = np.s_[:32, :48]  # blocks that the border cuts are filled up differently
    assert np.abs(ours - theirs)[whole].mean() < 0.6
    assert np.abs(ours - theirs)[whole].mean() < 0.2 * np.abs(theirs - grey_photo)[whole].mean() + 0.3


def test_poor_compression_shows_blocks_of_eight_and_good_compression_little():
    images = torch.tensor(photo()[..., :1]).permute(2, 0, 1)[None].expand(-1, 3, -1, -1) / 255

    poor, good = compress(images.expand(2, -1, -1, -1), torch.tensor([5.0, 95.0]))

    assert (good - images[0]).abs().mean() < 0.01 < 0.03 < (poor - images[0]).abs().mean()
    slope = (poor[0].diff(dim=1) - images[0, 0].diff(dim=1)).abs().mean(dim=0)
    borders = slope[7::8].mean()
    inside = torch.cat([slope[start : start + 7] for start in range(0, 55, 8)]).mean()
    assert borders > 1.5 * inside
