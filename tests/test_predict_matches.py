"""Matches of a network: each two photos once, in pixels of the working images, whatever size they were found in."""

import numpy as np
import pytest
import torch

from pointmap.errors import Cancelled
from pointmap.geometry.tokens import token_pixels
from pointmap.inference import predict_matches
from pointmap.kept_pixels import masked_matches
from pointmap.models import PRESETS, Network
from pointmap.scene import View


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Network(PRESETS["nano"]).eval()


def crop_of(index, size, scale, corner):
    """A view of a photo, scaled and then cut at a corner (x, y)."""
    height, width = size
    image = np.random.default_rng(index).integers(0, 256, (height, width, 3), np.uint8)
    matrix = np.array([[scale, 0, -corner[0]], [0, scale, -corner[1]], [0, 0, 1.0]])
    return View(f"{index}.png", image, (400, 300), matrix)


VIEWS = [crop_of(0, (32, 48), 0.125, (1, 3)), crop_of(1, (48, 32), 0.125, (6, 0)), crop_of(2, (32, 48), 0.125, (1, 3))]
LARGE = [crop_of(0, (64, 96), 0.25, (2, 5)), crop_of(1, (96, 64), 0.25, (18, 1)), crop_of(2, (64, 96), 0.25, (2, 5))]


def identity(encoding_i, encoding_j):
    """Similarity of tokens that lie on those with the same number, as far as there are any."""
    return 60 * torch.eye(len(encoding_i.tokens[0]), len(encoding_j.tokens[0]))[None]


def test_each_two_photos_are_matched_once_and_none_with_itself(network):
    matches = predict_matches(network, VIEWS, VIEWS, [(1, 0), (0, 1), (2, 1), (2, 2)])

    assert [(match.view_i, match.view_j) for match in matches] == [(0, 1), (1, 2)]


def test_pixels_are_those_of_the_working_images(network, monkeypatch):
    monkeypatch.setattr(network, "match_similarity", identity)

    (match,) = predict_matches(network, VIEWS, LARGE, [(0, 1)])

    patch = network.config.patch_size
    for view, pixels, grid in ((0, match.pixels_i, (64, 96)), (1, match.pixels_j, (96, 64))):
        nodes = token_pixels((grid[0] // patch, grid[1] // patch), patch)
        found_in_large = nodes + torch.tensor([[2.0, 5.0], [18.0, 1.0]][view])  # where they are in the scaled photo
        expected = found_in_large / 2 - torch.tensor([[1.0, 3.0], [6.0, 0.0]][view])
        torch.testing.assert_close(pixels[match.from_i], expected, atol=1e-3, rtol=0)


def test_progress_is_told_and_may_cancel(network):
    told = []
    predict_matches(network, VIEWS, VIEWS, [(0, 1), (1, 2)], progress=lambda *step: told.append(step))
    assert told == [("match", 0, 2), ("match", 1, 2), ("match", 2, 2)]

    def stop(stage, done, total):
        raise Cancelled

    with pytest.raises(Cancelled):
        predict_matches(network, VIEWS, VIEWS, [(0, 1)], progress=stop)


def test_matches_that_end_outside_what_is_kept_are_left_out(network, monkeypatch):
    monkeypatch.setattr(network, "match_similarity", identity)
    (match,) = predict_matches(network, VIEWS, VIEWS, [(0, 2)])
    keep = [np.ones((32, 48), bool) for _ in range(3)]
    keep[2][:, 20:] = False

    kept = masked_matches(match, keep)

    assert 0 < len(kept.weights) < len(match.weights)
    assert (kept.pixels_j[:, 0].round() < 20).all()
    assert len(kept.pixels_i) == len(kept.weights) == len(kept.from_i)
