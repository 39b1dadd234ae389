"""A page with nothing but the results: sessions and addresses are real, the line says what it is told to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import gradio as gr
import numpy as np
from PIL import Image
from ports import free_port
from scenes import make_scene, without_registration

from pointmap.demo.limits import Limits
from pointmap.demo.page.result_panel import build_result_panel
from pointmap.demo.page.theme import css, head, make_theme
from pointmap.demo.visitors.routes import make_routes
from pointmap.demo.visitors.sessions import Session, SessionPhoto, Sessions
from pointmap.demo.work.line import Done, Event, Waiting, Working
from pointmap.errors import Cancelled
from pointmap.export.html import pack_scene

NAMES = ('<b>kitchen & "sofa".jpg', "b.jpg", "c.jpg", "far.jpg")
RESULTS = {
    "surface": {"surface": True, "no_surface": None},
    "match": {"matches": 412, "agreed": 380},
    "export": {
        "files": [{"name": "scene.glb", "format": "glb", "bytes": 12_345_678}],
        "zip": "all.zip",
        "failed": [{"format": "usdz", "reason": "USDZ needs <usd-core>."}],
    },
}


class ResultLine:
    """Says a little, and then what jobs return."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict]] = []
        self.error: Exception | None = None
        self.cancelled = False

    async def run(self, session: Session, job: str, request: dict) -> AsyncIterator[Event]:
        self.asked.append((job, request))
        yield Waiting(1, None)
        yield Working("Building the surface", 1, 2, 0.5, 3.0)
        await asyncio.sleep(0)
        if self.error:
            raise self.error
        if self.cancelled:
            raise Cancelled
        if job == "match":
            Image.new("RGB", (2000, 500), (40, 90, 160)).save(session.result / "matches.jpg")
        yield Done(RESULTS[job])

    def cancel(self, session: Session) -> bool:
        self.cancelled = True
        return True


def finish(session: Session, *, view: bool = False) -> None:
    """As if a run had left a scene of four photos, of which the last could not be placed."""
    scene = replace(without_registration(make_scene(scale=4, num_photos=4), 3), names=NAMES)
    scene.save(session.scene_file)
    (session.result / "view-1.bin").write_bytes(pack_scene(scene, max_points=3000, photo_size=64) if view else b"")
    session.view = 1
    session.report = {
        "photos": 4, "registered": 3, "seconds": 75.2, "not_registered": [NAMES[3]],
        "skipped": [{"name": "notes.txt", "reason": "This is no photo."}], "dropped": [], "notes": ["<i>Slow</i>"],
        "keep": {"mask_sky": True}, "surface": True, "no_surface": None,
    }  # fmt: skip


def give_photos(session: Session, count: int = 3) -> None:
    for index in range(count):
        file = session.folder / "photos" / f"p{index + 1}.jpg"
        Image.fromarray(np.full((48, 64, 3), 60 * index, np.uint8)).save(file)
        session.photos.append(SessionPhoto(f"p{index + 1}", NAMES[index], file, (64, 48)))


@contextmanager
def results_page(folder: Path):
    """(address, sessions, line); the buttons "begin" and "finish" do what a run does to the results."""
    sessions, line = Sessions(folder, Limits()), ResultLine()
    with gr.Blocks(title="Results", analytics_enabled=False, fill_width=True) as page:
        with gr.Row(elem_id="pm-page"):
            with gr.Column(elem_id="pm-input", min_width=0):
                begin, end = gr.Button("begin", elem_id="begin"), gr.Button("finish", elem_id="finish")
            with gr.Column(elem_id="pm-result", min_width=0):
                panel = build_result_panel(sessions, line)

        def begun(request: gr.Request) -> list:
            session = sessions.of(request.session_hash)
            give_photos(session)
            return panel.begin(session)

        def finished(request: gr.Request) -> list:
            session = sessions.of(request.session_hash)
            finish(session, view=True)
            return panel.show(session)

        begin.click(begun, None, panel.outputs)
        end.click(finished, None, panel.outputs)
    _, address, _ = page.launch(
        server_port=free_port(),
        prevent_thread_lock=True,
        quiet=True,
        share=False,
        ssr_mode=False,
        app_kwargs={"routes": make_routes(sessions)},
        theme=make_theme(),
        css=css(),
        head=head(),
    )
    try:
        yield address, sessions, line
    finally:
        page.close(verbose=False)
