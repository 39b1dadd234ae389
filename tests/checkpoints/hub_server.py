"""A hub in miniature on this machine, so that the real client downloads, resumes and checks."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Repository:
    """One network on the hub; what is asked of it is written down."""

    files: dict[str, bytes]
    commit: str = "1" * 40
    stated_sha256: str | None = None
    """What the hub claims of the weights; default the truth."""
    cut_after: int | None = None
    """The connection breaks after so many bytes of a file."""
    requests: list[str] = field(default_factory=list)


@contextmanager
def serve(repositories: dict[str, Repository]) -> Iterator[str]:
    """Address of a server with these repositories."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            hub_id, _, rest = self.path.removeprefix("/").partition("/resolve/")
            revision, _, name = rest.partition("/")
            repository = repositories.get(hub_id)
            if repository is None or name not in repository.files or revision not in ("main", repository.commit):
                error = "RepoNotFound" if repository is None else "EntryNotFound"
                error = error if repository is None or name not in repository.files else "RevisionNotFound"
                self._head(404, {"X-Error-Code": error, "Content-Length": "0"})
                return
            content, asked = repository.files[name], self.headers.get("Range")
            repository.requests.append(f"{self.command} {name} {asked or ''}".strip())
            start = int(asked.removeprefix("bytes=").split("-")[0]) if asked else 0
            headers = {
                "X-Repo-Commit": repository.commit,
                "ETag": '"' + hashlib.sha1(content).hexdigest() + '"',
                "Accept-Ranges": "bytes",
                "Content-Length": str(len(content) - start),
            }
            if name.endswith(".safetensors"):
                stated = repository.stated_sha256 or hashlib.sha256(content).hexdigest()
                headers |= {"X-Linked-Etag": f'"{stated}"', "X-Linked-Size": str(len(content))}
            if asked:
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self._head(206 if asked else 200, headers)
            if body:
                cut = repository.cut_after if name.endswith(".safetensors") else None
                self.wfile.write(content[start : None if cut is None else start + cut])
                self.close_connection = True

        def _head(self, status: int, headers: dict[str, str]) -> None:
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
