"""The process that works (`python -m pointmap.demo.work.worker`), started by the line, in JSON lines over its pipes.

In:  {"run": 7, "job": "reconstruct", "result": folder, "request": {...}, "photos": how many}; {"cancel": 7}
Out: {"ready": bytes}                                when the network is loaded; how much memory that takes
     {"run": 7, "working": [label, done, total, share, seconds]}
     {"run": 7, "drawn": number}; {"run": 7, "kept": report}
     {"run": 7, "done": result}, {"run": 7, "failed": sentence, "broken": bool} or {"run": 7, "cancelled": true}
     {"free": bytes}                                 after each job, when the memory that it took is given back
"""

import argparse
import contextlib
import gc
import importlib
import json
import logging
import os
import queue
import signal
import sys
import threading
import traceback
from _thread import interrupt_main
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from pointmap.demo.work.progress import Progress, plan
from pointmap.errors import Cancelled, InputError

OUT_OF_MEMORY = "The reconstruction ran out of memory or crashed. Try fewer photos or a smaller size."
_UNKNOWN = "Something went wrong here, and not by your fault. Try other photos or settings; the log says more."
_NICENESS = 5
"""The server answers clicks while workers take all cores."""
_TELL_SECONDS = 0.2
_WARM = (
    *("cv2", "PIL.Image", "PIL.ImageOps", "scipy.spatial", "scipy.sparse.linalg", "scipy.optimize", "scipy.ndimage"),
    *("skimage.measure", "trimesh", "trimesh.visual", "xatlas", "fast_simplification", "pycolmap"),
    *("pointmap.pipeline", "pointmap.surface", "pointmap.export.html", "pointmap.export.npz", "pointmap.formats"),
    *("pointmap.fusion.cloud", "pointmap.demo.visitors.strokes", "skimage.measure._marching_cubes_lewiner"),
)
"""Imported before the first visitor comes, as far as they are installed."""

Job = Callable[[Path, dict[str, Any], "Speech"], dict[str, Any]]


class Speech:
    """What a job tells (`jobs.Tell`); a thread passes on how it stands, some times a second."""

    def __init__(self, worker: "Worker", run: int, progress: Progress) -> None:
        self._worker, self._run, self._progress = worker, run, progress
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._repeat, daemon=True)
        self._thread.start()

    def __call__(self, stage: str, done: int, total: int) -> None:
        if self._worker.cancelled:
            raise Cancelled
        with self._lock:
            self._progress.update(stage, done, total)

    def drawn(self, view: int) -> None:
        """See `jobs.Tell`."""
        self._worker.send(run=self._run, drawn=view)

    def kept(self, report: dict[str, Any]) -> None:
        """See `jobs.Tell`."""
        self._worker.send(run=self._run, kept=report)

    def end(self, *, well: bool) -> None:
        """Nothing more is told."""
        self._over.set()
        self._thread.join()
        if well:
            self._progress.end()
            self._tell()

    def _repeat(self) -> None:
        while not self._over.wait(_TELL_SECONDS) and self._worker.run == self._run:
            self._tell()

    def _tell(self) -> None:
        with self._lock:
            now = self._progress.now()
        seconds = None if now.seconds is None else round(now.seconds, 1)
        self._worker.send(run=self._run, working=[now.label, now.done, now.total, round(now.share, 4), seconds])


class Worker:
    """Does one job after the other until its input ends."""

    def __init__(self, jobs: Mapping[str, Job]) -> None:
        self._jobs = jobs
        self._orders: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self.run: int | None = None
        """The number of the present one."""
        self._unwanted: int | None = None
        # Libraries print; what they print must not get between the lines of the protocol.
        self._out = os.fdopen(os.dup(1), "wb", buffering=0)
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        signal.signal(signal.SIGINT, self._interrupt)
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def cancelled(self) -> bool:
        """Whether the visitor has had enough of the present run."""
        return self.run is not None and self.run == self._unwanted

    def serve(self, warm: Callable[[], None]) -> None:
        """Make ready, then work; never returns."""
        if hasattr(os, "nice"):
            os.nice(_NICENESS)
        warm()
        give_back_memory()
        self.send(ready=memory_bytes())
        while True:
            order = self._orders.get()
            self.send(run=order["run"], **self._outcome(order))
            give_back_memory()
            self.send(free=memory_bytes())

    def send(self, **message: Any) -> None:
        """One line."""
        line = json.dumps(message).encode() + b"\n"
        with self._lock:
            try:
                self._out.write(line)
            except OSError:  # nobody listens any more
                end_with_children()

    def _outcome(self, order: dict[str, Any]) -> dict[str, Any]:
        """Do a job, whatever comes."""
        try:
            try:
                self.run = order["run"]
                return self._work(order)
            finally:
                self.run = None
        except Cancelled:
            return {"cancelled": True}
        except InputError as error:
            return {"failed": str(error), "broken": False}
        except Exception as error:
            traceback.print_exc()
            starved = isinstance(error, MemoryError) or "memory" in str(error).lower()
            return {"failed": OUT_OF_MEMORY if starved else _UNKNOWN, "broken": True}

    def _work(self, order: dict[str, Any]) -> dict[str, Any]:
        job, request = order["job"], order["request"]
        speech = Speech(self, order["run"], Progress(plan(job, request, order["photos"])))
        well = False
        try:
            result = self._jobs[job](Path(order["result"]), request, speech)
            well = True
        finally:
            speech.end(well=well)
        return {"done": result}

    def _listen(self) -> None:
        for line in sys.stdin.buffer:
            order = json.loads(line)
            if "cancel" in order:
                self._unwanted = order["cancel"]
                interrupt_main()  # between two calls of the progress callback, as Ctrl-C would
            else:
                self._orders.put(order)
        end_with_children()  # the server is gone

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self.cancelled and not is_importing(frame):
            raise Cancelled


def is_importing(frame: FrameType | None) -> bool:
    """Whether a module is being loaded: half of one would be in the way of all jobs to come."""
    while frame is not None:
        if frame.f_globals.get("__name__") == "importlib._bootstrap":
            return True
        frame = frame.f_back
    return False


def end_with_children() -> None:
    """End at once, with what the job had started."""
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


def give_back_memory() -> None:
    """What a job has freed returns to the system, as far as the allocator can be told."""
    gc.collect()
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(AttributeError, OSError):  # other C libraries have no such call
            ctypes.CDLL(None).malloc_trim(0)


def memory_bytes() -> int:
    """What this process holds; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def main() -> None:
    """Load what jobs need, and do them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="small")
    model = parser.parse_args().model
    logging.basicConfig(level=logging.WARNING)

    from pointmap.demo.work.jobs import JOBS
    from pointmap.demo.work.memory import MEMORY
    from pointmap.demo.work.settings import offered_networks
    from pointmap.images.load import register_heif

    def warm() -> None:
        for name in _WARM:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        offered_networks()
        register_heif()
        MEMORY.network(model)

    Worker(JOBS).serve(warm)


if __name__ == "__main__":
    main()
