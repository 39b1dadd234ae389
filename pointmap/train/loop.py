"""The training loop: render, step, average, validate, save; interrupted at any time, it goes on where it was."""

import json
import os
import signal
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch import nn

from pointmap.errors import InputError
from pointmap.models import PRESETS, Network, NetworkConfig
from pointmap.train.augment import augment
from pointmap.train.muon import Muon
from pointmap.train.objective import Losses, compute_losses
from pointmap.train.pairs import PairBatch, make_pairs
from pointmap.train.random import Random
from pointmap.train.schedules import wsd
from pointmap.train.textures import make_textures
from pointmap.train.validation import HEADER, Scores, baselines, validate

SIZES = {"112": [(80, 112), (112, 80)], "64": [(48, 64), (64, 48)], "224": [(160, 224), (224, 160)]}
"""Height and width of the training images, by the network's image size; each step draws one of them."""
_VALIDATION_SEED = 10_000_019
_VALIDATION_TEXTURES = 7_777


@dataclass(frozen=True)
class TrainSettings:
    """Everything that a run depends on."""

    output: Path
    """Folder of the run: its state, its log and the weights for release."""
    preset: str = "small"
    """Network, by name."""
    steps: int = 2000
    """Length of the schedule. A run that is resumed with another length goes on in that schedule."""
    pairs_per_step: int = 24
    """Per process. Each is seen in both orders."""
    fresh: float = 0.5
    """Share of each step's pairs that are rendered for it; the others are drawn from earlier ones."""
    pool: int = 12_000
    """Rendered pairs that are kept in memory for that."""
    easy_steps: int = 600
    """So many first steps see only pairs that overlap by more than a half."""
    matrix_rate: float = 2e-3
    """Learning rate of the blocks' matrices (Muon)."""
    other_rate: float = 1e-3
    """Learning rate of everything else (AdamW)."""
    weight_decay: float = 0.05
    alpha: float = 0.2
    matching_weight: float = 0.3
    warmup_steps: int = 50
    decay: float = 0.2
    """Share of the steps, at the end, over which the rates fall to zero."""
    average: float = 0.99
    """Decay of the average of the weights, which is what is released."""
    textures: int = 384
    validate_every: int = 200
    validation_pairs: int = 128
    """Of each image size."""
    save_every: int = 100
    average_every: int = 10
    """With several processes: steps between averages of their weights."""
    seed: int = 0
    device: str = "auto"
    log_every: int = 20


@dataclass
class Run:
    """What a run needs to go on."""

    network: Network
    averaged: Network
    optimizers: list[torch.optim.Optimizer]
    step: int = 0
    pairs_seen: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)


def train(settings: TrainSettings) -> Path:
    """Train until the schedule ends, or SIGTERM or Ctrl-C comes; returns the folder with the released weights.

    Raises:
        InputError: The preset is unknown, or the state in the folder is of another network.
    """
    if settings.preset not in PRESETS:
        raise InputError(f"Unknown preset {settings.preset!r}. Choose one of: {', '.join(PRESETS)}.")
    rank, world = _join_processes()
    device = _device(settings.device, rank)
    run = _start_or_resume(settings, device)
    sizes = SIZES.get(str(run.network.config.image_size), SIZES["112"])
    texels = make_textures(settings.textures, settings.seed, device)
    pools = [_Pool(settings.pool // len(sizes)) for _ in sizes]
    validation: list[PairBatch] | None = None
    stop = _StopRequest()
    began, pairs_at_start = time.time(), run.pairs_seen
    while run.step < settings.steps and not stop.requested:
        random = Random(settings.seed * 1_000_003 + run.step * 64 + rank, device)
        shape = int(random.integers(0, len(sizes), 1))
        fresh = max(1, round(settings.pairs_per_step * settings.fresh))
        batch = pools[shape].next(
            make_pairs(
                fresh,
                sizes[shape],
                random,
                texels,
                settings.textures,
                min_overlap=0.5 if run.step < settings.easy_steps else 0.15,
                chunk=2 if device.type == "cpu" else 128,
            ),
            settings.pairs_per_step,
            random,
        )
        losses = _step(run, settings, batch, random)
        run.step += 1
        run.pairs_seen += settings.pairs_per_step * world
        if world > 1 and run.step % settings.average_every == 0:
            stop.requested = _average_processes(run.network, stop.requested)
        if rank == 0:
            _average_weights(run, settings.average)
            if run.step % settings.log_every == 0:
                rate = (run.pairs_seen - pairs_at_start) / (time.time() - began)
                _report(settings, run, {"pairs_per_s": round(rate, 1), **_floats(losses)})
            if run.step % settings.validate_every == 0 or run.step == settings.steps:
                validation = validation or _validation_pairs(settings, sizes, device)
                scores = validate(run.averaged, validation)
                run.history.append({"step": run.step, "pairs": run.pairs_seen, **asdict(scores)})
                print(f"          {HEADER}\nvalidated {scores.table_row()}", flush=True)
            if run.step % settings.save_every == 0:
                save(settings, run)
    if rank == 0:
        save(settings, run)
    if dist.is_initialized():
        dist.destroy_process_group()
    return settings.output / "release"


def score_baselines(settings: TrainSettings, sizes: list[tuple[int, int]]) -> dict[str, Scores]:
    """The trivial predictors on the validation pairs of a run."""
    texels = make_textures(settings.textures, settings.seed)
    train = [make_pairs(256, size, Random(1), texels, settings.textures, chunk=2) for size in sizes]
    return baselines(_validation_pairs(settings, sizes, torch.device("cpu")), train)


def _step(run: Run, settings: TrainSettings, batch: PairBatch, random: Random) -> Losses:
    factor = wsd(run.step / settings.steps, settings.warmup_steps / settings.steps, settings.decay)
    for optimizer, rate in zip(run.optimizers, (settings.matrix_rate, settings.other_rate), strict=True):
        for group in optimizer.param_groups:
            group["lr"] = rate * factor
    images = augment(batch.images.flatten(0, 1), random).unflatten(0, (-1, 2))
    with torch.autocast(batch.depths.device.type, torch.bfloat16):
        losses = compute_losses(
            run.network, batch, images, alpha=settings.alpha, matching_weight=settings.matching_weight
        )
    losses.total.backward()
    norm = nn.utils.clip_grad_norm_(run.network.parameters(), 1.0)
    for optimizer in run.optimizers:
        if torch.isfinite(norm):
            optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return losses


class _Pool:
    """Rendered pairs of one size; new ones take the places of the oldest."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.parts: list[PairBatch] = []

    def next(self, fresh: PairBatch, count: int, random: Random) -> PairBatch:
        """The fresh pairs, filled up to `count` with earlier ones."""
        self.parts.append(fresh)
        if len(self.parts) * len(fresh) > self.capacity:
            self.parts.pop(0)
        chosen = [fresh]
        while (missing := count - sum(map(len, chosen))) > 0:
            part = self.parts[int(random.integers(0, len(self.parts), 1))]
            start = int(random.integers(0, len(part), 1))
            chosen.append(part[start : start + min(missing, 4)])
        names = fresh.__dataclass_fields__
        return PairBatch(**{name: torch.cat([getattr(part, name) for part in chosen]) for name in names})


def _validation_pairs(settings: TrainSettings, sizes: list[tuple[int, int]], device: torch.device) -> list[PairBatch]:
    """Worlds and textures that training never sees."""
    texels = make_textures(settings.textures, settings.seed + _VALIDATION_TEXTURES, device)
    random = Random(_VALIDATION_SEED, device)
    return [make_pairs(settings.validation_pairs, size, random, texels, settings.textures, chunk=2) for size in sizes]


def _make_optimizers(network: Network, settings: TrainSettings) -> list[torch.optim.Optimizer]:
    matrices, others = [], []
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            (matrices if "_blocks" in name and parameter.ndim == 2 else others).append(parameter)
    return [
        Muon(matrices, settings.matrix_rate, weight_decay=settings.weight_decay),
        torch.optim.AdamW(others, settings.other_rate, betas=(0.9, 0.95), weight_decay=settings.weight_decay),
    ]


def _start_or_resume(settings: TrainSettings, device: torch.device) -> Run:
    config = PRESETS[settings.preset]
    torch.manual_seed(settings.seed)
    network, averaged = Network(config).to(device), Network(config).to(device)
    averaged.load_state_dict(network.state_dict())
    run = Run(network, averaged.eval().requires_grad_(False), _make_optimizers(network, settings))
    state_path = settings.output / "state.safetensors"
    if not state_path.is_file():
        return run
    facts = json.loads((settings.output / "run.json").read_text())
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
    state = {f"network.{name}": value for name, value in run.network.state_dict().items()}
    state |= {f"averaged.{name}": value for name, value in run.averaged.state_dict().items()}
    for index, optimizer in enumerate(run.optimizers):
        for number, entries in optimizer.state_dict()["state"].items():
            state |= {f"optimizer{index}.{number}.{name}": torch.as_tensor(value) for name, value in entries.items()}
    facts = {
        "step": run.step,
        "pairs_seen": run.pairs_seen,
        "config": run.network.config.to_dict(),
        "settings": {name: str(v) if isinstance(v, Path) else v for name, v in asdict(settings).items()},
        "history": run.history,
    }
    release = settings.output / "release"
    release.mkdir(parents=True, exist_ok=True)
    _write(settings.output / "run.json", json.dumps(facts, indent=1).encode())
    _save_tensors(settings.output / "state.safetensors", state)
    half = {name: value.half() for name, value in run.averaged.state_dict().items()}
    _save_tensors(release / "model.safetensors", half)
    _write(release / "config.json", json.dumps(run.network.config.to_dict(), indent=1).encode())


def _save_tensors(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    temporary = path.with_suffix(".partial")
    save_file({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, temporary)
    os.replace(temporary, path)


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_suffix(".partial")
    temporary.write_bytes(content)
    os.replace(temporary, path)


def _part(state: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _restore(optimizer: torch.optim.Optimizer, entries: dict[str, torch.Tensor]) -> None:
    content = optimizer.state_dict()
    content["state"] = {}
    for key, value in entries.items():
        number, name = key.split(".", 1)
        content["state"].setdefault(int(number), {})[name] = value
    optimizer.load_state_dict(content)


@torch.no_grad()
def _average_weights(run: Run, decay: float) -> None:
    decay = min(decay, (run.step + 1) / (run.step + 10))
    for average, value in zip(run.averaged.parameters(), run.network.parameters(), strict=True):
        average.lerp_(value, 1 - decay)


def _join_processes() -> tuple[int, int]:
    """Rank and number of processes; more than one when started by torchrun."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return 0, 1
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return dist.get_rank(), dist.get_world_size()


@torch.no_grad()
def _average_processes(network: Network, stop: bool) -> bool:
    """Local SGD: every process goes on from the mean of all weights. Returns whether any of them wants to stop."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    flat = torch.cat(
        [*(parameter.flatten() for parameter in parameters), torch.tensor([float(stop)]).to(network.device)]
    )
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for parameter, value in zip(parameters, flat[:-1].split([p.numel() for p in parameters]), strict=True):
        parameter.copy_(value.view_as(parameter))
    return bool(flat[-1] > 0)


def _device(name: str, rank: int) -> torch.device:
    if name == "auto":
        name = f"cuda:{rank % torch.cuda.device_count()}" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


class _StopRequest:
    """Set by Ctrl-C and SIGTERM: the step that runs is finished, and everything saved."""

    def __init__(self) -> None:
        self.requested = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._request)

    def _request(self, *_: object) -> None:
        self.requested = True


def _floats(losses: Losses) -> dict[str, float]:
    return {name: round(value.item(), 4) for name, value in vars(losses).items()}


def _report(settings: TrainSettings, run: Run, values: dict[str, float]) -> None:
    line = {"step": run.step, "pairs": run.pairs_seen, **values}
    print(" ".join(f"{name} {value}" for name, value in line.items()), flush=True)
    settings.output.mkdir(parents=True, exist_ok=True)
    with (settings.output / "log.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
