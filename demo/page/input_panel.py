"""The left side of the page: photos in, settings, and the button."""

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from pointmap.demo.limits import Limits
from pointmap.demo.page.events import PRIVATE
from pointmap.demo.page.photo_strip import strip_as_html
from pointmap.demo.page.photo_tools import make_brush, make_camera, make_examples
from pointmap.demo.page.settings_panel import build_settings
from pointmap.demo.page.static_files import script
from pointmap.demo.page.status import as_html
from pointmap.demo.visitors import intake
from pointmap.demo.visitors.sessions import Session, Sessions
from pointmap.demo.visitors.strokes import set_strokes
from pointmap.errors import InputError

_FRAMES_PER_SECOND = 2.0
_TITLE = """<h1>pointmap</h1>
<p>A few photos in, a 3D scene with its cameras out. Your photos stay on this server,
and are removed when you leave.</p>"""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class InputPanel:
    """The components that runs need."""

    photos: list[Any]
    """What shows the session's photos; `shown_photos` has the updates."""

    settings: list[Any]
    """Inputs of `settings_from_values`."""

    go: gr.Button
    cancel: gr.Button
    status: gr.HTML


def build_input_panel(sessions: Sessions, limits: Limits, model: str) -> InputPanel:
    """Make it in the open `gr.Blocks`, with the events of the photos. `model`: chosen at first."""
    events = PhotoEvents(sessions, limits)
    gr.HTML(_TITLE, apply_default_css=False, elem_id="pm-title")
    upload = gr.File(
        file_count="multiple",
        label="Photos, zips of photos, or videos",
        show_label=False,
        height=112,
        elem_id="pm-upload",
        interactive=True,
    )
    with gr.Row(elem_id="pm-sources"):
        make_camera()
        rate = gr.Slider(0.5, 10, value=_FRAMES_PER_SECOND, step=0.5, label="Video frames a second", elem_id="pm-rate")
    gr.HTML(_limits_as_html(limits), js_on_load=script("uploads.js"), apply_default_css=False, elem_id="pm-limits")
    notice = gr.HTML(apply_default_css=False, elem_id="pm-notice")
    examples = make_examples()
    strip = gr.HTML(js_on_load=script("photos.js"), apply_default_css=False, elem_id="pm-strip")
    brush = make_brush()
    settings = build_settings(model)
    with gr.Column(elem_id="pm-actions"):
        status = gr.HTML(apply_default_css=False, elem_id="pm-status")
        with gr.Row():
            go = gr.Button("Make the scene", variant="primary", elem_id="pm-go")
            cancel = gr.Button("Cancel", visible=False, elem_id="pm-cancel", min_width=100, scale=0)

    photos = [strip, examples, notice, status]
    upload.upload(events.take, [upload, rate], [upload, *photos], **PRIVATE)
    examples.example(events.take_example, None, photos, **PRIVATE)
    strip.photo(events.change, None, photos, trigger_mode="multiple", queue=False, **PRIVATE)
    brush.painted(events.paint, None, photos, trigger_mode="multiple", queue=False, **PRIVATE)
    return InputPanel(photos, settings, go, cancel, status)


class PhotoEvents:
    """What visitors do to their photos. Each handler returns updates of `InputPanel.photos`."""

    def __init__(self, sessions: Sessions, limits: Limits) -> None:
        self.sessions, self.limits = sessions, limits

    def take(self, files: list[str] | None, rate: float, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        """Uploads become photos; the first output is the drop zone, free again in the end."""
        count = len(files or [])
        reading = as_html(None, f"Looking at {count} file{'s' * (count != 1)} …")
        yield gr.skip(), gr.skip(), gr.skip(), reading, gr.skip()
        uploads = [(str(getattr(file, "orig_name", None) or Path(file).name), Path(file)) for file in files or []]
        yield (
            None,
            *self._done(
                request,
                lambda session: intake.take_files(session, uploads, self.limits, frames_per_second=float(rate)),
            ),
        )

    def take_example(self, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        """An example instead of what there was; `event` has its "name"."""
        name = str(_said(event, "name"))
        return self._done(request, lambda session: intake.take_example(session, name, self.limits))

    def change(self, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        """Photos are moved or removed; `event` has "what", and "key" and "to" where they are needed."""
        what, key = _said(event, "what"), str(_said(event, "key"))

        def work(session: Session) -> None:
            if what == "move":
                intake.move_photo(session, key, int(_said(event, "to")))
            elif what == "remove":
                intake.remove_photo(session, key)
            elif what == "clear":
                intake.clear_photos(session)

        return self._done(request, work)

    def paint(self, event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        """Parts of a photo are left out; `event` has "key" and "strokes"."""
        return self._done(
            request, lambda session: set_strokes(session, str(_said(event, "key")), _said(event, "strokes"))
        )

    def _done(self, request: gr.Request, work: Callable[[Session], Any]) -> tuple[Any, ...]:
        try:
            session = self.sessions.of(request.session_hash or "")
        except InputError as error:
            return gr.skip(), gr.skip(), as_html(None, str(error), failed=True), gr.skip()
        notice = ""
        try:
            taken = work(session)
            words = taken.in_words if isinstance(taken, intake.Taken) else ""
            notice = as_html(None, words, failed=bool(words) and taken.added == 0)
        except InputError as error:
            notice = as_html(None, str(error), failed=True)
        except KeyError:
            notice = as_html(None, "That photo is not here any more.", failed=True)
        except Exception:
            _log.exception("A visitor's photos could not be changed.")
            notice = as_html(None, "That did not work, for a reason that is not your photos. Try again.", failed=True)
        return shown_photos(session, notice)


def shown_photos(session: Session, notice: Any = "") -> tuple[Any, ...]:
    """Updates of `InputPanel.photos`: the strip, the examples (while there are no photos), what is to be said, and the
    status, since what it said of a run before is old with other photos."""
    return strip_as_html(session), gr.update(visible=not session.photos), notice, "" if session.settled else gr.skip()


def _limits_as_html(limits: Limits) -> str:
    unbroken = re.sub(r"(\d) (?=\w)", "\\1\u00a0", limits.in_words)  # a number stays with its unit
    most = limits.file_megabytes
    return (
        f'<p>{escape(unbroken)}</p><div class="pm-failed" role="alert" data-part="large" hidden'
        f' data-most-bytes="{most * 1_000_000}"><strong>Left out, larger than {most} MB:</strong> <span></span>.'
        " Give a smaller photo or a shorter video.</div>"
    )


def _said(event: gr.EventData, name: str) -> Any:
    """What the page said; None where it did not."""
    return event._data.get(name) if isinstance(event._data, dict) else None
