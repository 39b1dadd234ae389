"""Addresses beside Gradio's: the page of a scene, its pictures and its files, each under a key that nobody can guess.

    /scenes/KEY/                          the viewer, which follows the scene as it grows
    /scenes/KEY/view?after=N              the newest view when it is newer than N; waits for one
    /scenes/KEY/scale                     POST {"factor", "unit"}: sets the scale (token only)
    /scenes/KEY/photos/PHOTO.jpg?size=    a given photo, small (token only)
    /scenes/KEY/pictures/INDEX/KIND.jpg   what the scene knows of a photo (`page/pictures.py`)
    /scenes/KEY/files/NAME                what was exported (attachments)

KEY is a session's token or its link. Uploads can never be read back, neither here nor through Gradio's own addresses.
"""

import asyncio
import json
import os
import re
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from pointmap.atomic import write_bytes
from pointmap.demo.page.pictures import KINDS, picture
from pointmap.demo.visitors.gallery import thumbnail
from pointmap.demo.visitors.guards import guard_routes, refuse_outside_requests
from pointmap.demo.visitors.kept_scenes import stamp
from pointmap.demo.visitors.sessions import Session, Sessions
from pointmap.errors import InputError

LONGEST_WAIT = 20.0
"""Seconds that a question for a new view may wait; most proxies give up later."""

_STEP, _SETTLED_STEP = 0.05, 0.5
"""Seconds between two looks, while a run goes on and while none does."""
_MOST_BODY = 1000
_CHUNK = 1 << 18
_FILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,120}")
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_NOTHING_RUNS = {"Content-Security-Policy": "default-src 'none'"}
"""The page of a scene says itself what it may load."""


class _No(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, message: str = "Not found.") -> None:
        self.status, self.message = status, message


def make_routes(sessions: Sessions) -> list[BaseRoute]:
    """To be placed before Gradio's (`launch(app_kwargs={"routes": ...})`), which they guard as well."""
    refuse_outside_requests()
    scenes = _Scenes(sessions)
    begin = "/scenes/{key}"
    return [
        Route(f"{begin}/", _answering(scenes.page)),
        Route(f"{begin}/view", _answering(scenes.view)),
        Route(f"{begin}/scale", _answering(scenes.scale), methods=["POST"]),
        Route(f"{begin}/photos/{{photo}}.jpg", _answering(scenes.photo)),
        Route(f"{begin}/pictures/{{index:int}}/{{kind}}.jpg", _answering(scenes.picture)),
        Route(f"{begin}/files/{{name}}", _answering(scenes.file)),
        Route("/scenes/{rest:path}", _answering(_nothing)),
        *guard_routes(sessions.limits),
    ]


class _Scenes:
    """The answers."""

    def __init__(self, sessions: Sessions) -> None:
        self.sessions = sessions
        self.drawing = threading.BoundedSemaphore(2)

    async def page(self, request: Request) -> Response:
        self._session(request)
        return Response(await run_in_threadpool(_page), media_type="text/html")

    async def view(self, request: Request) -> Response:
        session = self._session(request, life=False)
        after = request.query_params.get("after", "0")
        number = int(after) if after.isdecimal() and len(after) < 10 else 0
        loop = asyncio.get_running_loop()
        end, next_check = loop.time() + LONGEST_WAIT, loop.time()
        while not session.gone:
            newest = session.view
            if newest > number:
                file = await run_in_threadpool(_opened, session.result / f"view-{newest}.bin")
                if file is not None:
                    headers = {"X-View": str(newest), "Content-Length": str(os.fstat(file.fileno()).st_size)}
                    headers |= _NOTHING_RUNS | _scale_header(session)
                    return StreamingResponse(_chunks(file), media_type="application/octet-stream", headers=headers)
            if loop.time() >= end:
                return Response(status_code=204, headers=_scale_header(session))
            if loop.time() >= next_check:
                if await request.is_disconnected():
                    return Response(status_code=204)
                next_check = loop.time() + _SETTLED_STEP
            await asyncio.sleep(min(_SETTLED_STEP if session.settled else _STEP, max(end - loop.time(), 0.001)))
        raise _No(404)

    async def scale(self, request: Request) -> Response:
        session = self._session(request, owner_only=True)
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MOST_BODY:
                raise _No(413, "That is too long for a scale.")
        try:
            wanted = json.loads(body)
            factor, unit = wanted["factor"], wanted["unit"]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise _No(400, 'Expected JSON: {"factor": 2.5, "unit": "m"}.') from error
        if not session.scene_file.exists():
            raise _No(409, "There is no scene yet.")
        try:
            session.set_scale(factor, unit)
        except InputError as error:
            raise _No(400, str(error)) from error
        return Response(status_code=204, headers=_scale_header(session))

    async def photo(self, request: Request) -> Response:
        session = self._session(request, owner_only=True)
        size = request.query_params.get("size", "320")
        try:
            size_px = int(size) if size.isdecimal() and len(size) < 6 else 0
            file = await run_in_threadpool(thumbnail, session, request.path_params["photo"], size_px)
        except (KeyError, ValueError, OSError) as error:
            raise _No(404) from error
        # The same address never shows another photo, and the strip of photos is drawn often.
        return FileResponse(
            file, media_type="image/jpeg", headers=_NOTHING_RUNS | {"Cache-Control": "private, max-age=3600"}
        )

    async def picture(self, request: Request) -> Response:
        session = self._session(request)
        index, kind = request.path_params["index"], request.path_params["kind"]
        if kind not in KINDS:
            raise _No(404)
        content = await run_in_threadpool(self._picture, session, index, kind)
        return Response(content, media_type="image/jpeg", headers=_NOTHING_RUNS)

    async def file(self, request: Request) -> Response:
        session = self._session(request)
        name = request.path_params["name"]
        folder = session.result / "files"
        file = folder / name
        if not _FILE_NAME.fullmatch(name) or not file.is_file() or file.resolve() != folder.resolve() / name:
            raise _No(404)
        return FileResponse(file, media_type="application/octet-stream", filename=name, headers=_NOTHING_RUNS)

    def _session(self, request: Request, *, owner_only: bool = False, life: bool = True) -> Session:
        """Of the key in the address. An open page asks for views on its own: that alone is no sign of life."""
        found = self.sessions.find(request.path_params["key"])
        if found is None:
            raise _No(404)
        session, owner = found
        if owner_only and not owner:
            raise _No(403, "A shared link shows the scene, and cannot change it.")
        if life and owner:
            self.sessions.touch(session)
        return session

    def _picture(self, session: Session, index: int, kind: str) -> bytes:
        now = stamp(session.scene_file)
        if now is None:
            raise _No(404)
        folder = session.folder / "pictures"
        file = folder / f"{now[0]}-{index}-{kind}.jpg"
        with self.drawing:
            with suppress(OSError):
                return file.read_bytes()
            try:
                scene = session.scene()
                if scene is None:
                    raise _No(404)
                content = picture(scene, index, kind)  # type: ignore[arg-type]
            except (IndexError, ValueError) as error:  # InputError, too: the scene cannot be read
                raise _No(404) from error
            with session.lock:
                if not session.gone:
                    for old in folder.glob("*.jpg"):
                        if not old.name.startswith(f"{now[0]}-"):
                            old.unlink(missing_ok=True)
                    with suppress(InputError):  # a full disk: the next one draws it again
                        write_bytes(file, content)
            return content


async def _nothing(request: Request) -> Response:
    raise _No(404)


def _answering(work: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """With the headers that every answer has, errors included."""

    async def answer(request: Request) -> Response:
        try:
            response = await work(request)
        except _No as no:
            response = PlainTextResponse(no.message, status_code=no.status, headers=_NOTHING_RUNS)
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return answer


@cache
def _page() -> bytes:
    from pointmap.export.html import live_page

    return live_page("view")


def _scale_header(session: Session) -> dict[str, str]:
    unit = session.unit
    return {"X-Scale": f"{session.factor!r} {quote(unit)}"} if unit else {}


def _opened(file: Path) -> IO[bytes] | None:
    """Opened at once, since the next view may take its place; None where it is not there yet, or no longer."""
    try:
        return file.open("rb")
    except OSError:
        return None


async def _chunks(file: IO[bytes]) -> AsyncIterator[bytes]:
    try:
        while chunk := await run_in_threadpool(file.read, _CHUNK):
            yield chunk
    finally:
        file.close()
