"""Tasks on a Ray cluster: other machines, or worker processes of this one. Needs the extra `ray`."""

import logging
import os
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from pointmap.errors import InputError
from pointmap.executor import Answer, Outcome, attempt, check_counts, failed, finished
from pointmap.extras import require
from pointmap.threads import set_threads, thread_environment, thread_variables

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class RayExecutor:
    """A cluster on whose machines pointmap is installed, and what tasks name is found under the same paths.

    Only what this executor starts is ended: a local cluster, or its connection. A connection of the caller's own
    (`ray.init`) is used as it is.
    """

    address: str | None = None
    """Of the cluster: "auto" for the one of this machine, "host:port", or "ray://host:port"; None starts one on this
    machine for as long as the tasks run."""

    workers: int | None = None
    """At most so many tasks at a time; default as many as the cluster has processors for."""

    threads: int = 1
    """Of each worker; see `LocalExecutor.threads`. A task takes so many processors."""

    attempts: int = 2
    """How often a task is begun whose worker or machine dies."""

    gpus: float = 0.0
    """That a task takes, or which part of one. With 0 Ray hides them from the tasks."""

    def __post_init__(self) -> None:
        check_counts(threads=(self.threads, 1), attempts=(self.attempts, 1))
        if self.workers is not None:
            check_counts(workers=(self.workers, 1))

    def run(self, work: Callable[[T], R], tasks: Sequence[T]) -> Generator[Outcome[R], None, None]:
        """See `Executor`.

        Raises:
            InputError: Ray is not installed, there is no cluster at `address`, or no machine of it has what a task
                needs.
        """
        with self._connected() as (ray, environment):
            room = self._room(ray)
            limit = min(room, self.workers or room)
            remote = ray.remote(_work).options(
                num_cpus=self.threads,
                num_gpus=self.gpus,
                max_retries=0,  # attempts are counted here
                runtime_env=environment,
            )
            waiting = deque((index, 1) for index in range(len(tasks)))
            running: dict[Any, tuple[int, int]] = {}
            try:
                while waiting or running:
                    while waiting and len(running) < limit:
                        index, number = waiting.popleft()
                        try:
                            reference = remote.remote(work, tasks[index], self.threads)
                        except Exception as error:  # it cannot be sent
                            yield finished(index, number, failed(error))
                        else:
                            running[reference] = index, number
                    for reference in ray.wait(list(running), num_returns=1)[0] if running else []:
                        index, number = running.pop(reference)
                        try:
                            answer = ray.get(reference)
                        except ray.exceptions.RayTaskError as error:  # `attempt` raises nothing: it cannot be sent
                            yield finished(index, number, failed(error.cause or error))
                        except ray.exceptions.RayError as error:
                            if number < self.attempts:
                                waiting.append((index, number + 1))
                            else:
                                yield Outcome(index, error=f"The worker died: {_cause(error)}.", attempts=number)
                        else:
                            yield finished(index, number, answer)
            finally:
                for reference in running:
                    ray.cancel(reference, force=True)

    @contextmanager
    def _connected(self) -> Iterator[tuple[Any, dict[str, Any] | None]]:
        """The module `ray`, and what its workers need for an environment; disconnected in the end, unless it was
        connected before."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read at the import: nothing is sent anywhere
        if self.address is None:
            os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # nobody but this process uses a cluster of its own
        ray = require("ray", extra="ray", purpose="Work on a cluster")
        foreign = {"env_vars": thread_variables(self.threads)}
        if ray.is_initialized():
            yield ray, foreign
            return
        quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
        try:
            if self.address is None:
                # Workers inherit this environment, which is quicker than asking for it; and find the same modules.
                count = self.threads * (self.workers or max(1, (os.cpu_count() or 1) // self.threads))
                with thread_environment(self.threads), _same_modules():
                    ray.init("local", num_cpus=count, include_dashboard=False, **quiet)
            else:
                ray.init(self.address, **quiet)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise InputError(
                f"No Ray cluster at {self.address or 'this machine'!r}: {error}. Start one with `ray start --head`, "
                "or leave the address out."
            ) from error
        try:
            yield ray, foreign if self.address else None
        finally:
            ray.shutdown()

    def _room(self, ray: Any) -> int:
        """How many tasks the cluster can run side by side."""
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        room = 0
        for node in nodes:
            count = int(node.get("CPU", 0) // self.threads)
            room += min(count, int(node.get("GPU", 0) / self.gpus)) if self.gpus else count
        if not room:
            found = ", ".join(f"{node.get('CPU', 0):g} processors and {node.get('GPU', 0):g} GPUs" for node in nodes)
            raise InputError(
                f"A task takes {self.threads} processors and {self.gpus:g} GPUs, and no machine of the cluster has "
                f"them: {found or 'it has no machine'}. Choose fewer."
            )
        return room


def _work(work: Callable[[T], R], task: T, threads: int) -> Answer:
    """In a worker, which stays between tasks."""
    set_threads(threads)
    return attempt(work, task)


@contextmanager
def _same_modules() -> Iterator[None]:
    """Processes that are started meanwhile find modules where this one does."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def _cause(error: Exception) -> str:
    """One line of what Ray says at length."""
    first = str(error).strip().split("\n")[0].split(". ")[0].rstrip(".")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
