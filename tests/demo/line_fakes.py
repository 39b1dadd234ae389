"""A worker whose one job does what the request says, and a session that is only what the line needs of one."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from pointmap.demo.work.worker import Worker
from pointmap.errors import InputError

EATEN = []


def job(result, request, tell):
    print("a library says hello")
    os.write(1, b"and so does its C code\n")
    if "child" in request:
        child = subprocess.Popen(["sleep", "60"])
        (result / "child.pid").write_text(str(child.pid))
    if "error" in request:
        raise InputError(request["error"])
    if "bug" in request:
        raise RuntimeError(request["bug"])
    if "megabytes" in request:
        EATEN.append(b"x" * (request["megabytes"] * 2**20))
    if "die" in request:
        os.kill(os.getpid(), signal.SIGKILL)
    for view in range(request["first_view"], request["first_view"] + request.get("views", 0)):
        (result / f"view-{view}.bin").write_bytes(b"view")
        tell.drawn(view)
    if "stubborn" in request:
        tell("align", 0, 1)
        time.sleep(60)  # as code that is not Python's: it neither calls back nor can be interrupted
    if "silent" in request:
        tell("align", 0, 1)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            pass  # as Python code that does not call back
    steps = round(request.get("seconds", 0) / 0.01)
    for step in range(steps):
        tell("predict", step, steps)
        time.sleep(0.01)
    return {"pid": os.getpid(), "request": request}


class FakeSession:
    def __init__(self, folder: Path):
        self.result = folder / "result"
        self.result.mkdir(parents=True)
        self.photos, self.view, self.settled, self.report = [], 0, True, {}


COMMAND = [sys.executable, "-P", __file__]

if __name__ == "__main__":
    Worker({"reconstruct": job, "export": job, "surface": job}).serve(lambda: None)
