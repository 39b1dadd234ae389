"""Finished scenes on the screen: the page of a scene, the browser of the machine, a server of one file."""

import logging
import os
import sys
import webbrowser
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pointmap.errors import InputError
from pointmap.scene import Scene

_logger = logging.getLogger(__name__)


def page_of(scene: str | Path) -> Path:
    """The scene.html of a scene, made where it is missing or older than the scene.

    Args:
        scene: A scene.html, or anything that `Scene.read` reads; the page lies beside it.

    Raises:
        InputError: It is no scene, or the page cannot be written.
    """
    scene = Path(scene)
    if scene.suffix.lower() == ".html":
        if not scene.is_file():
            raise InputError(f"There is no {str(scene)!r}. Give the folder of a scene, and its page is made.")
        return scene
    page = (scene if scene.is_dir() else scene.parent) / "scene.html"
    source = scene / "scene.npz" if scene.is_dir() else scene
    if page.is_file() and (not source.is_file() or page.stat().st_mtime >= source.stat().st_mtime):
        return page
    content = Scene.read(scene)
    attempts: tuple[dict[str, Any], ...] = ({}, {"texture": False})
    for settings in attempts:
        try:
            return content.export(page, **settings)
        except InputError as error:
            _logger.warning("The page shows less: %s", error)
    return content.export(page, mesh=False)  # raises again if it was not the surface


def is_remote() -> bool:
    """Whether one works on this machine from another one, whose browser cannot open files of this one."""
    return bool(os.environ.get("SSH_CONNECTION") or os.environ.get("SSH_TTY"))


def show_in_browser(address: str) -> bool:
    """Open an address in the browser of this machine; False where there is no screen or no browser."""
    unix = sys.platform not in ("win32", "darwin")
    if unix and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False  # Python would start a browser in the terminal, which cannot draw
    try:
        return webbrowser.open(address)
    except webbrowser.Error:
        return False


def serve_file(path: Path, *, port: int, search: bool = False) -> ThreadingHTTPServer:
    """A server of one file, for this machine only; the caller lets it serve.

    Args:
        port: 0 takes any.
        search: Where the port is taken, take any.

    Raises:
        InputError: The port is taken.
    """
    name, content = "/" + quote(path.name), path.read_bytes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path.split("?")[0] in ("/", name)
            self.send_response(HTTPStatus.OK if found else HTTPStatus.NOT_FOUND)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(content) if found else 0))
            self.end_headers()
            if found:
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    try:
        return ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        if search and port != 0:
            return serve_file(path, port=0)
        raise InputError(f"Cannot serve at port {port}: {error.strerror or error}. Choose another --port.") from error
