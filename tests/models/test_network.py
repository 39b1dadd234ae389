"""What the network promises beyond the reference's numbers."""

from dataclasses import replace

import pytest
import torch

from pointmap.errors import InputError
from pointmap.models import PRESETS, Encoding, Network, NetworkConfig
from pointmap.models.rope import rotary_table, rotate


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Network(PRESETS["nano"]).eval()


def test_prediction_is_decoding_two_encodings_of_any_sizes(network):
    image_i, image_j = torch.rand(2, 3, 32, 48) * 2 - 1, torch.rand(2, 3, 48, 32) * 2 - 1

    with torch.no_grad():
        whole = network(image_i, image_j)
        parts = network.decode(network.encode(image_i), network.encode(image_j))

    assert whole.points_i.shape == (2, 32, 48, 3)
    assert whole.points_j.shape == (2, 48, 32, 3)
    torch.testing.assert_close(whole.points_j, parts.points_j)
    assert (whole.confidence_i >= 1).all()


def test_gradients_flow_after_inference_of_the_same_size(network):
    image = torch.rand(1, 3, 40, 56) * 2 - 1
    with torch.inference_mode():
        network(image, image)

    network(image, image).points_j.sum().backward()

    assert network.decoder_embed.weight.grad.abs().sum() > 0


_NARROW = {"encoder_dim": 32, "encoder_depth": 2, "encoder_heads": 2, "decoder_dim": 24, "decoder_heads": 2}


@pytest.mark.parametrize(
    "config",
    [NetworkConfig(**_NARROW, dpt_widths=(8, 8, 8, 8), dpt_features=8), replace(PRESETS["nano"], registers=2)],
    ids=["published", "ours"],
)
def test_every_weight_that_plays_a_part_gets_a_gradient(config):
    network = Network(config)
    image = torch.rand(1, 3, 64, 48) * 2 - 1

    prediction = network(image, image.flip(-1))
    outputs = [value for value in vars(prediction).values() if value is not None]
    torch.stack([output.square().sum() for output in outputs]).sum().backward()

    without = {key for key, value in network.named_parameters() if value.requires_grad and value.grad is None}
    assert all("refinenet4.resConfUnit1" in key for key in without)


def test_registers_are_read_by_every_token_and_then_dropped():
    torch.manual_seed(0)
    network = Network(replace(PRESETS["nano"], registers=4)).eval()
    image = torch.rand(2, 3, 32, 48) * 2 - 1

    with torch.no_grad():
        before = network.encode(image)
        network.registers.add_(torch.randn(4, 64))
        after = network.encode(image)
        prediction = network.decode(after, after)

    assert before.tokens.shape == (2, 4 * 6, 64)
    assert ((after.tokens - before.tokens).abs().amax(dim=-1) > 1e-3).all()
    assert prediction.points_i.shape == (2, 32, 48, 3)


def test_registers_do_not_turn_and_leave_the_places_of_the_others():
    tokens = torch.randn(1, 2, 3 + 2 * 5, 16)
    settings = ((2, 5), 16, 100.0, torch.device("cpu"), torch.float32)

    turned = rotate(tokens, rotary_table(*settings, registers=3))

    assert turned[:, :, :3].equal(tokens[:, :, :3])
    assert turned[:, :, 3:].equal(rotate(tokens[:, :, 3:], rotary_table(*settings)))


def test_a_config_from_before_there_were_registers_has_none():
    config = PRESETS["small"].to_dict()
    del config["registers"]

    network = Network(NetworkConfig.from_dict(config))

    assert network.config == PRESETS["small"]
    assert not [name for name in network.state_dict() if "registers" in name]


def test_encodings_are_batched_and_chosen_from(network):
    images = torch.rand(3, 3, 32, 48) * 2 - 1
    with torch.no_grad():
        encoding = network.encode(images)

    again = Encoding.cat([encoding[[2]], encoding[:2]])[[1, 2, 0]]

    assert len(again) == 3
    torch.testing.assert_close(again.tokens, encoding.tokens)
    torch.testing.assert_close(again.skips[0], encoding.skips[0])
    with pytest.raises(ValueError, match="different sizes"):
        Encoding.cat([encoding, network.encode(torch.zeros(1, 3, 48, 32))])


def test_an_image_that_is_no_whole_number_of_patches_is_refused(network):
    with pytest.raises(InputError, match="50x32"):
        network.encode(torch.zeros(1, 3, 32, 50))


def test_a_config_survives_json():
    import json

    for config in PRESETS.values():
        assert NetworkConfig.from_dict(json.loads(json.dumps(config.to_dict(), allow_nan=False))) == config
    with pytest.raises(InputError, match="wings"):
        NetworkConfig.from_dict({"wings": 2})
