"""The page: photos and settings on the left, the scene on the right."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import gradio as gr

from pointmap.demo.api import add_api
from pointmap.demo.limits import Limits
from pointmap.demo.page.events import PRIVATE
from pointmap.demo.page.input_panel import build_input_panel, shown_photos
from pointmap.demo.page.result_panel import build_result_panel
from pointmap.demo.page.runs import Runs
from pointmap.demo.page.settings_panel import settings_from_values
from pointmap.demo.page.status import as_html
from pointmap.demo.visitors.sessions import Sessions
from pointmap.demo.work.line import Line
from pointmap.errors import InputError

# On a phone the scene is below the settings.
_TO_THE_SCENE = """() => {
  if (matchMedia("(max-width: 800px)").matches && document.querySelector(".pm-photo"))
    document.querySelector("#pm-result").scrollIntoView({ behavior: "smooth" });
}"""
_SWEEP_SECONDS = 60
_UPLOADS_STAY_SECONDS = 1800
"""Uploads are copied when they are taken; until then they lie in Gradio's folder, a long one in line for minutes."""


def build_page(sessions: Sessions, line: Line, limits: Limits, *, model: str = "small") -> gr.Blocks:
    """Everything that visitors see, and what their clicks do. Launched by `server.py`.

    Args:
        model: The network that is chosen at first: the one that the workers have loaded.
    """
    with gr.Blocks(
        title="pointmap", analytics_enabled=False, fill_width=True, delete_cache=(_SWEEP_SECONDS, _UPLOADS_STAY_SECONDS)
    ) as page:
        add_api(sessions, line, limits)  # first: names of functions are given in this order
        with gr.Row(elem_id="pm-page"):
            with gr.Column(elem_id="pm-input", min_width=0):
                panel = build_input_panel(sessions, limits, model)
            with gr.Column(elem_id="pm-result", min_width=0):
                results = build_result_panel(sessions, line)
        runs = Runs(sessions, line, results)

        async def run(request: gr.Request, *values: Any) -> AsyncIterator[list[Any]]:
            async with aclosing(runs.run(request.session_hash or "", settings_from_values(*values))) as steps:
                async for step in steps:
                    yield step

        def cancel(request: gr.Request) -> list[Any]:
            return runs.cancel(request.session_hash or "")

        def opened(request: gr.Request) -> tuple[Any, ...]:
            try:
                return shown_photos(sessions.of(request.session_hash or ""))
            except InputError as error:
                return gr.skip(), gr.skip(), as_html(None, str(error), failed=True), gr.skip()

        def left(request: gr.Request) -> None:
            sessions.leave(request.session_hash or "")

        controls = [panel.status, panel.go, panel.cancel]
        panel.go.click(None, js=_TO_THE_SCENE)
        panel.go.click(run, panel.settings, [*controls, *results.outputs], **PRIVATE)
        panel.cancel.click(cancel, None, controls, queue=False, **PRIVATE)
        page.load(opened, None, panel.photos, queue=False, **PRIVATE)
        page.unload(left)
    return page
