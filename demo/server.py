"""The whole demo: sessions, workers, page and addresses, joined and launched."""

import importlib
import os
import shutil
import signal
import tempfile
import threading
from pathlib import Path
from types import TracebackType

from pointmap.demo.limits import Limits
from pointmap.demo.visitors.routes import make_routes
from pointmap.demo.visitors.sessions import Sessions
from pointmap.demo.work.line import Line
from pointmap.errors import InputError

_PREFIX = "pointmap-demo-"
_SWEEP_SECONDS = 5
_WARM = ("cv2", "scipy.ndimage", "scipy.spatial", "trimesh.visual", "skimage.measure", "pointmap.fusion.cloud")


class Demo:
    """The demo, with its workers started. Use as a context manager, or `close` it."""

    def __init__(self, *, limits: Limits | None = None, workers: int = 1, model: str = "small") -> None:
        """Start the workers and build the page.

        Args:
            limits: What one visitor may ask.
            workers: Reconstructions at the same time; each takes a network's memory and about two cores.
            model: The network that is loaded in advance.
        """
        limits = limits or Limits()
        remove_leftovers()
        self.limits = limits
        self.folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
        # Gradio reads these when its parts are made: uploads lie here until they are taken, and nothing is reported.
        os.environ["GRADIO_TEMP_DIR"] = str(self.folder / "uploads")
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        from pointmap.demo.page.build import build_page

        self.sessions = Sessions(self.folder / "sessions", limits)
        self.line = Line(limits, workers=workers, model=model)
        self.sessions.on_leave = self.line.cancel
        self.page = build_page(self.sessions, self.line, limits, model=model)
        self._closed = threading.Event()

    def launch(self, *, host: str = "127.0.0.1", port: int | None = None, mcp: bool = False) -> str:
        """Serve the page in a thread.

        Args:
            host: "127.0.0.1" for this machine alone, "0.0.0.0" for all who can reach it.
            port: Default: the first free one from 7860 on.
            mcp: Offer the API to language models as well (needs `pip install 'gradio[mcp]'`).

        Returns:
            The address.

        Raises:
            InputError: The port is taken.
        """
        from pointmap.demo.page.theme import css, head, make_theme

        try:
            _, address, _ = self.page.launch(
                server_name=host,
                server_port=port,
                prevent_thread_lock=True,
                quiet=True,
                share=False,
                max_file_size=f"{self.limits.file_megabytes}mb",
                app_kwargs={"routes": make_routes(self.sessions)},
                footer_links=["api"],
                run_history=False,
                enable_monitoring=False,
                mcp_server=mcp,
                ssr_mode=False,
                pwa=False,
                theme=make_theme(),
                css=css(),
                head=head(),
            )
        except OSError as error:
            which = "All ports from 7860 on are taken" if port is None else f"Port {port} is taken"
            raise InputError(f"{which}. Choose another --port.") from error
        threading.Thread(target=self._sweep, daemon=True).start()
        threading.Thread(target=_warm, daemon=True).start()
        return address

    def _sweep(self) -> None:
        while not self._closed.wait(_SWEEP_SECONDS):
            self.sessions.sweep()

    def close(self) -> None:
        """End server and workers, remove all files."""
        if self._closed.is_set():
            return
        self._closed.set()
        self.line.close()
        self.page.close(verbose=False)
        self.sessions.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> "Demo":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def serve(demo: Demo) -> None:
    """Wait until Ctrl-C, or until the system asks for the end, and leave nothing behind."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()
    demo.close()


def _warm() -> None:
    """Import what pictures and tables need: seconds that the first visitor does not wait then."""
    for name in _WARM:
        importlib.import_module(name)


def remove_leftovers() -> None:
    """Remove what demos left that were killed: strangers' photos must not stay behind."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        pid = folder.name.removeprefix(_PREFIX).split("-")[0]
        if pid.isdecimal() and not _is_running(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _is_running(pid: int) -> bool:
    if os.name == "nt":
        return True  # signal 0 would end the process there
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
