"""SuperPoint with SuperGlue or LightGlue: the same matches as when the network looks at both photos itself."""

import logging

import numpy as np
import pytest
import torch
from glue_models import glue_folder, glue_model
from spots import spots

from pointmap import pretrained
from pointmap.errors import InputError
from pointmap.match.protocol import match_photos
from pointmap.matchers import load_matcher
from pointmap.scene import View

pytest.importorskip("transformers")
KINDS = ["superglue", "lightglue"]


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def folder(kind, tmp_path_factory):
    return glue_folder(kind, tmp_path_factory.mktemp(kind))


def test_matches_are_those_of_the_network_when_it_is_given_both_photos(kind, folder):
    photos = [spots(0, 96, 128), np.roll(spots(0, 96, 128), 8, axis=1)]
    matcher = load_matcher(folder)

    found = matcher.match(*[matcher.describe(photo) for photo in photos])

    weights = torch.tensor([0.299, 0.587, 0.114])
    grey = torch.stack([torch.from_numpy(photo.copy()).float() / 255 @ weights for photo in photos])
    with torch.no_grad():
        said = glue_model(kind)(grey[None, :, None].expand(1, 2, 3, 96, 128))
    there = said.matches[0, 0]
    at = said.keypoints[0] * torch.tensor([128, 96])
    mine = (there >= 0) & (said.mask[0, 0] > 0)
    expected = torch.cat([at[0, mine], at[1, there[mine].long()], said.matching_scores[0, 0, mine, None]], dim=1)
    answer = torch.cat([found.pixels_i, found.pixels_j, found.scores[:, None]], dim=1)
    assert len(answer) > 10
    assert ((found.scores >= 0) & (found.scores <= 1)).all()
    torch.testing.assert_close(in_order(answer), in_order(expected), atol=1e-3, rtol=0)


def in_order(rows):
    """By pixels, which are whole."""
    keys = rows[:, :4].round()
    return rows[np.lexsort(keys.T.numpy())]


def test_keypoints_of_a_shrunk_image_are_in_its_own_pixels(folder):
    matcher = load_matcher(folder)
    matcher.image_size = 64

    described = matcher.describe(spots(1, 120, 160))

    assert described.pixels[:, 0].max() > 128  # in pixels of the photo, not of the image that was looked at
    assert described.pixels[:, 1].max() > 90
    assert described.places.min() > 0
    assert described.places.max() < 1


def test_only_the_surest_keypoints_are_kept(folder):
    matcher = load_matcher(folder)
    everything = matcher.describe(spots(1))
    matcher.most_keypoints = 30

    few = matcher.describe(spots(1))

    assert len(everything.strengths) > 100
    torch.testing.assert_close(few.pixels, everything.pixels[:30])
    assert few.strengths.min() >= everything.strengths[30:].max()


def test_photos_of_different_shapes_meet_and_each_is_described_once(folder, monkeypatch):
    matcher = load_matcher(folder)
    calls = []
    describe = matcher.describe
    monkeypatch.setattr(matcher, "describe", lambda image: calls.append(image.shape) or describe(image))
    images = [spots(0, 64, 128), spots(0, 128, 64), spots(2, 100, 100)]
    views = [View(str(i), image, (image.shape[1], image.shape[0]), np.eye(3)) for i, image in enumerate(images)]

    found = match_photos(matcher, views, [(0, 1), (1, 0), (2, 1), (0, 2), (1, 1)])

    assert calls == [image.shape for image in images]
    assert [(pair.view_i, pair.view_j) for pair in found] == [(0, 1), (0, 2), (1, 2)]
    for pair in found:
        for pixels, image in ((pair.pixels_i, images[pair.view_i]), (pair.pixels_j, images[pair.view_j])):
            assert (pixels >= 0).all()
            assert (pixels < torch.tensor([image.shape[1], image.shape[0]])).all()


@pytest.mark.parametrize("shape", [(1, 100), (100, 1), (7, 7)])
def test_images_too_small_for_a_cell_have_no_keypoints_and_no_matches(folder, shape):
    matcher = load_matcher(folder)

    nothing = matcher.describe(np.zeros((*shape, 3), np.uint8))

    assert len(matcher.match(nothing, matcher.describe(spots(0)))) == 0
    assert len(matcher.match(nothing, nothing)) == 0


def test_an_image_without_keypoints_has_no_matches(kind, tmp_path):
    matcher = load_matcher(glue_folder(kind, tmp_path / kind, keypoint_threshold=2.0))

    assert len(matcher.match(matcher.describe(spots(0)), matcher.describe(spots(0)))) == 0


def test_the_licence_is_said_once_per_kind_of_network(kind, folder, caplog):
    pretrained._say_licence_once.cache_clear()
    with caplog.at_level(logging.WARNING, "pointmap"):
        load_matcher(folder)
        load_matcher(folder)

    said = [record.getMessage() for record in caplog.records if "Magic Leap" in record.getMessage()]
    assert len(said) == 1
    assert "non-commercial" in said[0]


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """Nobody answers at the hub's address, and the cache is empty."""
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def test_without_a_connection_the_error_says_what_to_fetch(offline, kind):
    with pytest.raises(InputError, match=r"could not be downloaded.*config.json and model.safetensors.*folder"):
        load_matcher(kind)


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}")

    with pytest.raises(InputError, match=r"cannot use the network in.*Expected"):
        load_matcher(tmp_path)


def test_without_transformers_the_error_names_the_extra(monkeypatch):
    monkeypatch.setattr("pointmap.extras.find_spec", lambda name: None)

    with pytest.raises(InputError, match=r"'lightglue' needs transformers.*pip install 'pointmap\[match\]'"):
        load_matcher("lightglue")
