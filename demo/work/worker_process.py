"""A worker process as the server sees it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pointmap

_GONE_SECONDS = 5


class WorkerProcess:
    """Runs in a group of its own, so that whatever it starts ends with it. See `worker.py` for what is said."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        threads: int | None,
        heard: Callable[["WorkerProcess", dict[str, Any]], None],
        ended: Callable[["WorkerProcess"], None],
    ) -> None:
        """Start it.

        Args:
            threads: That its libraries may use; default all.
            heard: Called with every message, in a thread.
            ended: Called once when it is gone, in the same thread.
        """
        environment = dict(os.environ)
        if threads is not None:
            environment.setdefault("OMP_NUM_THREADS", str(threads))
        # The package may be on the path of this process alone.
        here = str(Path(pointmap.__file__).resolve().parents[1])
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [here, environment.get("PYTHONPATH")]))
        self._heard, self._ended = heard, ended
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, start_new_session=True
        )
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        """Of the process, which leads its group."""
        return self._process.pid

    def send(self, **message: Any) -> None:
        """One line; lost if the process is gone, which `ended` tells."""
        assert self._process.stdin is not None
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()

    def kill(self) -> None:
        """End it and all that it started; returns at once."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL) if hasattr(os, "killpg") else self._process.kill()

    def join(self) -> None:
        """Wait until it is gone."""
        if threading.current_thread() is not self._thread:
            self._thread.join(_GONE_SECONDS)

    def _listen(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                message = json.loads(line)
            except ValueError:  # cut off in the middle, when it was killed
                continue
            self._heard(self, message)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            # Its children may outlive it; as long as it has not been waited for, its number is nobody else's.
            os.killpg(self.pid, signal.SIGKILL) if hasattr(os, "killpg") else self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._ended(self)


def worker_command(model: str) -> list[str]:
    """Starts a worker that has a network ready."""
    return [sys.executable, "-P", "-m", "pointmap.demo.work.worker", "--model", model]
