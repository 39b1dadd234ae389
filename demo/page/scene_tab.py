"""The tab "3D": the viewer, which follows the scene, links to it, and the surface made anew."""

import base64
from html import escape
from typing import Any

import gradio as gr

from pointmap.demo.page.result_tab import JobButton, ResultTab, html, keep_controls, keep_settings, kept
from pointmap.demo.page.static_files import STATIC, script
from pointmap.demo.visitors.sessions import Session, Sessions
from pointmap.demo.work.line import Line
from pointmap.errors import InputError
from pointmap.scene import Scene

_DETAIL = [("Light: 20,000 triangles", 20_000), ("Normal: 100,000", 100_000), ("Fine: 300,000", 300_000)]


def build_scene_tab(sessions: Sessions, line: Line) -> tuple[ResultTab, gr.HTML, list[Any]]:
    """The tab; the viewer in it, with the event `scale_set` when a visitor has set the scale there; `keep_controls`."""
    viewer = html(value=empty_state(), js_on_load=script("viewer.js"), elem_id="pm-viewer")
    with gr.Accordion("Surface", open=False, visible=False, elem_id="pm-surface") as surface:
        html(value='<p class="pm-quiet">Made again from the scene that is there: the photos are not analysed anew.</p>')
        keep = keep_controls()
        texture = gr.Checkbox(True, label="Sharp colours from the photos")
        detail = gr.Radio(_DETAIL, value=100_000, label="Detail")
        again = JobButton("Make the surface again", elem_id="pm-surface-again")

    def request_of(session: Session, percentile: float, sky: bool, texture: bool, detail: int) -> dict[str, Any]:
        if session.scene() is None:
            raise InputError("There is no scene yet. Make one first.")
        return {"keep": keep_settings(percentile, sky), "texture": bool(texture), "target_faces": int(detail)}

    again.connect(
        sessions,
        line,
        "surface",
        inputs=[*keep, texture, detail],
        request_of=request_of,
        outputs=[],
        done=lambda session, result: [],
    )

    def show(session: Session, scene: Scene | None) -> list[Any]:
        seen = scene is not None or (session.result / f"view-{session.view}.bin").is_file()
        return [
            viewer_html(session) if seen else empty_state(),
            gr.update(visible=scene is not None),
            "",
            *kept(session),
        ]

    return ResultTab([viewer, surface, again.status, *keep], show), viewer, keep


def viewer_html(session: Session) -> str:
    """The frame with the viewer, and its links (`viewer.js`). Addresses are relative: any root path will do.

    Gradio changes what is there attribute by attribute: the frame stays as it is when the numbers beside it change.
    """
    own, shared = (f"scenes/{escape(key)}/" for key in (session.token, session.link))
    return (
        f'<div class="pm-stage-3d"><iframe title="The scene in 3D" allow="fullscreen" src="{own}"'
        f' data-factor="{session.factor!r}" data-view="{session.view}"></iframe></div>'
        '<div class="pm-share">'
        f'<a class="pm-full" href="{shared}" target="_blank" rel="noopener">Full page</a>'
        f'<label><span>Share link</span><input type="text" readonly data-address="{shared}"'
        ' aria-describedby="pm-share-note"></label>'
        '<button type="button" data-do="copy">Copy</button>'
        '<p id="pm-share-note" class="pm-quiet">Works as long as your tab stays open.</p>'
        '<p class="pm-unseen" role="status"></p></div>'
    )


def empty_state() -> str:
    """Before the first run: what will appear here."""
    picture = base64.b64encode((STATIC / "example.webp").read_bytes()).decode()
    return (
        '<div class="pm-empty">'
        f'<img src="data:image/webp;base64,{picture}" width="960" height="600"'
        ' alt="Example: a room as a coloured cloud of points, and the cameras that saw it as small pyramids">'
        "<h2>Your scene will appear here</h2>"
        "<p>Give photos of one place or thing from several sides, or try an example. You will see its points, its "
        "surface and where each photo was taken, and can turn it, measure in it and take it away.</p></div>"
    )
