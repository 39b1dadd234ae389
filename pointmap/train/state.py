"""The state of a run: what goes on after an interruption, and what is released."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from pointmap.atomic import atomic_path, write_bytes
from pointmap.checkpoints.saving import save_model
from pointmap.errors import InputError
from pointmap.models import PRESETS, Network, NetworkConfig
from pointmap.train.muon import Muon
from pointmap.train.settings import TrainSettings

RELEASE = "release"
"""Folder of the averaged weights, within that of the run."""
_STATE, _FACTS = "state.safetensors", "run.json"


@dataclass
class Run:
    """What a run needs to go on."""

    network: Network
    averaged: Network
    optimizers: list[torch.optim.Optimizer]
    step: int = 0
    pairs_seen: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)


def make_optimizers(network: Network, settings: TrainSettings) -> list[torch.optim.Optimizer]:
    matrices, others = [], []
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            (matrices if "_blocks" in name and parameter.ndim == 2 else others).append(parameter)
    return [
        Muon(matrices, settings.matrix_rate, weight_decay=settings.weight_decay),
        torch.optim.AdamW(others, settings.other_rate, betas=(0.9, 0.95), weight_decay=settings.weight_decay),
    ]


def start_or_resume(settings: TrainSettings, device: torch.device) -> Run:
    config = PRESETS[settings.preset]
    torch.manual_seed(settings.seed)
    network, averaged = Network(config).to(device), Network(config).to(device)
    averaged.load_state_dict(network.state_dict())
    run = Run(network, averaged.eval().requires_grad_(False), make_optimizers(network, settings))
    state_path = settings.output / _STATE
    if not state_path.is_file():
        return run
    facts = json.loads((settings.output / _FACTS).read_text())
    if NetworkConfig.from_dict(facts["config"]) != config:
        raise InputError(f"{str(settings.output)!r} holds a run of another network. Choose another output folder.")
    state = load_file(state_path, device=str(device))
    network.load_state_dict(_part(state, "network."))
    run.averaged.load_state_dict(_part(state, "averaged."))
    run.step, run.pairs_seen, run.history = facts["step"], facts["pairs_seen"], facts["history"]
    for index, optimizer in enumerate(run.optimizers):
        _restore(optimizer, _part(state, f"optimizer{index}."))
    return run


def save(settings: TrainSettings, run: Run) -> None:
    """Write the state to resume from, and the averaged weights for release; each file whole or not at all."""
    tensors = {f"network.{name}": value for name, value in run.network.state_dict().items()}
    tensors |= {f"averaged.{name}": value for name, value in run.averaged.state_dict().items()}
    for index, optimizer in enumerate(run.optimizers):
        for number, entries in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer{index}.{number}.{name}": torch.as_tensor(value) for name, value in entries.items()}
    facts = {
        "step": run.step,
        "pairs_seen": run.pairs_seen,
        "config": run.network.config.to_dict(),
        "settings": asdict(settings) | {"output": settings.output.name},
        "history": run.history,
    }
    with atomic_path(settings.output / _STATE) as temporary:
        save_file({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, temporary)
    write_bytes(settings.output / _FACTS, json.dumps(facts, indent=1).encode())
    save_model(run.averaged, settings.output / RELEASE)


def _part(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _restore(optimizer: torch.optim.Optimizer, entries: dict[str, Tensor]) -> None:
    content = optimizer.state_dict()
    content["state"] = {}
    for key, value in entries.items():
        number, name = key.split(".", 1)
        content["state"].setdefault(int(number), {})[name] = value
    optimizer.load_state_dict(content)
