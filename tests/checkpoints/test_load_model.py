"""Names, folders and files become networks; files that do not fit say why."""

import json
import logging

import pytest
import torch
from checkpoint_files import CONSTRUCTOR, DPT_KEYWORDS, KEYWORDS, make_network, write_folder, write_pth
from safetensors.torch import load_file, save_file

import pointmap
from pointmap.checkpoints import load_pretraining, loading, registry, save_model
from pointmap.errors import InputError
from pointmap.models import PRESETS, Network, NetworkConfig
from pointmap.models.official import config_from_official

OFFICIAL = sorted(model.name for model in registry.PUBLISHED)


def same_outputs(a: Network, b: Network) -> bool:
    i, j = torch.rand(2, 1, 3, 32, 48) * 2 - 1
    with torch.no_grad():
        return torch.equal(a(i, j).points_j, b(i, j).points_j)


@pytest.mark.parametrize("name", OFFICIAL)
def test_every_official_network_has_exactly_the_published_names_and_shapes(golden_dir, name):
    facts = json.loads((golden_dir / "keys" / f"{name}.json").read_text())
    aliases = {alias for _, alias in facts["aliases"]}
    with torch.device("meta"):
        network = Network(PRESETS[name])

    shapes = {key: list(tensor.shape) for key, tensor in network.state_dict().items()}

    expected = {key: shape for key, shape in facts["keys"].items() if key not in aliases}
    unread = {key: expected.pop(key) for key in facts["unused_parameters"]}
    assert {key: shape for key, shape in shapes.items() if key not in unread} == expected
    assert all(shapes[key] == shape for key, shape in unread.items() if key in shapes)


@pytest.mark.parametrize("name", OFFICIAL)
def test_the_table_of_published_networks_states_their_number_of_parameters(golden_dir, name):
    facts = json.loads((golden_dir / "keys" / f"{name}.json").read_text())

    assert registry.published_model(name).parameters == facts["n_unique_params"]


@pytest.mark.parametrize("name", ["dust3r_dpt", "dust3r_linear", "mast3r_catmlpdpt"])
def test_the_golden_configurations_fit_their_weights(golden_dir, tmp_path, name):
    """The constructor keywords as text and as JSON, with the widths of these small networks on top."""
    facts = json.loads((golden_dir / "models" / name / "config.json").read_text())
    config = config_from_official(facts["constructor"])
    if facts.get("dpt_widths"):
        widths = facts["dpt_widths"]
        values = config.to_dict() | {"dpt_widths": widths["layer_dims"], "dpt_features": widths["feature_dim"]}
        config = NetworkConfig.from_dict(values)
    state = load_file(golden_dir / "models" / name / "weights.safetensors")
    folder = write_folder(tmp_path / name, state, config.to_dict())

    network = pointmap.load_model(folder, device="cpu", precision="fp32")

    loaded = network.state_dict()
    assert all(torch.equal(loaded[key], state[key].float()) for key in loaded if key in state)
    assert {key for key in loaded if key not in state} == set()


def test_a_folder_a_file_and_an_official_pickle_give_the_same_network(tmp_path):
    network = make_network()
    state = network.state_dict()
    folder = write_folder(tmp_path / "hub", state)

    for path in (folder, folder / "model.safetensors", str(write_pth(tmp_path / "official.pth", state))):
        loaded = pointmap.load_model(path, device="cpu", precision="fp32")
        assert not loaded.training
        assert same_outputs(loaded, network)


def test_training_on_goes_with_a_loaded_network(tmp_path):
    loaded = pointmap.load_model(write_folder(tmp_path, make_network().state_dict()), device="cpu", precision="fp32")
    image = torch.rand(1, 3, 32, 48)

    loaded(image, image).points_j.sum().backward()

    assert loaded.enc_blocks[0].attn.qkv.weight.grad is not None


def test_a_saved_network_of_ours_comes_back(tmp_path):
    network = Network(PRESETS["nano"]).eval()

    folder = save_model(network, tmp_path / "ours", dtype=torch.float32)
    loaded = pointmap.load_model(folder, device="cpu", precision="fp32")

    assert loaded.config == network.config
    assert same_outputs(loaded, network)
    assert sorted(path.name for path in (tmp_path / "ours").iterdir()) == ["config.json", "model.safetensors"]


def test_half_precision_on_disk_is_widened(tmp_path):
    folder = save_model(Network(PRESETS["nano"]), tmp_path, dtype=torch.float16)

    loaded = pointmap.load_model(folder, device="cpu", precision="fp32")

    assert load_file(folder / "model.safetensors")["decoder_embed.weight"].dtype == torch.float16
    assert {tensor.dtype for tensor in loaded.state_dict().values()} == {torch.float32}


def test_precision_is_set_on_the_network(tmp_path):
    loaded = pointmap.load_model(save_model(Network(PRESETS["nano"]), tmp_path), device="cpu", precision="bf16")

    assert loaded.precision == torch.bfloat16


@pytest.mark.parametrize("which", ["both names", "original names", "alias names"])
def test_a_tensor_with_two_names_may_come_under_either_or_both(tmp_path, which):
    network = make_network(DPT_KEYWORDS)
    state = dict(network.state_dict())
    for head in ("downstream_head1", "downstream_head2"):
        for index in range(4):
            original = f"{head}.dpt.scratch.layer{index + 1}_rn.weight"
            tensor = state[original] if which == "both names" else state.pop(original)
            state[original if which == "original names" else f"{head}.dpt.scratch.layer_rn.{index}.weight"] = tensor

    loaded = pointmap.load_model(write_folder(tmp_path, state, DPT_KEYWORDS), device="cpu", precision="fp32")

    assert same_outputs(loaded, network)


def test_weights_that_nothing_reads_may_be_absent_or_too_many(tmp_path):
    network = make_network()
    state = dict(network.state_dict())
    state.pop("mask_token", None)
    state["prediction_head.weight"] = torch.zeros(3, 4)

    loaded = pointmap.load_model(write_folder(tmp_path, state), device="cpu", precision="fp32")

    assert same_outputs(loaded, network)


def test_a_file_of_another_network_names_what_is_missing_unexpected_and_misshapen(tmp_path):
    state = dict(make_network().state_dict())
    for index in range(2):
        del state[f"dec_blocks.{index}.norm1.weight"]
    state["decoder_embed.weight"] = torch.zeros(9, 16)
    state |= {f"stranger.{index}": torch.zeros(1) for index in range(6)}

    with pytest.raises(InputError) as error:
        pointmap.load_model(write_folder(tmp_path, state))

    message = str(error.value)
    assert "2 missing (dec_blocks.0.norm1.weight, dec_blocks.1.norm1.weight)" in message
    assert "6 unexpected (stranger.0, stranger.1, stranger.2, stranger.3, ...)" in message
    assert "1 misshapen (decoder_embed.weight is 9x16 and not 8x16)" in message


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_by_name(tmp_path, value):
    state = {name: tensor.clone() for name, tensor in make_network().state_dict().items()}
    state["enc_norm.bias"][3] = value

    with pytest.raises(InputError, match=r"1 of \d+ weights .* NaN or infinity \(enc_norm.bias\)"):
        pointmap.load_model(write_folder(tmp_path, state))


def test_large_finite_weights_are_accepted_although_their_sum_overflows(tmp_path):
    state = {name: tensor.clone() for name, tensor in make_network().state_dict().items()}
    state["enc_norm.bias"][:] = 3e38

    assert pointmap.load_model(write_folder(tmp_path, state), device="cpu", precision="fp32").enc_norm.bias[0] == 3e38


def croco_state(network: Network) -> dict[str, torch.Tensor]:
    """Names of a pretraining file: one decoder, a head that predicts colours."""
    state = {
        name: torch.randn_like(tensor)
        for name, tensor in network.state_dict().items()
        if not name.startswith(("downstream_head", "dec_blocks2"))
    }
    return state | {"prediction_head.weight": torch.zeros(5, 8), "prediction_head.bias": torch.zeros(5)}


def test_a_pretraining_file_starts_both_decoders_and_leaves_the_heads(tmp_path):
    network = make_network()
    head = network.state_dict()["downstream_head1.proj.weight"].clone()
    state = croco_state(network)
    torch.save({"model": state, "croco_kwargs": {"enc_embed_dim": 16}}, tmp_path / "croco.pth")

    load_pretraining(network, tmp_path / "croco.pth")

    loaded = network.state_dict()
    first, second = (loaded[f"{decoder}.1.mlp.fc1.weight"] for decoder in ("dec_blocks", "dec_blocks2"))
    assert torch.equal(first, state["dec_blocks.1.mlp.fc1.weight"])
    assert torch.equal(first, second)
    assert first.data_ptr() != second.data_ptr()
    assert torch.equal(loaded["downstream_head1.proj.weight"], head)


def test_a_pretraining_file_is_no_network_to_reconstruct_with(tmp_path):
    torch.save({"model": croco_state(make_network()), "croco_kwargs": {}}, tmp_path / "croco.pth")

    with pytest.raises(InputError, match=r"no heads.*load_pretraining"):
        pointmap.load_model(tmp_path / "croco.pth")


def test_training_can_start_from_the_trunk_of_a_finished_network(tmp_path):
    finished, network = make_network(), make_network()
    for tensor in finished.state_dict().values():
        tensor.mul_(2)
    head = network.state_dict()["downstream_head1.proj.weight"].clone()

    load_pretraining(network, write_pth(tmp_path / "finished.pth", finished.state_dict()))

    loaded = network.state_dict()
    assert torch.equal(loaded["dec_blocks2.1.mlp.fc1.weight"], finished.state_dict()["dec_blocks2.1.mlp.fc1.weight"])
    assert torch.equal(loaded["downstream_head1.proj.weight"], head)


def test_pretraining_of_other_widths_is_refused(tmp_path):
    torch.save({"model": croco_state(make_network()), "croco_kwargs": {}}, tmp_path / "croco.pth")

    with pytest.raises(InputError, match="misshapen"):
        load_pretraining(make_network(KEYWORDS | {"enc_embed_dim": 32}), tmp_path / "croco.pth")


def test_one_stored_decoder_serves_both_without_tying_them(tmp_path):
    state = {name: tensor for name, tensor in make_network().state_dict().items() if not name.startswith("dec_blocks2")}

    loaded = pointmap.load_model(write_folder(tmp_path, state), device="cpu", precision="fp32").state_dict()

    assert torch.equal(loaded["dec_blocks2.0.norm1.weight"], state["dec_blocks.0.norm1.weight"])
    assert loaded["dec_blocks2.0.norm1.weight"].data_ptr() != loaded["dec_blocks.0.norm1.weight"].data_ptr()


def test_weights_without_a_description_ask_for_it(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "lonely.safetensors")

    with pytest.raises(InputError, match=r"config\.json"):
        pointmap.load_model(tmp_path / "lonely.safetensors")


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"head_type": "nerf"}, "nerf"), ({"enc_embed_dim": "wide"}, "wide"), ({"num_experts": 4}, "num_experts")],
)
def test_a_description_of_another_kind_of_network_is_refused(tmp_path, change, reason):
    folder = write_folder(tmp_path, make_network().state_dict(), KEYWORDS | change)

    with pytest.raises(InputError, match=reason):
        pointmap.load_model(folder)


@pytest.mark.parametrize(
    ("name", "metric"), [("MASt3R_metric.pth", True), ("MASt3R_nonmetric.pth", False), ("x.pth", False)]
)
def test_only_the_published_name_says_that_points_are_in_metres(tmp_path, name, metric):
    path = write_pth(tmp_path / name, make_network().state_dict())

    assert pointmap.load_model(path, device="cpu").config.metric is metric


def test_the_training_flags_of_the_constructor_change_nothing(tmp_path):
    path = write_pth(tmp_path / "a.pth", make_network().state_dict(), CONSTRUCTOR)

    assert pointmap.load_model(path, device="cpu").config == make_network().config


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(InputError, match="DUSt3R_ViTLarge_BaseDecoder_512_dpt"):
        pointmap.load_model("smal")


@pytest.mark.parametrize("path", ["nowhere/weights.pth", "weights.safetensors"])
def test_a_missing_file_is_not_looked_for_on_the_hub(path):
    with pytest.raises(InputError, match="no file of weights"):
        pointmap.load_model(path)


def test_the_licence_is_said_once_for_published_layouts_and_never_for_ours(tmp_path, caplog):
    loading._say_licence_once.cache_clear()
    ours = save_model(Network(PRESETS["nano"]), tmp_path / "ours")
    theirs = write_folder(tmp_path / "theirs", make_network().state_dict())

    with caplog.at_level(logging.WARNING, logger="pointmap"):
        pointmap.load_model(ours)
        assert not caplog.records
        pointmap.load_model(theirs)
        pointmap.load_model(theirs)

    assert ["CC BY-NC-SA 4.0" in record.getMessage() for record in caplog.records] == [True]
