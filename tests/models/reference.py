"""Runs a network on the stored cases of the public reference and compares what comes out."""

import json
from pathlib import Path
from typing import Any

import torch
from golden_inputs import formula_weight
from safetensors.torch import load_file
from torch import Tensor

from pointmap.models import Network
from pointmap.models.official import config_from_official

OUTPUTS = {
    "out.pred1.pts3d": "points_i",
    "out.pred1.conf": "confidence_i",
    "out.pred2.pts3d_in_other_view": "points_j",
    "out.pred2.conf": "confidence_j",
    "out.pred1.desc": "descriptors_i",
    "out.pred1.desc_conf": "descriptor_confidence_i",
    "out.pred2.desc": "descriptors_j",
    "out.pred2.desc_conf": "descriptor_confidence_j",
}


def error(value: Tensor, expected: Tensor) -> float:
    """The measure that the reference numbers' tolerances are in."""
    return ((value - expected).abs() / (1 + expected.abs())).max().item()


def load_network(folder: Path) -> Network:
    """The network of a folder of reference data, in float32."""
    facts = json.loads((folder / "config.json").read_text())
    config = config_from_official(facts["constructor"])
    if facts.get("dpt_widths"):
        from dataclasses import replace

        widths = facts["dpt_widths"]
        config = replace(config, dpt_widths=tuple(widths["layer_dims"]), dpt_features=widths["feature_dim"])
    network = Network(config).eval()
    if (folder / "weights.safetensors").is_file():
        state = {name: value.float() for name, value in load_file(folder / "weights.safetensors").items()}
        network.load_state_dict({name: value for name, value in state.items() if ".layer_rn." not in name})
    else:
        load_formula_weights(network, facts["weight_seed"])
    return network


def load_formula_weights(network: Network, seed: int) -> None:
    """Weights that a formula gives for every name."""
    with torch.no_grad():
        for name, value in network.state_dict().items():
            value.copy_(torch.as_tensor(formula_weight(name, tuple(value.shape), seed)))


def run_case(network: Network, case: dict[str, Tensor]) -> dict[str, Tensor]:
    """Outputs under the reference's names.

    The reference's mixed batches hold landscape tensors, of which those with a portrait `true_shape` are transposed
    photos; each photo is seen upright here, and its maps are transposed back.
    """
    samples: list[dict[str, Any]] = []
    for index in range(len(case["in.view1.img"])):
        images, flips = [], []
        for view in ("in.view1", "in.view2"):
            image = case[f"{view}.img"][index]
            flips.append(tuple(case[f"{view}.true_shape"][index].tolist()) != tuple(image.shape[1:]))
            images.append((image.mT if flips[-1] else image)[None])
        with torch.no_grad():
            prediction = network(*images)
        sample = {}
        for name, field in OUTPUTS.items():
            value = getattr(prediction, field)
            if value is not None:
                flip = flips[0] if field.endswith("_i") else flips[1]
                sample[name] = value[0].transpose(0, 1) if flip else value[0]
        samples.append(sample)
    return {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}
