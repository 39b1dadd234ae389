"""One of two processes that train together, as torchrun starts them, but for the ports, which are arguments."""

import os
import sys
from dataclasses import replace
from pathlib import Path

from tiny_runs import CHEAP, asked_to_stop, tiny_settings

from pointmap.train.loop import train
from pointmap.train.settings import TrainSettings


def main(folder: Path, ports: list[str]) -> None:
    """Runs whose states the tests compare."""
    for place, name, instead in CHEAP:
        setattr(place, name, instead)
    shared = tiny_settings(folder / "shared", gradients="shared", pairs_per_step=3, micro_batch=1, validate_every=100)
    local = replace(shared, output=folder / "local", gradients="local", average_every=2, save_every=2)

    def meet_and_train(settings: TrainSettings) -> None:
        os.environ["MASTER_PORT"] = ports.pop()  # a new one each time: the other may still be leaving the last
        train(settings)

    with asked_to_stop(2):
        meet_and_train(shared)
    meet_and_train(shared)
    meet_and_train(local)
    interrupted = replace(local, output=folder / "local-interrupted")
    with asked_to_stop(1):  # they meet, and leave, a step later
        meet_and_train(interrupted)
    meet_and_train(interrupted)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
