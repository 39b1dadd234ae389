"""Networks with the reference's weights give the reference's numbers."""

import json
from pathlib import Path

import pytest
import torch
from conftest import GOLDEN, SHARED
from models.reference import error, load_formula_weights, load_network, run_case
from safetensors.torch import load_file

from pointmap.models import PRESETS, Network

STORED = sorted(path for path in (GOLDEN / "models").glob("*/*_b*.safetensors"))
ELSEWHERE = sorted(
    path
    for path in (SHARED / "golden/models").glob("*/*_b*.safetensors")
    if not (GOLDEN / "models" / path.parent.name / path.name).exists()
)
FULL = sorted((SHARED / "golden/full").glob("*.safetensors"))


def case_id(path: Path) -> str:
    return f"{path.parent.name}-{path.stem}"


@pytest.mark.parametrize("path", [*STORED, *ELSEWHERE], ids=case_id)
def test_outputs_agree_with_the_reference(path):
    case = load_file(path)

    outputs = run_case(load_network(path.parent), case)

    expected = {name for name in case if name.startswith("out.")}
    assert set(outputs) == expected
    for name in expected:
        assert error(outputs[name], case[name].float()) < 1e-4, name


@pytest.mark.parametrize("path", [p for p in STORED if "landscape" in p.name], ids=case_id)
def test_intermediate_values_agree_with_the_reference(path):
    case = load_file(path)
    network = load_network(path.parent)
    seen: dict[str, torch.Tensor] = {}

    def keep(name):
        return lambda _module, _inputs, output: seen.setdefault(name, output)

    modules = {"enc_norm": network.enc_norm}
    modules |= {f"enc_block.{index}": block for index, block in enumerate(network.enc_blocks)}
    modules |= {f"dec1.block.{index}": block for index, block in enumerate(network.dec_blocks)}
    modules |= {f"dec2.block.{index}": block for index, block in enumerate(network.dec_blocks2)}
    for name, module in modules.items():
        module.register_forward_hook(keep(name))
    images = torch.cat([case["in.view1.img"], case["in.view2.img"]])
    batch = len(images) // 2
    with torch.no_grad():
        encoding = network.encode(images)
        network.decode(encoding[:batch], encoding[batch:])

    for name in modules:
        assert error(seen[name], case[f"mid.{name}"].float()) < 2e-5, name


@pytest.mark.parametrize("path", sorted((GOLDEN / "keys").glob("[DM]*.json")), ids=lambda path: path.stem)
def test_parameters_have_the_names_and_shapes_of_the_published_checkpoints(path):
    facts = json.loads(path.read_text())
    aliases = {alias for pair in facts["aliases"] for alias in pair if ".layer_rn." in alias}
    with torch.device("meta"):
        network = Network(PRESETS[path.stem])

    ours = {name: list(value.shape) for name, value in network.state_dict().items()}

    assert ours == {name: shape for name, shape in facts["keys"].items() if name not in aliases}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("path", FULL, ids=lambda path: path.stem)
def test_full_size_networks_agree_with_the_reference(path):
    facts = json.loads(path.with_suffix(".json").read_text())
    case = load_file(path)
    with torch.device("meta"):
        network = Network(PRESETS[next(name for name in PRESETS if path.stem.startswith(name))])
    network = network.to_empty(device="cpu").eval()
    load_formula_weights(network, facts["weight_seed"])
    images = [case[f"in.view{view}.img_u8"].float() / 255 * 2 - 1 for view in (1, 2)]

    outputs = run_case(
        network,
        {
            "in.view1.img": images[0],
            "in.view2.img": images[1],
            "in.view1.true_shape": torch.tensor([images[0].shape[-2:]]),
            "in.view2.true_shape": torch.tensor([images[1].shape[-2:]]),
        },
    )

    for name in (name for name in case if name.startswith("out.")):
        base, stride = name.rsplit(".stride", 1)
        assert error(outputs[base][:, :: int(stride), :: int(stride)], case[name]) < 2e-4, name
