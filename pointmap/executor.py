"""Where work runs: in this process, in child processes, or on a Ray cluster (`ray_executor.py`).

Work is a function of a module and a list of tasks, both picklable. Results come as they are ready. A task whose worker
dies is tried again elsewhere; one that raises is not: both become outcomes, and the rest goes on.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

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

    def run(self, work: Callable[[T], R], tasks: Sequence[T]) -> Iterator[Outcome[R]]:
        """Yield every task's outcome, in the order in which they finish. Closing the iterator stops all work."""
        ...


@dataclass(frozen=True)
class LocalExecutor:
    """This machine."""

    workers: int = 0
    """Child processes, spawned; 0 works in this process, one task after the other."""

    threads: int = 1
    """Of each worker, for torch, BLAS and OpenCV: results may depend on it in their last digits, and so are the same
    wherever it is. With `workers` 0 torch's and OpenCV's threads are set for the while; BLAS keeps what it has."""

    attempts: int = 2
    """How often a task is begun whose worker dies."""

    def run(self, work: Callable[[T], R], tasks: Sequence[T]) -> Iterator[Outcome[R]]:
        """See `Executor`."""
        raise NotImplementedError
