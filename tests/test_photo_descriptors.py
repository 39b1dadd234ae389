"""Descriptors of others for retrieval: small random networks, loaded as the published ones are."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from spots import spots

from pointmap import photo_descriptors
from pointmap.errors import InputError
from pointmap.pairs import make_pairs
from pointmap.photo_descriptors import similarity_by
from pointmap.scene import View


def view_of(image, name="photo"):
    return View(name, image, (image.shape[1], image.shape[0]), np.eye(3))


def efficientnet():
    from transformers import EfficientNetConfig, EfficientNetModel

    sizes = {"width_coefficient": 0.25, "depth_coefficient": 0.3, "depth_divisor": 4, "hidden_dim": 320}
    model = EfficientNetModel(EfficientNetConfig(**sizes))
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # random ones start so small that nothing is left at the end
            torch.nn.init.ones_(module.weight)
    model.train()(torch.randn(8, 3, 96, 96))  # they learn what the random layers make of colours
    return model


def dinov2(registers=0):
    import transformers

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "mlp_ratio": 2, "image_size": 56}
    if registers:
        config = transformers.Dinov2WithRegistersConfig(**sizes, num_register_tokens=registers)
        return transformers.Dinov2WithRegistersModel(config)
    return transformers.Dinov2Model(transformers.Dinov2Config(**sizes))


@pytest.fixture(scope="module", params=[efficientnet, dinov2, lambda: dinov2(4)], ids=["efficientnet", "dinov2", "reg"])
def folder(request, tmp_path_factory):
    pytest.importorskip("transformers")
    torch.manual_seed(0)
    return request.param().save_pretrained(path := tmp_path_factory.mktemp("model")) or path


def test_photos_that_look_alike_are_more_similar_than_others(folder):
    bright, dark = spots(0, 120, 160), spots(1, 160, 120) // 4
    views = [view_of(bright), view_of(bright[5:, 5:]), view_of(dark), view_of(dark[:-6, :-6])]
    told = []

    similarity = similarity_by(folder, views, device="cpu", progress=lambda *step: told.append(step))

    assert similarity.shape == (4, 4)
    np.testing.assert_allclose(similarity, similarity.T, atol=1e-6)
    np.testing.assert_allclose(similarity.diagonal(), 1, atol=1e-4)
    assert min(similarity[0, 1], similarity[2, 3]) > 0.9
    assert similarity[:2, 2:].max() < 0
    assert told == [("compare", done, 4) for done in range(5)]
    pairs = make_pairs(4, "retrieval-1", similarity=lambda: similarity)
    assert {(0, 1), (2, 3)} <= set(pairs)


def test_photos_of_one_colour_narrow_ones_and_identical_ones_have_finite_similarities(folder):
    grey = np.full((40, 60, 3), 128, np.uint8)

    for images in ([grey, grey, grey], [grey, spots(0, 1, 200), spots(0, 200, 1)], [grey]):
        assert np.isfinite(similarity_by(folder, [view_of(image) for image in images], device="cpu")).all()


def test_the_mean_of_the_colours_of_imagenet_is_shown_as_zero():
    mean = (255 * np.array([0.485, 0.456, 0.406])).round().astype(np.uint8)

    shown = photo_descriptors._shown(np.full((90, 30, 3), mean), 14, (0.229, 0.224, 0.225))

    assert shown.shape == (1, 3, 224, 70)
    assert shown.abs().max() < 0.02


def test_the_network_itself_compares_photos_without_further_weights(monkeypatch):
    monkeypatch.setattr(photo_descriptors, "photo_similarity", lambda network, views, progress: (network, len(views)))

    assert similarity_by("network", [None, None], network="ours") == ("ours", 2)
    with pytest.raises(InputError, match="pass network="):
        similarity_by("network", [])


def test_mistakes_say_what_there_is(monkeypatch):
    with pytest.raises(InputError, match=r"'netvlad'.*'network', 'efficientnet', 'dinov2'"):
        similarity_by("netvlad", [])
    other = SimpleNamespace(config=SimpleNamespace(model_type="bert"))
    monkeypatch.setattr(photo_descriptors, "load_pretrained", lambda *_, **__: other)
    with pytest.raises(InputError, match=r"is a 'bert'; descriptors are efficientnet and dinov2"):
        similarity_by("some/body", [])


def test_without_transformers_the_error_names_the_extra(monkeypatch):
    monkeypatch.setattr("pointmap.extras.find_spec", lambda name: None)

    with pytest.raises(InputError, match=r"'dinov2' needs transformers.*pip install 'pointmap\[match\]'"):
        similarity_by("dinov2", [])


def test_without_a_connection_the_error_says_what_to_fetch(tmp_path, monkeypatch):
    pytest.importorskip("transformers")
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    with pytest.raises(InputError, match=r"google/efficientnet-b0.*not on this machine.*give the folder"):
        similarity_by("efficientnet", [])
