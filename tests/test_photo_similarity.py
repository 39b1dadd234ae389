"""Which photos look alike, by networks whose tokens are patches of the photo."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from pointmap.models import Encoding
from pointmap.photo_similarity import encode_thumbnails, photo_similarity, similarity_to
from pointmap.scene import View

WALL = torch.rand(96, 400, 3, generator=torch.Generator().manual_seed(0))


class PatchNetwork:
    """Tokens are the colours of patches; only the same patch matches."""

    device = torch.device("cpu")

    def __init__(self, match_dim: int) -> None:
        self.config = SimpleNamespace(patch_size=8, match_dim=match_dim)

    def encode(self, image: torch.Tensor) -> Encoding:
        patches = F.unfold(image, 8, stride=8).mT
        return Encoding(patches, (), (image.shape[2] // 8, image.shape[3] // 8))

    def match_similarity(self, first: Encoding, second: Encoding) -> torch.Tensor:
        return 40 * F.normalize(first.tokens, dim=-1) @ F.normalize(second.tokens, dim=-1).mT


def seen_from(left: int) -> View:
    """A window of the wall, 96 pixels square."""
    image = (255 * WALL[:, left : left + 96]).byte().numpy()
    return View(name=str(left), image=image, original_size=(96, 96), working_from_original=np.eye(3))


def test_similarity_is_the_share_of_tokens_that_find_each_other():
    views = [seen_from(left) for left in (0, 48, 96, 300)]

    similarity = photo_similarity(PatchNetwork(match_dim=8), views)

    np.testing.assert_allclose(similarity, similarity.T)
    assert similarity[0, 1] == pytest.approx(0.5, abs=0.1)
    assert similarity[1, 2] == pytest.approx(0.5, abs=0.1)
    assert similarity[0, 2] < 0.2
    assert similarity[3, :3].max() < 0.2


def test_without_a_read_out_photos_are_compared_as_a_whole():
    red, green, blue = (np.eye(3)[channel] for channel in range(3))
    views = [replace(seen_from(0), image=(seen_from(0).image * tint).astype(np.uint8)) for tint in (red, green, blue)]
    views.append(replace(seen_from(96), image=(seen_from(96).image * red).astype(np.uint8)))

    similarity = photo_similarity(PatchNetwork(match_dim=0), views)

    assert similarity[0, 3] > 0.9
    assert similarity[0, 1:3].max() < 0
    np.testing.assert_allclose(similarity.diagonal(), 1, atol=1e-5)


def test_progress_counts_photos():
    told = []

    photo_similarity(PatchNetwork(8), [seen_from(0), seen_from(8)], progress=lambda *step: told.append(step))

    assert told == [("compare", 0, 2), ("compare", 1, 2), ("compare", 2, 2)]


@pytest.mark.parametrize("match_dim", [0, 8])
def test_one_photo_against_a_set_is_as_alike_as_in_the_table_of_all(match_dim):
    network, views = PatchNetwork(match_dim), [seen_from(left) for left in (0, 48, 96, 300)]
    first, *others = encode_thumbnails(network, views)

    alike = similarity_to(network, first, others)

    np.testing.assert_allclose(alike, photo_similarity(network, views)[0, 1:], atol=1e-5)
