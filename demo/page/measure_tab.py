"""The tab "Measure": how to measure in the viewer, and the scale by the distance of two cameras."""

from html import escape
from typing import Any

import gradio as gr
import numpy as np
from gradio.events import Dependency

from pointmap.demo.page.events import PRIVATE
from pointmap.demo.page.result_tab import ResultTab, html, session_of, unit_of
from pointmap.demo.page.status import as_html
from pointmap.demo.visitors.sessions import Session, Sessions
from pointmap.errors import InputError
from pointmap.scene import Scene

_HOW = """<div class="pm-report">
<p>Photos alone do not tell how large things are. One length that you know tells all others:</p>
<ol><li>In the tab 3D, press <b>Measure</b> and click two points: you see their distance.</li>
<li>If you know how long that really is, say so there and press <b>Set scale</b>.</li></ol>
<p>Or, without pointing: say how far apart two of the cameras were.</p></div>"""


def build_measure_tab(sessions: Sessions) -> tuple[ResultTab, gr.HTML, list[Dependency]]:
    """The tab; what says the scale; and the events after which everything that shows lengths has to be shown anew."""
    html(value=_HOW)
    now = html(value=scale_in_words(None, None), elem_id="pm-scale")
    with gr.Column(visible=False) as controls:
        with gr.Row():
            first = gr.Dropdown([], label="From the camera of", filterable=False, min_width=140)
            second = gr.Dropdown([], label="to the camera of", filterable=False, min_width=140)
        with gr.Row():
            length = gr.Number(1, label="it is really", minimum=0, min_width=100, elem_id="pm-known-length")
            unit = gr.Textbox("m", label="Unit", max_length=8, min_width=80, elem_id="pm-known-unit")
        with gr.Row():
            set_scale = gr.Button("Set the scale", variant="primary", elem_id="pm-set-scale")
            forget = gr.Button("Forget the scale", elem_id="pm-forget-scale")
    message = html(value="", elem_classes="pm-status")

    def set_it(first: int | None, second: int | None, length: float | None, unit: str, request: gr.Request) -> str:
        session = session_of(sessions, request)
        try:
            session.set_scale(factor_of(session, first, second, length), (unit or "").strip())
        except InputError as error:
            return as_html(None, str(error), failed=True)
        return as_html(None, "The scale is set.")

    def forget_it(request: gr.Request) -> str:
        session_of(sessions, request).forget_scale()
        return as_html(None, "The scale is forgotten.")

    events = [
        set_scale.click(set_it, [first, second, length, unit], message, queue=False, **PRIVATE),
        forget.click(forget_it, None, message, queue=False, **PRIVATE),
    ]

    def show(session: Session, scene: Scene | None) -> list[Any]:
        words = scale_in_words(session, scene)
        placed = [] if scene is None else np.flatnonzero(scene.registered).tolist()
        if scene is None or len(placed) < 2:
            return [words, gr.update(visible=False), gr.skip(), gr.skip(), ""]
        choices = [(f"{index + 1}. {scene.names[index]}", index) for index in placed]
        ends = (gr.update(choices=choices, value=end) for end in (placed[0], placed[-1]))
        return [words, gr.update(visible=True), *ends, ""]

    return ResultTab([now, controls, first, second, message], show), now, events


def factor_of(session: Session, first: int | None, second: int | None, length: float | None) -> float:
    """New units per unit of the stored scene, if two cameras are really so far apart.

    Raises:
        InputError: It does not say.
    """
    scene = session.scene()
    if scene is None:
        raise InputError("There is no scene yet. Make one first.")
    if length is None or not length > 0:
        raise InputError("Say how far apart the two cameras were: a number above 0.")
    if first is None or second is None or first == second:
        raise InputError("Choose two different cameras.")
    count = len(scene)
    if not (0 <= first < count and 0 <= second < count and scene.registered[first] and scene.registered[second]):
        raise InputError("One of these photos is not in the scene. Choose another.")
    ends = scene.world_from_cam[[first, second], :3, 3]
    distance = float(np.linalg.norm(ends[1] - ends[0])) / session.factor
    if distance < 1e-9:
        raise InputError("These two cameras are at the same place. Choose two that are apart.")
    return length / distance


def scale_in_words(session: Session | None, scene: Scene | None) -> str:
    """What lengths mean at present."""
    if session is None or scene is None:
        words = "There is no scene yet."
    elif session.unit:
        words = f"You set the scale: all lengths are in {session.unit}."
    elif unit_of(session, scene) == "m":
        words = "The network estimated the scale: all lengths are in metres, more or less."
    else:
        words = "The scale is not known yet: all lengths are in units of the scene."
    return f'<p class="pm-scale" role="status">{escape(words)}</p>'
