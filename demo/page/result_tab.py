"""What the tabs of the result side have in common: their updates, and buttons that run a job."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from pointmap.demo.page.events import PRIVATE
from pointmap.demo.page.status import as_html
from pointmap.demo.visitors.sessions import Session, Sessions
from pointmap.demo.work.line import Done, Line
from pointmap.errors import Cancelled, InputError
from pointmap.scene import Keep, Scene


@dataclass(frozen=True)
class ResultTab:
    """A tab whose components a run fills."""

    outputs: list[Any]

    show: Callable[[Session, Scene | None], list[Any]]
    """Updates of the outputs; without a scene, of what waits for one."""


def html(**settings: Any) -> gr.HTML:
    """A piece of page without Gradio's styles for prose, and without its events unless a script sends them."""
    return gr.HTML(**({"apply_default_css": False, "js_on_load": None} | settings))


def waiting(text: str) -> str:
    """What stands where something will be."""
    return f'<p class="pm-later">{escape(text)}</p>'


def session_of(sessions: Sessions, request: gr.Request) -> Session:
    """The visitor's session; a new one if the old one was removed."""
    try:
        return sessions.of(request.session_hash or "")
    except InputError as error:
        raise gr.Error(str(error)) from error


def unit_of(session: Session, scene: Scene) -> str:
    """In which a scene's lengths are said."""
    return session.unit or ("m" if scene.metric else "units")


def keep_settings(percentile: float | None, mask_sky: bool) -> Keep:
    """As `Scene.masks` takes them; 0 percent is its own choice, which leaves out what is clearly wrong.

    What is not chosen is not named: so a surface that is there already is found again.
    """
    keep: Keep = {}
    if percentile:
        keep["confidence_percentile"] = float(percentile)
    if mask_sky:
        keep["mask_sky"] = True
    return keep


def keep_controls() -> list[Any]:
    """The slider and the box for `keep_settings`."""
    return [
        gr.Slider(0, 60, 0, step=5, label="Leave out the least sure points (%)"),
        gr.Checkbox(False, label="Leave out the sky"),
    ]


def kept(session: Session) -> list[Any]:
    """What `keep_controls` show when a new scene comes: what it was made with."""
    return [0, bool(session.report.get("keep", {}).get("mask_sky"))]


class JobButton:
    """A button that runs a job, beside it one that stops it, and below how it stands."""

    def __init__(self, label: str, *, elem_id: str) -> None:
        with gr.Row(elem_classes="pm-job"):
            self.start = gr.Button(label, variant="primary", elem_id=elem_id, scale=2)
            self.stop = gr.Button("Stop", visible=False, scale=1, elem_id=f"{elem_id}-stop")
        self.status = html(elem_id=f"{elem_id}-status", elem_classes="pm-status")

    def connect(
        self,
        sessions: Sessions,
        line: Line,
        job: str,
        *,
        inputs: list[Any],
        request_of: Callable[..., dict[str, Any]],
        outputs: list[Any],
        done: Callable[[Session, dict[str, Any]], list[Any]],
    ) -> None:
        """Say what a click does.

        Args:
            job: Of `jobs.JOBS`.
            request_of: Of the session and the values of the inputs: the job's request. Raises `InputError` to refuse.
            done: The outputs' updates by the session and the job's result.
        """

        async def run(request: gr.Request, *values: Any) -> AsyncIterator[list[Any]]:
            rest = [gr.skip()] * len(outputs)
            session = session_of(sessions, request)
            result, message = None, ""
            try:
                asked = request_of(session, *values)
                yield [gr.skip(), gr.update(visible=True), as_html(None, "One moment..."), *rest]
                async with aclosing(line.run(session, job, asked)) as events:  # type: ignore[type-var]
                    async for event in events:
                        if isinstance(event, Done):
                            result = event.result
                        else:
                            yield [gr.skip(), gr.skip(), as_html(event), *rest]
                rest = rest if result is None else done(session, result)
            except InputError as error:
                message = as_html(None, str(error), failed=True)
            except Cancelled:
                message = as_html(None, "Stopped.")
            yield [gr.skip(), gr.update(visible=False), message, *rest]

        self.start.click(
            run,
            inputs,
            [self.start, self.stop, self.status, *outputs],
            trigger_mode="once",
            **PRIVATE,
        )

        def stop(request: gr.Request) -> None:
            line.cancel(session_of(sessions, request))

        self.stop.click(stop, queue=False, **PRIVATE)
