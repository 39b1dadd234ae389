"""Child processes that answer one message at a time, for `executor.LocalExecutor`."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from pointmap.executor import attempt_packed
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

    def begin(self, label: Any, message: bytes) -> None:
        """Let a free child answer a message."""
        child = self._idle.pop() if self._idle else _start(self.threads)
        self._busy[child] = label
        with contextlib.suppress(OSError):  # it died: `wait` finds that out
            child.pipe.send_bytes(message)

    def wait(self) -> list[tuple[Any, bytes | str]]:
        """Wait for at least one answer, and give all that are there: its label, and bytes; or, as text, how the child
        died."""
        ready = connection.wait([child.pipe for child in self._busy]) if self._busy else []
        found: list[tuple[Any, bytes | str]] = []
        for child in [child for child in self._busy if child.pipe in ready]:
            label = self._busy[child]
            try:
                answer: bytes | str = child.pipe.recv_bytes()
            except (EOFError, OSError):
                _end([child])
                answer = _death(child.process.exitcode)
                del self._busy[child]
            else:
                del self._busy[child]
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
            message = pipe.recv_bytes()
        except (EOFError, OSError):
            return
        with contextlib.suppress(BrokenPipeError):
            pipe.send_bytes(attempt_packed(message))


def _end_with_parent() -> None:
    """A parent that was killed cannot end its children."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
