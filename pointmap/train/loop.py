"""The training loop: render, step, average, validate, save; interrupted at any time, it goes on where it was."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn

from pointmap.errors import InputError
from pointmap.models import PRESETS, Network, NetworkConfig
from pointmap.train.effects import augment
from pointmap.train.objective import Losses, compute_losses
from pointmap.train.pairs import PairBatch, make_pairs
from pointmap.train.random import Random
from pointmap.train.schedules import wsd
from pointmap.train.settings import TrainSettings
from pointmap.train.state import RELEASE, Run, save, start_or_resume
from pointmap.train.textures import make_textures
from pointmap.train.validation import HEADER, Scores, baselines, validate

_VALIDATION_SEED = 10_000_019
_VALIDATION_TEXTURES = 7_777


def train(settings: TrainSettings) -> Path:
    """Train until the schedule ends, or SIGTERM or Ctrl-C comes; returns the folder with the released weights.

    Raises:
        InputError: The preset is unknown, or the state in the folder is damaged or of another network.
    """
    config = network_config(settings)
    rank, world = _join_processes()
    device = _device(settings.device, rank)
    run = start_or_resume(settings, config, device)
    if settings.compile:
        compile_blocks(run.network)
    sizes = training_sizes(config)
    texels = make_textures(settings.textures, settings.seed, device)
    pools = [_Pool(settings.pool // len(sizes)) for _ in sizes]
    validation: list[PairBatch] | None = None
    began, pairs_at_start, stopping = time.time(), run.pairs_seen, False
    with _stop_request() as stop:
        while run.step < settings.steps and not stopping:
            random = Random(settings.seed * 1_000_003 + run.step * 64 + rank, device)
            shape = int(random.integers(0, len(sizes), 1))
            fresh = make_pairs(
                max(1, round(settings.pairs_per_step * settings.fresh)),
                sizes[shape],
                random,
                texels,
                settings.textures,
                min_overlap=0.5 if run.step < settings.easy_steps else 0.15,
                chunk=2 if device.type == "cpu" else 128,
            )
            losses = _step(run, settings, pools[shape].next(fresh, settings.pairs_per_step, random), random)
            run.step += 1
            run.pairs_seen += settings.pairs_per_step * world
            if world == 1:
                stopping = stop.wanted
            elif run.step % settings.average_every == 0:  # all processes leave at the same step, or one waits for ever
                stopping = _average_processes(run.network, stop.wanted)
            if rank > 0:
                continue
            _average_weights(run, settings.average)
            if run.step % settings.log_every == 0:
                rate = (run.pairs_seen - pairs_at_start) / (time.time() - began)
                _report(settings, run, {"pairs_per_s": round(rate, 1), **_floats(losses)})
            if run.step % settings.validate_every == 0 or run.step == settings.steps:
                validation = validation or validation_pairs(settings, sizes)
                scores = validate(run.averaged, [batch.to(device) for batch in validation])
                run.history.append({"step": run.step, "pairs": run.pairs_seen, **asdict(scores)})
                print(f"          {HEADER}\nvalidated {scores.table_row()}", flush=True)
            if run.step % settings.save_every == 0 or stop.wanted:
                save(settings, run)
    if rank == 0:
        save(settings, run)
    if dist.is_initialized():
        dist.destroy_process_group()
    return settings.output / RELEASE


def network_config(settings: TrainSettings) -> NetworkConfig:
    """The network that is trained.

    Raises:
        InputError: There is no preset of that name.
    """
    if settings.preset not in PRESETS:
        raise InputError(f"Unknown preset {settings.preset!r}. Choose one of: {', '.join(PRESETS)}.")
    return PRESETS[settings.preset]


def compile_blocks(network: Network) -> None:
    """Compile block by block: the whole network at once was measured slower on a CPU, and compiles for minutes."""
    heads = [network.downstream_head1, network.downstream_head2]
    for block in (network.patch_embed, *network.enc_blocks, *network.dec_blocks, *network.dec_blocks2, *heads):
        block.compile(dynamic=False)


def training_sizes(config: NetworkConfig) -> list[tuple[int, int]]:
    """Height and width of the training images, landscape and portrait; each step draws one of them."""
    long = config.image_size
    short = round(long * 5 / 7 / config.patch_size) * config.patch_size
    return [(short, long), (long, short)]


def score_baselines(settings: TrainSettings) -> dict[str, Scores]:
    """The trivial predictors on the validation pairs of a run."""
    sizes = training_sizes(network_config(settings))
    texels = make_textures(settings.textures, settings.seed)
    sample = [make_pairs(256, size, Random(1), texels, settings.textures, chunk=2) for size in sizes]
    return baselines(validation_pairs(settings, sizes), sample)


def validation_pairs(settings: TrainSettings, sizes: list[tuple[int, int]]) -> list[PairBatch]:
    """Worlds and textures that training never sees; the same on every device."""
    texels = make_textures(settings.textures, settings.seed + _VALIDATION_TEXTURES)
    random = Random(_VALIDATION_SEED)
    return [make_pairs(settings.validation_pairs, size, random, texels, settings.textures, chunk=2) for size in sizes]


def _step(run: Run, settings: TrainSettings, batch: PairBatch, random: Random) -> Losses:
    factor = wsd(run.step / settings.steps, min(0.5, settings.warmup_steps / settings.steps), settings.decay)
    for optimizer, rate in zip(run.optimizers, (settings.matrix_rate, settings.other_rate), strict=True):
        for group in optimizer.param_groups:
            group["lr"] = rate * factor
    images, batch = augment(batch, random)
    losses = compute_losses(run.network, batch, images, settings.objective, random)
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
        return PairBatch.cat(chosen)


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


class _Stop:
    wanted = False


@contextmanager
def _stop_request() -> Iterator[_Stop]:
    """Ctrl-C and SIGTERM only ask: the step that runs is finished, and everything saved."""
    stop = _Stop()

    def ask(*_: object) -> None:
        stop.wanted = True

    earlier = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _floats(losses: Losses) -> dict[str, float]:
    return {name: round(value.item(), 4) for name, value in vars(losses).items()}


def _report(settings: TrainSettings, run: Run, values: dict[str, float]) -> None:
    line = {"step": run.step, "pairs": run.pairs_seen, **values}
    print(" ".join(f"{name} {value}" for name, value in line.items()), flush=True)
    settings.output.mkdir(parents=True, exist_ok=True)
    with (settings.output / "log.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
