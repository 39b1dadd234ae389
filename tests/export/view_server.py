"""A server of the live page, for tests: /scene/ is the page, and what `give` was given last its newest view."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from pointmap.export.html_page import live_page

_AROUND = b"""<!doctype html><link rel="icon" href="data:,"><style>body { margin: 0 } iframe { border: 0 }</style>
<iframe src="/scene/?theme=dark" width="700" height="520"></iframe>
<script>window.heard = []; addEventListener("message", ({ data }) => heard.push(data));</script>"""


class ViewServer:
    """State that tests change while it serves."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.number, self.view = 0, b""
        self.scale: str | None = None
        self.status: int | None = None
        """Of all answers instead of the right one."""
        self.asked: list[str] = []
        self.posted: list[bytes] = []
        self.post_status = 200
        self._news = threading.Condition()

    def give(self, view: bytes) -> int:
        """A newer view; its number."""
        with self._news:
            self.number, self.view = self.number + 1, view
            self._news.notify_all()
            return self.number

    def answer(self, address: str) -> tuple[int, bytes, dict[str, str]]:
        """Status, body, headers."""
        parts = urlsplit(address)
        if parts.path == "/":
            return 200, _AROUND, {"Content-Type": "text/html"}
        if parts.path == "/scene/":
            return 200, live_page(), {"Content-Type": "text/html; charset=utf-8"}
        self.asked.append(address)
        if self.status is not None:
            return self.status, b"", {}
        after = int(parse_qs(parts.query)["after"][0])
        with self._news:
            fresh = self._news.wait_for(lambda: self.number > after, timeout=0.5)
            scale = {} if self.scale is None else {"X-Scale": self.scale}
            if not fresh:
                return 204, b"", scale
            return 200, self.view, scale | {"X-View": str(self.number), "Content-Type": "application/octet-stream"}


@contextmanager
def serve_views() -> Iterator[ViewServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply(*views.answer(self.path))

        def do_POST(self) -> None:
            views.posted.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.reply(views.post_status, b"", {})

        def reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            try:
                self.send_response(status)
                for name, value in (headers | {"Content-Length": str(len(body))}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
            except (BrokenPipeError, ConnectionResetError):
                pass  # the page was closed

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    views = ViewServer(f"http://127.0.0.1:{server.server_port}/scene/")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield views
    finally:
        server.shutdown()
        server.server_close()
