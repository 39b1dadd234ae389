"""The command line: one file a command, no algorithm. Commands import what they need when they run."""

import importlib
import logging
import signal
import sys
from types import FrameType
from typing import NoReturn

USER_ERROR, INTERRUPTED = 2, 130

COMMANDS = {
    "reconstruct": "reconstruct.reconstruct",
    "demo": "demo.demo",
    "export": "export.export",
    "localize": "localize.localize",
    "match": "match.match",
    "models": "models.models",
    "view": "view.view",
    "eval": "evaluate.evaluate",
    "benchmarks": "benchmarks.benchmarks",
    "report": "report.report",
    "compare": "report.compare",
}
"""Name of a command -> its file here and function."""


def main() -> None:
    """Entry point of `pointmap`. Exits with 2 on a user's mistake, after one message without a traceback."""
    from tyro.extras import SubcommandApp

    from pointmap.errors import InputError

    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    signal.signal(signal.SIGTERM, _interrupt)
    app = SubcommandApp()
    for name, place in COMMANDS.items():
        module, function = place.split(".")
        app.command(getattr(importlib.import_module(f"pointmap.cli.{module}"), function), name=name)
    try:
        app.cli(prog="pointmap", description="A few photos in, without calibration or poses; a posed 3D scene out.")
    except InputError as error:
        _exit(f"pointmap: {error}", USER_ERROR)
    except ImportError as error:
        if "pip install" not in str(error):
            raise
        _exit(f"pointmap: {error}", USER_ERROR)
    except KeyboardInterrupt:
        _exit("pointmap: interrupted. The same command continues where it stopped.", INTERRUPTED)


def _interrupt(signal_number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _exit(message: str, code: int) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(code)
