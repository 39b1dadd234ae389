"""Child processes that answer one message at a time, for `executor.LocalExecutor`."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from pointmap.executor import Answer, attempt, failed
from pointmap.threads import set_threads, thread_environment

GRACE = 2.0
"""Seconds that children have to tidy up before they are killed."""


@dataclass(frozen=True, eq=False)
class _Child:
    process: SpawnProcess
    pipe: Connection


class Children:
    """A number of children, started when they are needed; leaving the context ends them all."""

    def __init__(self, count: int, threads: int) -> None:
        self.count = count
        self.threads = threads
        self._idle: list[_Child] = []
        self._busy: dict[_Child, Any] = {}

    def __enter__(self) -> "Children":
        return self

    def __exit__(self, *error: object) -> None:
        busy, self._busy = list(self._busy), {}
        for child in busy:
            child.process.terminate()
        self.dismiss_idle()
        _end(busy)

    @property
    def busy(self) -> bool:
        """Whether any child has something to do."""
        return bool(self._busy)

    @property
    def free(self) -> bool:
        """Whether one more message can be begun."""
        return len(self._busy) < self.count

    def begin(self, label: Any, message: tuple[Callable[[Any], Any], Any]) -> None:
        """Let a free child do something: a function and its argument. Raises what says that they cannot be sent."""
        child = self._idle.pop() if self._idle else _start(self.threads)
        try:
            child.pipe.send(message)
        except OSError:  # it died: `wait` finds that out
            pass
        except Exception:
            self._idle.append(child)
            raise
        self._busy[child] = label

    def wait(self) -> list[tuple[Any, Answer | str]]:
        """Wait for at least one answer, and give all that are there: its label, and what came; or, as text, how the
        child died."""
        ready = connection.wait([child.pipe for child in self._busy]) if self._busy else []
        found: list[tuple[Any, Answer | str]] = []
        for child in [child for child in self._busy if child.pipe in ready]:
            label = self._busy.pop(child)
            try:
                answer: Answer | str = child.pipe.recv()
            except (EOFError, OSError):
                _end([child])
                answer = _death(child.process.exitcode)
            except Exception as error:  # a value's class may refuse to be made again
                self._idle.append(child)
                answer = failed(error)
            else:
                self._idle.append(child)
            found.append((label, answer))
        return found

    def dismiss_idle(self) -> None:
        """End those that have nothing to do, and so give their memory back."""
        idle, self._idle = self._idle, []
        for child in idle:
            child.pipe.close()
        _end(idle)


def _start(threads: int) -> _Child:
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, threads), daemon=True)
    with thread_environment(threads), _without_interrupts():
        process.start()
    theirs.close()  # so that its end closes the pipe
    return _Child(process, ours)


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Processes that are started meanwhile never see a Ctrl-C; this one sees it a moment later."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows; `_serve` then ignores it a little later
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # which is started with the first process, and unblocks the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end(children: list[_Child]) -> None:
    """Wait for children that were asked to end; kill those that do not."""
    until = time.monotonic() + GRACE
    for child in children:
        child.process.join(max(0.0, until - time.monotonic()))
        if child.process.exitcode is None:
            child.process.kill()
            child.process.join()
        child.pipe.close()


def _death(code: int | None) -> str:
    if code is not None and code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"killed by {name}" + (", perhaps for want of memory" if name == "SIGKILL" else "")
    return f"ended with exit code {code}"


def _serve(pipe: Connection, threads: int) -> None:
    """A child's life: answer messages until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # as an exception, so that temporary folders are removed
    threading.Thread(target=_end_with_parent, daemon=True).start()
    set_threads(threads)
    while True:
        try:
            work, task = pipe.recv()
        except (EOFError, OSError):
            return
        except Exception as error:  # it cannot be imported here
            answer = failed(error)
        else:
            answer = attempt(work, task)
        with contextlib.suppress(BrokenPipeError):
            try:
                pipe.send(answer)
            except OSError:
                raise
            except Exception as error:  # the value cannot be sent
                pipe.send(failed(error))


def _end_with_parent() -> None:
    """A parent that was killed cannot end its children."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
