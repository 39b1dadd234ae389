"""The training loop: step, average, validate, save; interrupted at any time, it goes on exactly where it was."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from pointmap.errors import InputError
from pointmap.train.curriculum import make_curriculum
from pointmap.train.curves import write_curves
from pointmap.train.distributed import Processes, any_of, average_weights, join_processes, leave_processes, wait_for_all
from pointmap.train.feed import Feed, part_sizes
from pointmap.train.held_out import WORLDS, HeldOut
from pointmap.train.log import Log
from pointmap.train.photos import read_photos
from pointmap.train.settings import TrainSettings
from pointmap.train.start import compile_blocks, make_network, start_or_resume
from pointmap.train.state import RELEASE, STABLE, STATE, Run, release, restore, save
from pointmap.train.step import follow, take_step

_MAX_SETBACKS = 4


def train(settings: TrainSettings) -> Path:
    """Train until the schedule ends, or SIGTERM or Ctrl-C comes; returns the folder with the released weights.

    The same settings with the same output folder go on where the run was, and end with the same weights as if it had
    not been interrupted (bit for bit on the same CPU and with as many processes). With more `steps` a finished run is
    extended from its state before the decay; with fewer, it decays now. With `weights`, a new run starts from those
    of any checkpoint, with fresh optimisers and a warm-up.

    Raises:
        InputError: A setting cannot be used, the state in the folder is damaged or of another network, or gradients
            were not finite again and again.
    """
    processes = join_processes(settings.device)
    try:
        return _train(settings, processes)
    finally:
        leave_processes(processes)


def _train(settings: TrainSettings, processes: Processes) -> Path:
    if len(part_sizes(settings, processes.world)) < processes.world:
        raise InputError(
            f"{settings.pairs_per_step} pairs in micro-batches of {settings.micro_batch} leave some of the "
            f"{processes.world} processes without work. Raise --pairs-per-step, or lower --micro-batch."
        )
    network = make_network(settings, processes.device)
    curriculum = make_curriculum(settings, network.config)
    run = start_or_resume(settings, network, curriculum, processes)
    if settings.compile:
        compile_blocks(run.network)
    photos = [read_photos(folder, max(curriculum.long_sides)) for folder in settings.train_photos]
    feed = Feed(settings, curriculum, processes.device, photos)
    held_out = HeldOut(settings, network.config, processes.device)
    log = Log(settings, run)
    if run.step == 0:
        save(settings, run, STATE, processes)  # there must be something to go back to
    with _stop_request() as stop:
        while run.step < settings.steps:
            if run.decayed_from is None and run.step >= curriculum.decay_start:
                save(settings, run, STABLE, processes)
                run.decayed_from = run.step
            losses = take_step(run, settings, feed, processes)
            last = run.step == settings.steps
            stopping = diverged = False
            if settings.gradients == "shared" or processes.world == 1:
                stopping, diverged = any_of(processes, [stop.wanted, run.skipped >= settings.patience])
            elif run.step % settings.average_every == 0 or last:
                average_weights(processes, run.network)
                stopping, diverged = any_of(processes, [stop.wanted, run.skipped >= settings.patience])
            if diverged:
                _go_back(run, settings, processes, log)
                continue
            if processes.is_first:
                follow(run.averaged, run.network, settings.average, run.step)
                if run.step % settings.log_every == 0:
                    log.step(run, losses)
                if run.step % settings.validate_every == 0 or last:
                    scores = held_out.validate(run.averaged)
                    log.scores(scores)
                    rows = {name: asdict(row) for name, row in scores.items()}
                    run.history.append({"step": run.step, "pairs": run.pairs_seen} | rows.pop(WORLDS) | rows)
            # Amid steps that fail there is no state worth going back to.
            due = run.step % settings.save_every == 0 and not any_of(processes, [run.skipped > 0])[0]
            if due or last or stopping:
                _save(settings, run, processes)
            if stopping:
                break
    if processes.is_first and not (settings.output / RELEASE).is_dir():
        release(settings, run)
    wait_for_all(processes)  # whoever leaves first may take the others down with it
    return settings.output / RELEASE


def _save(settings: TrainSettings, run: Run, processes: Processes) -> None:
    save(settings, run, STATE, processes)
    if processes.is_first:
        release(settings, run)
        write_curves(settings.output)


def _go_back(run: Run, settings: TrainSettings, processes: Processes, log: Log) -> None:
    """To the last saved state, at half the learning rates."""
    setbacks, failed = run.setbacks + 1, run.step
    if setbacks > _MAX_SETBACKS:
        raise InputError(
            f"Training diverges: for the {setbacks}th time, {settings.patience} steps in a row up to step {failed} had "
            f"no finite gradients, at 1/{2**run.setbacks} of the learning rates. Lower --matrix-rate and --other-rate, "
            "or look at the data."
        )
    restore(run, settings.output, STATE, processes)
    run.setbacks = setbacks
    if processes.is_first:
        log.say(
            f"No finite gradients in {settings.patience} steps up to {failed}: back to step {run.step}, at "
            f"1/{2**setbacks} of the learning rates."
        )


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
