"""The state of a run: what goes on after an interruption, and what is released."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pointmap.atomic import atomic_path, write_bytes
from pointmap.checkpoints.containers import read_checkpoint
from pointmap.checkpoints.fitting import fit_weights
from pointmap.checkpoints.saving import save_model
from pointmap.errors import InputError
from pointmap.models import Network, NetworkConfig
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
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            (matrices if "_blocks" in name and parameter.ndim == 2 else others).append(parameter)
    return [
        Muon(matrices, settings.matrix_rate, weight_decay=settings.weight_decay),
        torch.optim.AdamW(others, settings.other_rate, betas=(0.9, 0.95), weight_decay=settings.weight_decay),
    ]


def start_or_resume(settings: TrainSettings, config: NetworkConfig, device: torch.device) -> Run:
    """A new run, or the one in the output folder as it was last saved.

    Raises:
        InputError: The state in the folder is of another network, or cannot be read.
    """
    torch.manual_seed(settings.seed)
    network, averaged = Network(config).to(device), Network(config).to(device)
    if settings.weights:
        fit_weights(network, read_checkpoint(Path(settings.weights)).state, source=repr(settings.weights))
    averaged.load_state_dict(network.state_dict())
    run = Run(network, averaged.eval().requires_grad_(False), make_optimizers(network, settings))
    if (settings.output / _STATE).is_file():
        try:
            _resume(run, settings.output, device)
        except InputError:
            raise
        except (SafetensorError, OSError, ValueError, LookupError, TypeError) as error:
            raise InputError(
                f"The run in {str(settings.output)!r} cannot be resumed: {_STATE} or {_FACTS} is damaged or missing "
                f"({error}). Choose another output folder, or delete both files to start again."
            ) from error
    return run


def _resume(run: Run, output: Path, device: torch.device) -> None:
    facts = json.loads((output / _FACTS).read_text())
    if NetworkConfig.from_dict(facts["config"]) != run.network.config:
        raise InputError(f"{str(output)!r} holds a run of another network. Choose another output folder.")
    state = load_file(output / _STATE, device=str(device))
    run.network.load_state_dict(_part(state, "network."))
    run.averaged.load_state_dict(_part(state, "averaged."))
    run.step, run.pairs_seen, run.history = facts["step"], facts["pairs_seen"], facts["history"]
    for index, optimizer in enumerate(run.optimizers):
        _restore(optimizer, _part(state, f"optimizer{index}."))


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
