"""The command line: one file a command, no algorithm. Commands import what they need when they run."""

import importlib
import logging
import signal
import sys
from types import FrameType
from typing import NoReturn

USER_ERROR, INTERRUPTED = 2, 130


def main() -> None:
    """Entry point of `pointmap`. Exits with 2 on a user's mistake, after one message without a traceback."""
    from tyro.extras import SubcommandApp

    from pointmap.errors import InputError

    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    signal.signal(signal.SIGTERM, _interrupt)
    app = SubcommandApp()
    for command in ("reconstruct", "demo", "export", "localize", "match", "models", "view"):
        app.command(getattr(importlib.import_module(f"pointmap.cli.{command}"), command))
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
