"""Networks that travel with the package."""

import pytest

import pointmap
from pointmap.checkpoints import registry, save_model
from pointmap.checkpoints.registry import bundled_models
from pointmap.errors import InputError
from pointmap.models import PRESETS, Network


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """The folder `weights/` of an installation, with one network in it."""
    monkeypatch.setattr(registry, "_ROOTS", (tmp_path / "nowhere", tmp_path))
    save_model(Network(PRESETS["nano"]), tmp_path / "weights" / "mini")
    return tmp_path / "weights"


def test_a_bundled_network_is_loaded_by_its_name_alone(weights):
    assert pointmap.load_model("mini", device="cpu").config == PRESETS["nano"]


def test_a_bundled_name_comes_before_a_folder_of_the_same_name(weights, tmp_path, monkeypatch):
    (tmp_path / "here" / "mini").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")

    assert pointmap.load_model("mini", device="cpu").config == PRESETS["nano"]
    with pytest.raises(InputError, match="has no config"):
        pointmap.load_model("./mini")


def test_the_table_counts_what_is_in_the_file(weights):
    (model,) = bundled_models()

    assert model.parameters == sum(tensor.numel() for tensor in Network(PRESETS["nano"]).state_dict().values())
    assert model.size == (weights / "mini" / "model.safetensors").stat().st_size
    assert model.licence == "Apache-2.0"


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1\n"])
def test_weights_that_are_not_really_here_are_not_listed(weights, content):
    (weights / "mini" / "model.safetensors").write_bytes(content)

    assert bundled_models() == []
    with pytest.raises(InputError, match="no network 'mini'"):
        pointmap.load_model("mini")
