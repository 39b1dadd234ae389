"""The tab "Photos": every photo beside what the scene knows of it, with a divider to drag."""

from collections.abc import Callable
from html import escape
from typing import Any

import gradio as gr
import numpy as np

from pointmap.demo.page.events import PRIVATE
from pointmap.demo.page.pictures import Scales
from pointmap.demo.page.result_tab import ResultTab, html, session_of, unit_of, waiting
from pointmap.demo.page.static_files import script
from pointmap.demo.visitors.sessions import Session, Sessions
from pointmap.export.palette import colorize
from pointmap.scene import Scene

_MAPS = {
    "depth": ("Depth", "how far every pixel is: near is yellow, far is violet"),
    "confidence": ("Confidence", "how sure every pixel is: sure is yellow, unsure is violet"),
    "normals": ("Normals", "which way surfaces face"),
}


def build_photos_tab(sessions: Sessions) -> tuple[ResultTab, gr.Dropdown, gr.Radio, gr.HTML]:
    """The tab; which photo and which map of it is chosen, and what shows them."""
    with gr.Column(visible=False) as controls:
        with gr.Row(elem_classes="pm-choose"):
            previous = gr.Button("Previous", size="sm", scale=1, min_width=80)
            photo = gr.Dropdown([], label="Photo", filterable=False, scale=4, min_width=140, elem_id="pm-which-photo")
            following = gr.Button("Next", size="sm", scale=1, min_width=80)
        kind = gr.Radio([(label, name) for name, (label, _) in _MAPS.items()], value="depth", label="Beside the photo")
    compared = html(value=waiting(_WAITING), js_on_load=script("compare.js"), elem_id="pm-compare")

    def draw(photo: int | None, kind: str, request: gr.Request) -> str:
        session = session_of(sessions, request)
        return comparison(session, session.scene(), photo, kind)

    def step(by: int) -> Callable[..., Any]:
        def turn(photo: int | None, request: gr.Request) -> Any:
            scene = session_of(sessions, request).scene()
            return gr.skip() if scene is None else ((photo or 0) + by) % len(scene)

        return turn

    gr.on(
        [photo.change, kind.change], draw, [photo, kind], compared, queue=False, trigger_mode="always_last", **PRIVATE
    )
    previous.click(step(-1), photo, photo, queue=False, **PRIVATE)
    following.click(step(1), photo, photo, queue=False, **PRIVATE)

    def show(session: Session, scene: Scene | None) -> list[Any]:
        if scene is None:
            return [gr.update(visible=False), gr.update(choices=[], value=None), gr.skip(), waiting(_WAITING)]
        choices = [
            (f"{index + 1}. {name}" + ("" if scene.registered[index] else " (not placed)"), index)
            for index, name in enumerate(scene.names)
        ]
        first = comparison(session, scene, 0, "depth")
        return [gr.update(visible=True), gr.update(choices=choices, value=0), gr.update(value="depth"), first]

    return ResultTab([controls, photo, kind, compared], show), photo, kind, compared


_WAITING = "Once there is a scene: every photo beside its depth, its confidence and its surfaces' directions."


def comparison(session: Session, scene: Scene | None, photo: int | None, kind: str) -> str:
    """A photo and a map of it, one over the other (`compare.js`), with what the colours mean."""
    if scene is None or len(scene) == 0:
        return waiting(_WAITING)
    index = min(max(int(photo or 0), 0), len(scene) - 1)
    kind = kind if kind in _MAPS else "depth"
    name, (label, meaning) = escape(scene.names[index]), _MAPS[kind]
    width, height = scene.image_sizes[index].tolist()
    # The number of the view keeps a browser from showing an older scene's picture.
    address, version = f"scenes/{escape(session.token)}/pictures/{index}", f"?of={session.view}"
    image = f'width="{width}" height="{height}" draggable="false"'
    layers = f'<div class="pm-layers" style="--shape: {width / height:.4f}">'
    below = f'<img src="{address}/photo.jpg{version}" alt="Photo {name}" {image}>'
    if not scene.registered[index]:
        return (
            f'<figure class="pm-compare">{layers}{below}</div><figcaption>{name} is not in the scene: '
            "it shows too little of what the other photos show. More photos between it and them may help."
            "</figcaption></figure>"
        )
    return (
        f'<figure class="pm-compare">{layers}{below}'
        f'<img class="pm-over" src="{address}/{kind}.jpg{version}" alt="{label} of {name}: {meaning}" {image}>'
        '<span class="pm-divider" aria-hidden="true"></span>'
        '<input type="range" min="0" max="100" step="1" value="50"'
        f' aria-label="Divider: photo on the left, {label.lower()} on the right"></div>'
        f"<figcaption>{_legend(session, scene, kind)}</figcaption></figure>"
    )


def _legend(session: Session, scene: Scene, kind: str) -> str:
    left_out = '<span class="pm-key"><i style="background: #dedede"></i>left out</span>'
    if kind == "normals":
        keys = (("#ff8080", "to the right"), ("#80ff80", "up"), ("#8080ff", "to the camera"))
        shown = "".join(
            f'<span class="pm-key"><i style="background: {color}"></i>{text}</span>' for color, text in keys
        )
        return f'<div class="pm-legend">Faces {shown}{left_out}</div>'
    if kind == "confidence":
        return _bar("0 %", "100 % of all points are less sure")
    near, far = Scales.of(scene).depth_range
    unit = escape(unit_of(session, scene))
    return _bar(f"{near:.3g} {unit}", f"{far:.3g} {unit}", left_out, reverse=True)


def _bar(first: str, last: str, more: str = "", *, reverse: bool = False) -> str:
    colors = colorize(np.linspace(0, 1, 9)[:: -1 if reverse else 1], 0.0, 1.0)
    stops = ", ".join("#{:02x}{:02x}{:02x}".format(*color) for color in colors.tolist())
    bar = f'<span class="pm-gradient" style="background: linear-gradient(to right, {stops})"></span>'
    return f'<div class="pm-legend"><span>{first}</span>{bar}<span>{last}</span>{more}</div>'
