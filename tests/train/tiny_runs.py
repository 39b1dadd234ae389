"""Runs of seconds, for the tests of the trainer."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from pointmap.train import curves, feed, held_out, loop
from pointmap.train.pairs import PairBatch
from pointmap.train.random import Random
from pointmap.train.settings import TrainSettings


def tiny_settings(output: Path, **changes) -> TrainSettings:
    """Four steps, with `CHEAP` in half a second; half of the pairs are drawn from earlier steps."""
    values = {
        "output": output,
        "preset": "nano",
        "image_size": 32,
        "steps": 4,
        "pairs_per_step": 2,
        "fresh": 0.5,
        "easy_steps": 2,
        "shapes": "4:3,3:4",
        "warmup_steps": 1,
        "textures": 9,
        "validate_every": 2,
        "validation_pairs": 2,
        "device": "cpu",
        "log_every": 1,
    }
    return TrainSettings(**(values | changes))


CHEAP = [
    (feed, "make_textures", lambda *_: None),
    (held_out, "make_textures", lambda *_: None),
    (feed, "make_pairs", lambda count, size, random, *_, **__: noise_pairs(count, size, random)),
    (held_out, "make_pairs", lambda count, size, random, *_, **__: noise_pairs(count, size, random)),
    (curves, "_draw", lambda *_: None),
]
"""What takes the time of a tiny run, and something in its place."""


def noise_pairs(count: int, size: tuple[int, int], random: Random) -> PairBatch:
    """In place of rendered pairs: noise in front of cameras side by side, a function of the random numbers alone."""
    height, width = size
    intrinsics = torch.tensor([[width, 0, width / 2], [0, width, height / 2], [0, 0, 1]]).float()
    first_from_second = torch.eye(4).repeat(count, 1, 1)
    first_from_second[:, :3, 3] = random.uniform(-0.3, 0.3, count, 3)
    return PairBatch(
        images=random.integers(0, 256, count, 2, height, width, 3).to(torch.uint8),
        depths=random.uniform(1.0, 3.0, count, 2, height, width).half(),
        intrinsics=intrinsics.expand(count, 2, 3, 3),
        first_from_second=first_from_second,
        overlap=torch.full((count,), 0.5),
        metric=torch.zeros(count, dtype=torch.bool),
    )


@contextmanager
def asked_to_stop(step: int) -> Iterator[None]:
    """The operating system asks the run to stop while it works on a step, counted from 1."""
    work = loop.take_step

    def work_and_be_asked(run, *arguments):
        losses = work(run, *arguments)
        if run.step == step:
            signal.raise_signal(signal.SIGTERM)
        return losses

    loop.take_step = work_and_be_asked
    try:
        yield
    finally:
        loop.take_step = work


def state_of(settings: TrainSettings) -> dict[str, Tensor]:
    """Weights, their average and the optimisers' memory, as saved."""
    return load_file(settings.output / "state.safetensors")


def assert_equal_states(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    """Bit for bit."""
    assert one.keys() == other.keys()
    assert [name for name, value in one.items() if not value.equal(other[name])] == []
