"""Networks as matchers: pixels of the given images, whatever the network makes of them, and scores in [0, 1]."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pointmap.errors import InputError
from pointmap.geometry.matching import match_maps
from pointmap.match.sift import SiftMatcher
from pointmap.matchers import NetworkMatcher, load_matcher
from pointmap.models import PRESETS, Network
from pointmap.scene import PairPrediction


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Network(replace(PRESETS["nano"], image_size=128, inference_size=None, match_size=160)).eval()


@pytest.fixture(scope="module")
def mast3r():
    """A small network with descriptors, as MASt3R's heads are."""
    torch.manual_seed(0)
    config = replace(
        PRESETS["nano"],
        image_size=96,
        inference_size=None,
        stem="linear",
        head="dpt",
        sky=False,
        match_dim=0,
        match_size=None,
        decoder_depth=4,
        dpt_widths=(8, 8, 8, 8),
        dpt_features=8,
        descriptor_dim=8,
    )
    return Network(config).eval()


def photo(seed, height, width):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("kind", ["pointmap", "tokens"])
def test_matches_of_photos_of_any_shape_lie_inside_them(network, kind):
    matcher = NetworkMatcher(network, kind)
    images = [photo(0, 100, 150), photo(1, 300, 170)]

    found = matcher.match(*[matcher.describe(image) for image in images])

    assert found.pixels_i.shape == found.pixels_j.shape == (len(found), 2)
    for pixels, image in zip((found.pixels_i, found.pixels_j), images, strict=True):
        assert (pixels > -0.5).all()
        assert (pixels < torch.tensor([image.shape[1], image.shape[0]]) - 0.5).all()
    assert ((found.scores >= 0) & (found.scores <= 1)).all()


class Mirror:
    """A network that sees a plane in front of the first camera; the second image shows it the other way round."""

    device = torch.device("cpu")
    config = SimpleNamespace(working_size=128, patch_size=16, match_dim=0, match_size=None, descriptor_dim=0)

    def encode(self, image):
        height, width = image.shape[2:]
        y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
        return torch.stack([x, y, torch.ones_like(x)], dim=-1)[None]

    def decode(self, points_i, points_j):
        sure_i, sure_j = (torch.full(points.shape[:3], value) for points, value in ((points_i, 2.0), (points_j, 5.0)))
        return PairPrediction(points_i, points_j.flip(2), sure_i, sure_j)


def test_pixels_whose_points_meet_are_matches_in_pixels_of_the_photos():
    matcher = NetworkMatcher(Mirror(), "pointmap")

    found = matcher.match(matcher.describe(photo(0, 300, 400)), matcher.describe(photo(1, 150, 200)))

    assert len(found) > 200
    expected = torch.stack([199 - found.pixels_i[:, 0] / 2, found.pixels_i[:, 1] / 2], dim=1)
    assert (found.pixels_j - expected).abs().max() < 1.0
    torch.testing.assert_close(found.scores, torch.full((len(found),), 2 / 3))  # of sqrt(1 * 4) = 2


def test_descriptors_match_as_the_search_of_both_maps_has_it(mast3r):
    matcher = NetworkMatcher(mast3r, "descriptors")
    images = [photo(0, 64, 96), photo(1, 96, 64)]  # as the network takes them
    tensors = [torch.from_numpy(image).permute(2, 0, 1)[None] / 127.5 - 1 for image in images]

    found = matcher.match(*[matcher.describe(image) for image in images])

    with torch.no_grad():
        said = mast3r(*tensors)
    expected = match_maps(said.descriptors_i[0], said.descriptors_j[0], step=4)
    assert len(found) > 3
    torch.testing.assert_close(found.pixels_i, expected.pixels_i.float(), atol=1e-4, rtol=0)
    torch.testing.assert_close(found.pixels_j, expected.pixels_j.float(), atol=1e-4, rtol=0)
    assert ((found.scores > 0) & (found.scores < 1)).all()


@pytest.mark.parametrize("kind", ["pointmap", "tokens"])
def test_photos_of_nothing_and_identical_ones_give_finite_matches(network, kind):
    matcher = NetworkMatcher(network, kind)
    grey, described = matcher.describe(np.full((64, 96, 3), 77, np.uint8)), matcher.describe(photo(0, 64, 96))

    for other in (grey, described):
        found = matcher.match(described, other)
        rows = torch.cat([found.pixels_i, found.pixels_j, found.scores[:, None]], dim=1)
        assert rows.isfinite().all()


def test_a_photo_too_narrow_for_a_patch_is_refused(network):
    with pytest.raises(InputError, match="too narrow: 200 x 1 pixels"):
        NetworkMatcher(network, "pointmap").describe(photo(0, 1, 200))


def test_matchers_have_names(network):
    assert isinstance(load_matcher("sift"), SiftMatcher)
    tokens = load_matcher("tokens", network=network)
    assert tokens.image_size == 160
    assert load_matcher("pointmap", network=network).image_size == 128


def test_networks_that_lack_something_say_what_to_use_instead(network, mast3r):
    with pytest.raises(InputError, match=r"no descriptors.*MASt3R"):
        load_matcher("descriptors", network=network)
    with pytest.raises(InputError, match=r"no match read-out.*'pointmap'"):
        load_matcher("tokens", network=mast3r)
    with pytest.raises(InputError, match=r"'superpoint'.*'sift'.*'lightglue'"):
        load_matcher("superpoint")
