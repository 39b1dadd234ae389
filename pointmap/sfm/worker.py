"""The process in which COLMAP runs: `python -m pointmap.sfm.worker FOLDER`, started by `pointmap.sfm.process`."""

import json
import os
import sys
import threading
import time
from pathlib import Path

from pointmap.sfm import tasks


def main() -> None:
    """Do what request.json in the folder asks for."""
    folder = Path(sys.argv[1])
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    request = json.loads((folder / "request.json").read_text())
    tasks.TASKS[request["task"]](folder, **request["settings"])


def _end_with_parent(parent: int) -> None:
    """Without this, a caller that is killed leaves COLMAP running."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


if __name__ == "__main__":
    main()
