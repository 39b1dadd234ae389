"""The state of a run: what goes on after an interruption, and what is released.

A state is one file `NAME.safetensors`; with several processes that train alone (local gradients) each other one has its
own, `NAME-<rank>-<step>.safetensors`. `state` is the latest; `stable` is the last one before the rates began to fall,
from which a finished run is extended.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from pointmap.atomic import atomic_path, write_bytes
from pointmap.checkpoints.saving import save_model
from pointmap.errors import InputError
from pointmap.models import Network, NetworkConfig
from pointmap.train.distributed import Processes, wait_for_all
from pointmap.train.muon import Muon
from pointmap.train.settings import TrainSettings

RELEASE = "release"
"""Folder of the averaged weights, within that of the run."""
FACTS = "run.json"
"""What a person wants to know of a run; nothing reads it but the curves."""
STATE, STABLE = "state", "stable"
_COUNTERS = ("step", "pairs_seen", "setbacks", "decayed_from", "history")


@dataclass
class Run:
    """What a run needs to go on."""

    network: Network
    averaged: Network
    optimizers: list[torch.optim.Optimizer]
    step: int = 0
    pairs_seen: int = 0
    skipped: int = 0
    """Steps in a row, up to now, whose gradients were not finite."""
    setbacks: int = 0
    """How often the run went back to a saved state because of those; each halves the learning rates."""
    decayed_from: int | None = None
    """Step after which its rates began to fall for good."""
    history: list[dict[str, Any]] = field(default_factory=list)
    """Scores of every validation."""


def new_run(network: Network, settings: TrainSettings) -> Run:
    """A run at its beginning, from these weights."""
    averaged = Network(network.config).to(network.device)
    averaged.load_state_dict(network.state_dict())
    return Run(network.train(), averaged.eval().requires_grad_(False), make_optimizers(network, settings))


def make_optimizers(network: Network, settings: TrainSettings) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the blocks, AdamW for the others."""
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            (matrices if "_blocks" in name and parameter.ndim == 2 else others).append(parameter)
    return [
        Muon(matrices, settings.matrix_rate, weight_decay=settings.weight_decay),
        torch.optim.AdamW(others, settings.other_rate, betas=(0.9, 0.95), weight_decay=settings.weight_decay),
    ]


def saved_facts(output: Path, name: str) -> dict[str, Any] | None:
    """What is said of a saved state (`step`, `decayed_from` and so on), or None where there is none.

    Raises:
        InputError: It cannot be read.
    """
    path = output / f"{name}.safetensors"
    return _read_facts(path) if path.is_file() else None


def restore(run: Run, output: Path, name: str, processes: Processes) -> None:
    """Go on from a saved state.

    Raises:
        InputError: It is of another network, or cannot be read.
    """
    path = output / f"{name}.safetensors"
    facts = _read_facts(path)
    if architecture(NetworkConfig.from_dict(facts["config"])) != architecture(run.network.config):
        raise InputError(f"{str(output)!r} holds a run of another network. Choose another output folder.")
    own = _path_of(output, name, processes.rank, facts["step"])
    if processes.is_first or not own.is_file():  # a process that was not there before starts like the first
        own = path
    try:
        with safe_open(own, "pt") as file:
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (it is no mapping)
        run.network.load_state_dict(_part(state, "network."))
        if own == path:
            run.averaged.load_state_dict(_part(state, "averaged."))
        for index, optimizer in enumerate(run.optimizers):
            _restore_optimizer(optimizer, _part(state, f"optimizer{index}."))
    except (SafetensorError, OSError, ValueError, LookupError, TypeError, RuntimeError) as error:
        raise _damaged(own, error) from error
    run.skipped = 0
    for key in _COUNTERS:
        setattr(run, key, facts[key])


def save(settings: TrainSettings, run: Run, name: str, processes: Processes) -> None:
    """Write a state to go on from; each file whole or not at all, and the first process's last."""
    each_alone = settings.gradients == "local"
    output = settings.output
    if not processes.is_first and each_alone:
        _write(_path_of(output, name, processes.rank, run.step), _tensors(run, averaged=False), {})
    if each_alone:
        wait_for_all(processes)
    if not processes.is_first:
        return
    facts = {key: getattr(run, key) for key in _COUNTERS}
    facts["config"] = run.network.config.to_dict()
    _write(output / f"{name}.safetensors", _tensors(run, averaged=True), {"facts": json.dumps(facts)})
    for path in output.glob(f"{name}-*-*.safetensors"):
        if not path.stem.endswith(f"-{run.step}"):
            path.unlink()
    options = asdict(settings) | {"output": settings.output.name}
    write_bytes(output / FACTS, json.dumps(facts | {"settings": options}, indent=1).encode())


def release(settings: TrainSettings, run: Run) -> None:
    """Write the averaged weights as `pointmap.load_model` reads them."""
    save_model(run.averaged, settings.output / RELEASE)


def architecture(config: NetworkConfig) -> dict[str, Any]:
    """What weights must fit; not the sizes of images, which a run may change."""
    sizes = ("image_size", "inference_size", "match_size")
    return {name: value for name, value in config.to_dict().items() if name not in sizes}


def _tensors(run: Run, *, averaged: bool) -> dict[str, Tensor]:
    tensors = {f"network.{name}": value for name, value in run.network.state_dict().items()}
    if averaged:
        tensors |= {f"averaged.{name}": value for name, value in run.averaged.state_dict().items()}
    for index, optimizer in enumerate(run.optimizers):
        for number, entries in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer{index}.{number}.{name}": torch.as_tensor(value) for name, value in entries.items()}
    return tensors


def _write(path: Path, tensors: Mapping[str, Tensor], facts: dict[str, str]) -> None:
    with atomic_path(path) as temporary:
        save_file({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, temporary, facts)


def _path_of(output: Path, name: str, rank: int, step: int) -> Path:
    return output / (f"{name}-{rank}-{step}.safetensors" if rank else f"{name}.safetensors")


def _read_facts(path: Path) -> dict[str, Any]:
    try:
        with safe_open(path, "pt") as file:
            return json.loads(file.metadata()["facts"])
    except (SafetensorError, OSError, ValueError, LookupError, TypeError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(
        f"The run in {str(path.parent)!r} cannot be resumed: {path.name} is damaged or not of this version "
        f"({error}). Choose another output folder, or delete the file to start again."
    )


def _part(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _restore_optimizer(optimizer: torch.optim.Optimizer, entries: dict[str, Tensor]) -> None:
    content = optimizer.state_dict()
    content["state"] = {}
    for key, value in entries.items():
        number, name = key.split(".", 1)
        content["state"].setdefault(int(number), {})[name] = value
    optimizer.load_state_dict(content)
