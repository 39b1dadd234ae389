"""COLMAP in a process of its own: it can abort, and take nobody along; and it can be stopped."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from pointmap.extras import require
from pointmap.progress import ProgressCallback

_POLL_SECONDS = 0.05
_STAGES = {"incremental": "map", "global": "map"}
_SILENT_SECONDS = 0.5
"""After which the last news is told once more, so that a callback can stop work that takes long."""


class SfmFailed(RuntimeError):
    """COLMAP crashed or took too long; the message says which. Nothing is left behind."""


def run_worker(
    folder: Path,
    task: str,
    settings: dict[str, Any],
    *,
    threads: int = 1,
    time_limit: float | None = None,
    progress: ProgressCallback | None = None,
) -> None:
    """Do a task of `pointmap.sfm.tasks` and wait for it; input and results are files in a folder.

    Args:
        settings: Arguments of the task but for the folder, as plain JSON values.
        threads: That libraries below may use.
        time_limit: Seconds until it is stopped.
        progress: Called with what the task tells, twice a second at least.

    Raises:
        InputError: pycolmap is missing.
        SfmFailed: The process died, or the time was over.
        Cancelled: Raised by the callback; the process is stopped.
    """
    require("pycolmap", extra="colmap", purpose="The COLMAP bridge")
    (folder / "request.json").write_text(json.dumps({"task": task, "settings": settings}))
    news, log = folder / "progress.json", folder / "log.txt"
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    # The package may be on the path of this process alone.
    here = str(Path(__file__).resolve().parents[2])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
    start = asked = time.monotonic()
    told = json.dumps([_STAGES.get(task, task), 0, 1])
    with log.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "pointmap.sfm.worker", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
        )
        try:
            while True:
                try:
                    code = child.wait(_POLL_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    pass
                now = time.monotonic()
                if time_limit is not None and now - start > time_limit:
                    raise SfmFailed(f"COLMAP did not end within {time_limit:g} s, and was stopped ({task}).")
                said = news.read_text() if news.is_file() else told
                if progress is not None and (said != told or now - asked > _SILENT_SECONDS):
                    told, asked = said, now
                    progress(*json.loads(told))
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
    if code != 0:
        died = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        raise SfmFailed(f"COLMAP {died} ({task}). Its last words: {lines[-1].strip() if lines else 'none'}")
