import time

import pytest
import torch

from pointmap.train.painting import SIZE
from pointmap.train.patterns import KINDS, wear
from pointmap.train.random import Random
from pointmap.train.textures import make_textures

EACH = sorted(set(KINDS), key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", EACH, ids=lambda kind: kind.__name__)
def test_every_kind_meets_itself_at_the_seams(kind):
    for seed in range(4):
        image = kind(Random(seed))

        assert image.shape == (SIZE, SIZE, 3)
        assert torch.isfinite(image).all()
        for axis in (0, 1):
            steps = (image - image.roll(1, axis)).abs().mean(dim=(1 - axis, 2))  # the first is across the seam
            assert steps[0] < 1.15 * steps[1:].max() + 0.01


@pytest.mark.parametrize("kind", EACH, ids=lambda kind: kind.__name__)
def test_every_kind_varies_with_its_seed(kind):
    one, again, other = (kind(Random(seed)) for seed in (0, 0, 1))

    assert torch.equal(one, again)
    assert (one - other).abs().mean() > 0.01


def test_wear_meets_itself_at_the_seams():
    flat = torch.full((SIZE, SIZE, 3), 0.5)
    for seed in range(24):
        image = wear(Random(seed), flat)
        for axis in (0, 1):
            steps = (image - image.roll(1, axis)).abs().mean(dim=(1 - axis, 2))
            assert steps[0] < 1.15 * steps[1:].max() + 0.01


def test_textures_have_a_mean_of_one_half_and_all_strengths_of_contrast():
    count = 48
    images = make_textures(count, seed=0)[: count * SIZE**2].reshape(count, -1, 3).float() / 255

    assert (images.mean(dim=(1, 2)) - 0.5).abs().max() < 0.06
    contrast = images.mean(dim=2).std(dim=1)
    assert contrast.min() < 0.06  # nearly plain walls
    assert contrast.max() > 0.2
    chroma = (images.amax(dim=2) - images.amin(dim=2)).mean(dim=1)
    assert chroma.median() < 0.25  # most of the world is not vivid


def test_a_bank_of_textures_is_made_in_seconds():
    began = time.process_time()

    make_textures(len(KINDS), seed=1)

    assert (time.process_time() - began) / len(KINDS) < 0.1  # 0.016 on a quiet core; 384 of them start every run
