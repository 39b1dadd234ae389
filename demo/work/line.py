"""Who is next: runs wait in one fair line for a free worker process, and say how they stand."""

import asyncio
import contextlib
import logging
import os
import shutil
import threading
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from pointmap.demo.limits import Limits
from pointmap.demo.visitors.sessions import Session
from pointmap.demo.work.progress import expected_seconds
from pointmap.demo.work.worker_process import WorkerProcess, worker_command
from pointmap.errors import Cancelled, InputError

GRACE_SECONDS = 1.0
"""For a worker to stop by itself when a run is cancelled."""
REST_SECONDS = 60.0
"""A worker that has grown and had nothing to do for so long is replaced by a fresh one."""
_CRASHED = "The reconstruction ran out of memory or crashed. Try fewer photos or a smaller size."
_CANNOT_START = "Nothing can be reconstructed here at the moment: the worker does not start. Please come back later."
_START_SECONDS = 6.0
_AGAIN_SECONDS = 5.0
"""After which those who wait hear a new estimate."""
_LONGEST_PAUSE = 30.0
_MUCH = 1.5, 500e6
"""Memory that a worker may keep after a job: so many times as much as it had when it was fresh, and so many bytes."""
_LITTLE = 1.1, 20e6
"""The same for one that has nothing to do."""
_DRAWING = ("reconstruct", "surface")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Waiting:
    """In line."""

    place: int
    """1: next."""

    seconds: float | None
    """Until it begins, as far as one can tell."""


@dataclass(frozen=True)
class Working:
    """A worker is at it."""

    stage: str
    """In words for people: "Looking for the same points in photos"."""

    done: int
    total: int
    """Of the stage."""

    share: float
    """Of the whole run, 0 to 1; never falls."""

    seconds: float | None
    """Until the end, as far as one can tell."""


@dataclass(frozen=True)
class Drawn:
    """There is a new view of the scene (`Session.view`, already set)."""

    view: int


@dataclass(frozen=True)
class Done:
    """The end; `result` is what the job returned (`jobs.py`)."""

    result: dict[str, Any]


Event = Waiting | Working | Drawn | Done


class Line:
    """The workers, and the runs that wait for one. May be used from any thread and any event loop."""

    def __init__(
        self, limits: Limits, *, workers: int = 1, model: str = "small", command: Sequence[str] | None = None
    ) -> None:
        """Start the worker processes, which load the network at once, so that the first visitor need not wait.

        Args:
            workers: Runs at the same time.
            model: The network that is loaded in advance.
            command: What starts a worker instead of `pointmap.demo.work.worker`, in tests.
        """
        self._limits = limits
        self._command = list(command or worker_command(model))
        self._threads = max(1, (os.cpu_count() or 1) // workers) if workers > 1 else None
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._waiting: list[_Run] = []
        self._numbers = count(1)
        self._closed = False
        self._pace = 1.0
        """Of runs until now: how many times as long they took as expected."""
        self._workers = [_Worker() for _ in range(max(1, workers))]
        with self._lock:
            for worker in self._workers:
                self._start(worker)

    async def run(self, session: Session, job: str, request: dict[str, Any]) -> AsyncIterator[Event]:
        """Do a job of `jobs.JOBS` for a session. If the iterator is closed, the run is cancelled.

        Raises:
            InputError: The job cannot be done; or the line is full; or the session has a run already.
            Cancelled: `cancel` was called.
        """
        run = self._join(session, job, request)
        try:
            while True:
                try:
                    news = await asyncio.wait_for(run.news.get(), _AGAIN_SECONDS)
                except TimeoutError:
                    self._estimate_again(run)
                    continue
                if isinstance(news, Exception):
                    raise news
                yield news
                if isinstance(news, Done):
                    return
        finally:
            self._stop(run, Cancelled())

    def cancel(self, session: Session) -> bool:
        """Stop the session's run, waiting or working; its worker is free or replaced at once. False: there is none."""
        with self._lock:
            stopped = [self._stop(run, Cancelled()) for run in self._runs() if run.session is session]
            return any(stopped)

    def busy(self, session: Session) -> bool:
        """Whether a worker may still write into the session's folder."""
        with self._lock:
            return any(worker.run and worker.run.session is session for worker in self._workers)

    def wait_until_ready(self, seconds: float = 60.0) -> bool:
        """Whether a worker is ready within this time. Not needed: runs wait for it by themselves."""
        with self._changed:
            return self._changed.wait_for(lambda: any(worker.fresh_bytes for worker in self._workers), seconds)

    @property
    def pids(self) -> list[int]:
        """Of the worker processes; for measurements."""
        with self._lock:
            return [worker.process.pid for worker in self._workers if worker.process]

    def close(self) -> None:
        """End all workers."""
        with self._lock:
            self._closed = True
            processes = [worker.process for worker in self._workers if worker.process]
            for run in self._runs():
                self._end(run, Cancelled())
            for worker in self._workers:
                worker.set_timer(None)
            self._waiting.clear()
            for process in processes:
                process.kill()
        for process in processes:
            process.join()

    # Runs

    def _join(self, session: Session, job: str, request: dict[str, Any]) -> "_Run":
        """A new run at the end of the line."""
        with self._lock:
            if self._closed:
                raise InputError("The demo is being closed.")
            if any(run.session is session and run.goes_on for run in self._runs()):
                raise InputError("Your run is still going. Cancel it first.")
            if len(self._waiting) >= self._limits.waiting:
                raise InputError(f"{len(self._waiting)} others are waiting already. Please come back in some minutes.")
            if all(worker.failures > 1 for worker in self._workers):
                raise InputError(_CANNOT_START)
            photos = len(request.get("photos") or session.photos)
            run = _Run(next(self._numbers), session, job, request, photos, expected_seconds(job, request, photos))
            self._waiting.append(run)
            self._serve()
            return run

    def _stop(self, run: "_Run", reason: Exception) -> bool:
        """End a run for a reason; False if it is over, or about to be, anyway."""
        with self._lock:
            if not run.goes_on:
                return False
            run.reason = reason
            if run in self._waiting:
                self._waiting.remove(run)
                self._end(run, reason)
                self._serve()
            for worker in self._workers:
                if worker.run is run and worker.process is not None:
                    worker.process.send(cancel=run.number)
                    worker.set_timer(GRACE_SECONDS, self._kill, worker, run)
            return True

    def _end(self, run: "_Run", news: "Event | Exception") -> None:
        """The last that is heard of a run."""
        if run.ended:
            return
        run.ended = True
        if isinstance(news, Done):
            took = (time.monotonic() - run.begun) / max(run.expected, 0.1)
            self._pace += 0.3 * (took - self._pace)
        if run.begun and run.job in _DRAWING:
            run.session.settled = True
        run.tell(news)

    def _runs(self) -> list["_Run"]:
        return [*(worker.run for worker in self._workers if worker.run), *self._waiting]

    # Workers

    def _serve(self) -> None:
        """Free workers take the next runs; the others hear their new places."""
        for worker in self._workers:
            if worker.idle and not self._closed:
                at_work = [other.run.session for other in self._workers if other.run]
                # A run that was just cancelled may still write into the folder of its session.
                run = next((run for run in self._waiting if all(run.session is not one for one in at_work)), None)
                if run is not None:
                    self._waiting.remove(run)
                    self._begin(worker, run)
        for index, run in enumerate(self._waiting):
            if run.place != index + 1:
                run.place = index + 1
                run.tell(Waiting(run.place, self._seconds_until(index)))

    def _begin(self, worker: "_Worker", run: "_Run") -> None:
        assert worker.process is not None
        session = run.session
        worker.run, worker.idle, run.begun = run, False, time.monotonic()
        if run.job in _DRAWING:
            session.settled = False
        if run.job == "reconstruct":
            session.report = {}
            _empty(session.result)
        request = run.request | {"first_view": session.view + 1}
        worker.process.send(run=run.number, job=run.job, result=str(session.result), request=request, photos=run.photos)
        worker.set_timer(60 * self._limits.run_minutes, self._overdue, run)

    def _start(self, worker: "_Worker") -> None:
        if not self._closed:
            worker.idle, worker.fresh_bytes, worker.spent = False, 0, False
            worker.process = WorkerProcess(
                self._command,
                threads=self._threads,
                heard=partial(self._heard, worker),
                ended=partial(self._over, worker),
            )

    def _heard(self, worker: "_Worker", process: WorkerProcess, message: dict[str, Any]) -> None:
        """In the thread that listens to the worker."""
        with self._lock:
            if process is not worker.process or self._closed:
                return
            if "ready" in message:
                worker.fresh_bytes, worker.failures, worker.idle = max(message["ready"], 1), 0, True
                self._changed.notify_all()
                self._serve()
            elif "free" in message:
                self._freed(worker, message["free"])
            elif worker.run is not None and message.get("run") == worker.run.number:
                self._heard_of(worker.run, worker, message)

    def _heard_of(self, run: "_Run", worker: "_Worker", message: dict[str, Any]) -> None:
        if "working" in message:
            run.left = message["working"][-1]
            run.tell(Working(*message["working"]))
        elif "drawn" in message:
            run.session.view = message["drawn"]
            run.tell(Drawn(message["drawn"]))
        elif "kept" in message:
            run.session.report = message["kept"]
        elif "done" in message:
            result = message["done"]
            if run.job == "reconstruct":
                run.session.report = result
            elif run.job == "surface":
                run.session.report = run.session.report | result
            self._end(run, Done(result))
        elif "failed" in message:
            worker.spent = message["broken"]
            self._end(run, InputError(message["failed"]))
        elif "cancelled" in message:
            self._end(run, run.reason or Cancelled())

    def _freed(self, worker: "_Worker", held: int) -> None:
        """A job is over and its memory given back, more or less."""
        assert worker.process is not None
        worker.run, worker.idle = None, True
        worker.set_timer(None)
        factor, more = _MUCH
        if worker.spent or held > factor * worker.fresh_bytes + more:
            _log.info("A worker holds %.0f MB and is replaced.", held / 1e6)
            worker.idle = False
            worker.process.kill()
            return
        self._serve()
        factor, more = _LITTLE
        if worker.idle and held > factor * worker.fresh_bytes + more:
            worker.set_timer(REST_SECONDS, self._refresh, worker)

    def _refresh(self, worker: "_Worker") -> None:
        """Nobody has come for a while: the memory can be had by others."""
        with self._lock:
            if worker.idle and worker.process is not None:
                worker.idle = False
                worker.process.kill()

    def _kill(self, worker: "_Worker", run: "_Run") -> None:
        with self._lock:
            if worker.run is run and worker.process is not None:
                worker.process.kill()

    def _overdue(self, run: "_Run") -> None:
        minutes = self._limits.run_minutes
        self._stop(run, InputError(f"The run took longer than {minutes:g} minutes and was stopped. Try fewer photos."))

    def _over(self, worker: "_Worker", process: WorkerProcess) -> None:
        """The process is gone, whoever ended it: another takes its place."""
        with self._lock:
            if process is not worker.process or self._closed:
                return
            worker.set_timer(None)
            worker.process, worker.idle = None, False
            run, worker.run = worker.run, None
            if run is not None:
                self._end(run, run.reason or InputError(_CRASHED))
            if worker.fresh_bytes:
                self._start(worker)
                self._serve()
                return
            worker.failures += 1
            _log.error("A worker ended before it was ready, %d times now.", worker.failures)
            worker.set_timer(min(2.0**worker.failures, _LONGEST_PAUSE), self._start_again, worker)
            if all(other.failures > 1 for other in self._workers):
                while self._waiting:
                    self._end(self._waiting.pop(0), InputError(_CANNOT_START))

    def _start_again(self, worker: "_Worker") -> None:
        with self._lock:
            self._start(worker)

    # Estimates

    def _estimate_again(self, run: "_Run") -> None:
        with self._lock:
            if run in self._waiting:
                run.tell(Waiting(run.place, self._seconds_until(run.place - 1)))

    def _seconds_until(self, index: int) -> float:
        """Until the run at this index of those who wait begins: each goes to the worker that is free first."""
        free = [self._seconds_left(worker) for worker in self._workers]
        for run in self._waiting[:index]:
            free.sort()
            free[0] += run.expected * self._pace
        return round(min(free), 1)

    def _seconds_left(self, worker: "_Worker") -> float:
        if worker.run is None:
            return 0.0 if worker.idle else _START_SECONDS
        if worker.run.left is not None:
            return worker.run.left
        return max(1.0, worker.run.expected * self._pace - (time.monotonic() - worker.run.begun))


def _empty(folder: Path) -> None:
    """Remove what is in a folder, which may be gone itself."""
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


@dataclass(eq=False)
class _Run:
    """One job of one session."""

    number: int
    session: Session
    job: str
    request: dict[str, Any]
    photos: int
    expected: float
    """Seconds, before anything is known of this machine."""
    place: int = 0
    begun: float = 0.0
    left: float | None = None
    reason: Exception | None = None
    """Why it is to end, when somebody has said so."""
    ended: bool = False
    news: "asyncio.Queue[Event | Exception]" = field(default_factory=asyncio.Queue)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    @property
    def goes_on(self) -> bool:
        """Nobody has stopped it, and it is not over."""
        return not self.ended and self.reason is None

    def tell(self, news: "Event | Exception") -> None:
        """From any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self.loop.call_soon_threadsafe(self.news.put_nowait, news)


@dataclass(eq=False)
class _Worker:
    """A place at which one process after the other works."""

    process: WorkerProcess | None = None
    idle: bool = False
    run: _Run | None = None
    fresh_bytes: int = 0
    """What it held when it was ready; 0 before."""
    failures: int = 0
    """Processes in a row that were never ready."""
    spent: bool = False
    """Something unexpected happened in it: better not to rely on it."""
    timer: threading.Timer | None = None

    def set_timer(self, seconds: float | None, act: Any = None, *arguments: Any) -> None:
        """Do something later, instead of what was to be done later until now."""
        if self.timer is not None:
            self.timer.cancel()
        self.timer = None
        if seconds is not None:
            self.timer = threading.Timer(seconds, act, arguments)
            self.timer.daemon = True
            self.timer.start()
