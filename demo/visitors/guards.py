"""Gradio's addresses, narrowed to what the demo needs: nobody reads what others uploaded, or fetches through us."""

import os
import re
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Match, NoMatchFound, Route
from starlette.types import Receive, Scope, Send

from pointmap.demo.limits import Limits
from pointmap.demo.visitors.uploads import take_upload

_API = "/gradio_api"
_NEEDED = re.compile(
    r"(info|openapi\.json|app_id|user|login_check|theme\.css|startup-events|upload_progress|cancel|reset"
    r"|queue/(join|data|status)|(heartbeat|call|run|api|mcp)(/.*)?)/?"
)
"""Addresses under `/gradio_api/` that go through to Gradio. Others read files, fetch for visitors, or write: the proxy,
streams, deep links, recordings, the editor of the page's own code, run history, components' functions."""

_NOT_NEEDED = re.compile(r"/(monitoring|pwa_icon|custom_component|login|logout|svelte)(/.*)?")
"""The same outside; an icon would be made in any size that is asked for."""

_HANDED_OUT = re.compile(r"[0-9a-f]{64}")
"""Folders in Gradio's folder into which it copies what handlers return, or `Sessions.hand_out` puts it."""

_PICTURES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'",
    "Cache-Control": "no-store",
}


def guard_routes(limits: Limits) -> list[BaseRoute]:
    """To be placed before Gradio's own routes."""

    async def upload(request: Request) -> Response:
        return await take_upload(request, limits)

    return [
        Route(f"{_API}/file={{path:path}}", give_result),
        Route(f"{_API}/upload", upload, methods=["POST"]),
        Refused(),
    ]


async def give_result(request: Request) -> Response:
    """What a handler returned, and nothing else: no upload, no other file, nothing of another host."""
    app: Any = request.app
    # Not resolved, since a link is not what it is called; but Gradio names its folder in both ways.
    file = Path(os.path.normpath(request.path_params["path"].replace("\0", "")))
    folders = Path(os.path.abspath(app.uploaded_file_dir)), Path(app.uploaded_file_dir).resolve()
    inside = next((file.relative_to(folder).parts for folder in folders if file.is_relative_to(folder)), ())
    if not (len(inside) == 2 and _HANDED_OUT.fullmatch(inside[0]) and not inside[1].startswith(".")):
        return PlainTextResponse("Not allowed.", status_code=403, headers=_HEADERS)
    if file.is_symlink() or not file.is_file():
        return PlainTextResponse("Not found.", status_code=404, headers=_HEADERS)
    media_type = _PICTURES.get(file.suffix.lower())
    return FileResponse(
        file,
        media_type=media_type or "application/octet-stream",
        filename=file.name,
        content_disposition_type="inline" if media_type else "attachment",
        headers=_HEADERS,
    )


class Refused(BaseRoute):
    """Every address of Gradio that the demo does not need, whatever the method."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether it is one."""
        if scope["type"] not in ("http", "websocket"):
            return Match.NONE, {}
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        path = "/" + path.lstrip("/")
        inner = path.removeprefix(f"{_API}/")
        refused = not _NEEDED.fullmatch(inner) if inner != path else bool(_NOT_NEEDED.fullmatch(path))
        return (Match.FULL, {}) if refused else (Match.NONE, {})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse it."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        await PlainTextResponse("Not found.", status_code=404, headers=_HEADERS)(scope, receive, send)

    def url_path_for(self, name: str, /, **path_params: Any) -> Any:
        """It has no name."""
        raise NoMatchFound(name, path_params)


def refuse_outside_requests() -> None:
    """Gradio fetches addresses that a client gives in place of files; here nothing is fetched for anybody."""
    from gradio import processing_utils

    if not hasattr(processing_utils, "async_ssrf_protected_get"):
        raise RuntimeError("This version of Gradio fetches addresses in a way that is not known here: install 6.31.")
    processing_utils.async_ssrf_protected_get = _fetch_nothing


async def _fetch_nothing(url: str) -> Any:
    from gradio import Error

    raise Error("Give files, not addresses: nothing is fetched from other hosts here.", print_exception=False)
