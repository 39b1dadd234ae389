"""From the click on the button to the scene, told as updates of the page."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from typing import Any

import gradio as gr

from pointmap.demo.page.result_panel import ResultPanel
from pointmap.demo.page.status import as_html
from pointmap.demo.visitors.sessions import Sessions
from pointmap.demo.work.line import Done, Drawn, Event, Line
from pointmap.demo.work.settings import checked_settings
from pointmap.errors import Cancelled, InputError

NO_PHOTOS = "Add photos first, or try an example."
CANCELLED = "Cancelled."
STAYS = "What was made so far stays on the screen."
BROKEN = "Something went wrong here, not with your photos. Try again; if it happens again, try fewer photos."

_SECONDS_BETWEEN_NEWS = 0.2
_MOST_NAMES = 3

_log = logging.getLogger(__name__)


class Runs:
    """The work of the buttons. Every step is a list of updates: status, "make" button, "cancel" button, results."""

    def __init__(self, sessions: Sessions, line: Line, results: ResultPanel) -> None:
        self.sessions, self.line, self.results = sessions, line, results

    async def run(self, session_hash: str, settings: dict[str, Any]) -> AsyncGenerator[list[Any], None]:
        """The visitor's photos become a scene, or a sentence says why not. Closing the iterator cancels the run."""
        as_before = [gr.skip() for _ in self.results.outputs]
        session, first_view, begun = None, 0, False
        try:
            session = self.sessions.of(session_hash)
            if not session.photos:
                raise InputError(NO_PHOTOS)
            first_view = session.view
            request = {"photos": session.entries(), "settings": checked_settings(settings)}
            yield [*controls(as_html(None, "Starting …"), running=True), *as_before]
            async with aclosing(newest(self.line.run(session, "reconstruct", request))) as events:
                async for event in events:
                    if isinstance(event, Done):
                        shown = await asyncio.to_thread(self.results.show, session)
                        yield [*controls(as_html(event, summary(event.result))), *shown]
                        return
                    shown = as_before if begun else self.results.begin(session)
                    begun = True
                    yield [*controls(as_html(event), running=True), *shown]
        except Cancelled:
            message, failed = CANCELLED, False
        except InputError as error:
            message, failed = str(error), True
        except Exception:
            _log.exception("A run failed.")
            message, failed = BROKEN, True
        else:
            message, failed = BROKEN, True  # no line ends without a word
        if session is not None and begun and session.view > first_view:
            message = f"{message}\n{STAYS}"
        elif session is not None and begun:  # the viewer must not wait for a first view for ever
            as_before = await asyncio.to_thread(self.results.show, session)
        yield [*controls(as_html(None, message, failed=failed)), *as_before]

    def cancel(self, session_hash: str) -> list[Any]:
        """Stop the run. The page shows so at once; the run itself says the same when it has ended."""
        stopped = False
        with suppress(InputError):
            stopped = self.line.cancel(self.sessions.of(session_hash))
        status, make, cancel = controls(as_html(None, CANCELLED))
        # A click before the run has ended, a moment later, would be lost: its last step gives the button back.
        return [status, gr.skip() if stopped else make, cancel]


def controls(status: str, *, running: bool = False) -> list[Any]:
    """Updates of the status and of the two buttons."""
    return [status, gr.update(interactive=not running), gr.update(visible=running)]


async def newest(events: AsyncIterator[Event], seconds: float = _SECONDS_BETWEEN_NEWS) -> AsyncGenerator[Event, None]:
    """How a run stands, at most every so many seconds; the end at once. Views are none of the page's business."""
    loop = asyncio.get_running_loop()
    upcoming = asyncio.ensure_future(anext(events))
    held: Event | None = None
    next_at = 0.0
    try:
        while True:
            patience = None if held is None else max(0.0, next_at - loop.time())
            arrived, _ = await asyncio.wait({upcoming}, timeout=patience)
            if arrived:
                try:
                    event = upcoming.result()
                except StopAsyncIteration:
                    return
                upcoming = asyncio.ensure_future(anext(events))
                if isinstance(event, Drawn):
                    continue
                held = event
            if held is not None and (isinstance(held, Done) or loop.time() >= next_at):
                next_at = loop.time() + seconds
                shown, held = held, None
                yield shown
    finally:
        upcoming.cancel()
        with suppress(asyncio.CancelledError, StopAsyncIteration, Exception):
            await upcoming
        if hasattr(events, "aclose"):
            await events.aclose()


def summary(report: dict[str, Any]) -> str:
    """What became of the photos, in a few lines (`jobs.reconstruct_job` has the report)."""
    photos, seconds = report.get("photos", 0), report.get("seconds", 0)
    lines = [f"{report.get('registered', 0)} of {photos} photo{'s' * (photos != 1)} placed, in {seconds:.0f} s."]
    if missing := report.get("not_registered"):
        lines.append(f"Could not be tied to the rest: {_named(missing)}. More photos between them and the others help.")
    if skipped := report.get("skipped"):
        lines.append(f"Could not be used: {_named([entry['name'] for entry in skipped])}.")
    if report.get("no_surface"):
        lines.append(f"There is no surface: {report['no_surface']}")
    return "\n".join([*lines, *report.get("notes", [])])


def _named(names: list[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
