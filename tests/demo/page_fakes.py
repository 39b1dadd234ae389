"""A line and results that do as they are told, for tests of the page: no worker, no network, no viewer."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import gradio as gr
from ports import free_port
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

from pointmap.demo.limits import Limits
from pointmap.demo.page import build as page_module
from pointmap.demo.page.theme import css, head, make_theme
from pointmap.demo.visitors.gallery import thumbnail
from pointmap.demo.visitors.sessions import Session, Sessions
from pointmap.demo.work.line import Done, Event
from pointmap.errors import Cancelled


class FakeLine:
    """Runs say these events, one every `seconds`, and end with `error` if there is one; None waits for ever."""

    def __init__(self, events=(), *, error: Exception | None = None, seconds: float = 0.0) -> None:
        self.events, self.error, self.seconds = list(events), error, seconds
        self.requests: list[dict] = []
        self.closed = 0
        self.on_end = lambda: None
        self._cancelled: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self, session: Session, job: str, request: dict) -> AsyncIterator[Event]:
        self.requests.append(request)
        self._cancelled, self._loop = asyncio.Event(), asyncio.get_running_loop()
        try:
            for event in self.events:
                with_patience = None if event is None else self.seconds
                try:
                    await asyncio.wait_for(self._cancelled.wait(), with_patience)
                except TimeoutError:
                    yield event
                    continue
                raise Cancelled
            if self.error:
                raise self.error
        finally:
            self.closed += 1
            self.on_end()
            self._cancelled = None

    def cancel(self, session: Session) -> bool:
        if self._cancelled is None:
            return False
        self._loop.call_soon_threadsafe(self._cancelled.set)
        return True


class FakeResults:
    """Says "begun" and "shown", where the scene would be."""

    def __init__(self, outputs: list) -> None:
        self.outputs = outputs

    def begin(self, session: Session) -> list:
        return ["begun"]

    def show(self, session: Session) -> list:
        return ["shown"]


def fake_results(sessions: Sessions, line) -> FakeResults:
    return FakeResults([gr.HTML("<p>The scene appears here.</p>", elem_id="fake-result")])


def photo_routes(sessions: Sessions) -> list[Route]:
    """Thumbnails of given photos."""

    def photo(request: Request) -> FileResponse:
        session, _ = sessions.find(request.path_params["key"])
        name = request.path_params["photo"].removesuffix(".jpg")
        return FileResponse(thumbnail(session, name, int(request.query_params["size"])))

    return [Route("/scenes/{key}/photos/{photo}", photo)]


def make_page(folder: Path, line, limits: Limits | None = None) -> tuple[gr.Blocks, Sessions]:
    """The page with these fakes."""
    limits = limits or Limits()
    sessions = Sessions(folder / "sessions", limits)
    with mock.patch.object(page_module, "build_result_panel", fake_results):
        return page_module.build_page(sessions, line, limits), sessions


@contextmanager
def served_page(folder: Path, line, limits: Limits | None = None, **settings):
    """(address, sessions) while it is served."""
    with mock.patch.dict(os.environ, {"GRADIO_TEMP_DIR": str(folder / "uploads")}):
        page, sessions = make_page(folder, line, limits)
        try:
            _, address, _ = page.launch(
                server_name="127.0.0.1",
                server_port=free_port(),
                prevent_thread_lock=True,
                quiet=True,
                footer_links=["api"],
                run_history=False,
                enable_monitoring=False,
                ssr_mode=False,
                pwa=False,
                app_kwargs={"routes": photo_routes(sessions)},
                theme=make_theme(),
                css=css(),
                head=head(),
                **settings,
            )
            yield address, sessions
        finally:
            page.close(verbose=False)
            sessions.clear()


def finished(photos: int = 4, **report) -> Done:
    return Done({"photos": photos, "registered": photos, "seconds": 12.3, "surface": True} | report)
