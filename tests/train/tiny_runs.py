"""Runs of seconds, for the tests of the trainer."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from pointmap.train import loop
from pointmap.train.settings import TrainSettings


def tiny_settings(output: Path, **changes) -> TrainSettings:
    """Four steps in about two seconds; half of the pairs are drawn from earlier steps."""
    values = {
        "output": output,
        "preset": "tiny",
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
