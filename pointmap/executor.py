"""Where work runs: in this process, in child processes, or on a Ray cluster (`ray_executor.py`).

Work is a function of a module and a list of tasks, both picklable. Results come as they are ready. A task whose worker
dies is tried again elsewhere; one that raises is not: both become outcomes, and the rest goes on.
"""

import traceback
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from pointmap.errors import InputError
from pointmap.threads import limited_threads

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Outcome(Generic[R]):
    """What became of one task."""

    index: int
    """Of the task."""

    value: R | None = None

    error: str | None = None
    """One line, where it failed: the exception's type and message, or how the worker died."""

    traceback: str | None = None
    attempts: int = 1


class Executor(Protocol):
    """Runs tasks side by side."""

    def run(self, work: Callable[[T], R], tasks: Sequence[T]) -> Generator[Outcome[R], None, None]:
        """Yield every task's outcome, in the order in which they finish. Closing the iterator stops all work."""
        ...


@dataclass(frozen=True)
class LocalExecutor:
    """This machine.

    Children ignore Ctrl-C, which is for this process to act upon, and end with this process, however it ends. As with
    all of `multiprocessing`, a script that uses them starts its own work under `if __name__ == "__main__":`.
    """

    workers: int = 0
    """Child processes, spawned; 0 works in this process, one task after the other. Each has one task at a time, and
    lives until no task is left: what the work keeps in its module, such as a network, stays loaded."""

    threads: int = 1
    """Of each worker, for torch, BLAS and OpenCV: results may depend on it in their last digits, and so are the same
    wherever it is. With `workers` 0 torch's and OpenCV's threads are set for the while; BLAS keeps what it has."""

    attempts: int = 2
    """How often a task is begun whose worker dies."""

    def __post_init__(self) -> None:
        check_counts(workers=(self.workers, 0), threads=(self.threads, 1), attempts=(self.attempts, 1))

    def run(self, work: Callable[[T], R], tasks: Sequence[T]) -> Generator[Outcome[R], None, None]:
        """See `Executor`."""
        if not self.workers:
            with limited_threads(self.threads):
                for index, task in enumerate(tasks):
                    yield finished(index, 1, attempt(work, task))
            return
        from pointmap.child_processes import Children  # which few need

        waiting = deque((index, 1) for index in range(len(tasks)))
        with Children(min(self.workers, len(tasks)), self.threads) as children:
            while waiting or children.busy:
                while waiting and children.free:
                    index, number = waiting.popleft()
                    try:
                        children.begin((index, number), (work, tasks[index]))
                    except Exception as error:  # it cannot be sent
                        yield finished(index, number, failed(error))
                if not waiting:
                    children.dismiss_idle()
                for (index, number), answer in children.wait():
                    if isinstance(answer, tuple):
                        yield finished(index, number, answer)
                    elif number < self.attempts:
                        waiting.append((index, number + 1))
                    else:
                        yield Outcome(index, error=f"The worker died: {answer}.", attempts=number)


def check_counts(**counts: tuple[int, int]) -> None:
    """Refuse settings that are smaller than their least value.

    Raises:
        InputError: Says which.
    """
    for name, (count, least) in counts.items():
        if count < least:
            raise InputError(f"{name} is {count}; it must be at least {least}.")


Answer = tuple[Any, str | None, str | None]
"""Value, error, traceback: what work gave, as it travels."""


def attempt(work: Callable[[T], R], task: T) -> Answer:
    """Do it; whatever it raises becomes an answer."""
    try:
        return work(task), None, None
    except Exception as error:
        return failed(error)


def failed(error: Exception) -> Answer:
    """The answer of a task that raised."""
    message = " ".join(str(error).split())
    text = f"{type(error).__name__}: {message}" if message else type(error).__name__
    return None, text, "".join(traceback.format_exception(error))


def finished(index: int, attempts: int, answer: Answer) -> Outcome[Any]:
    """The outcome of a task that gave an answer."""
    value, error, trace = answer
    return Outcome(index, value, error, trace, attempts)
