"""The right side of the page: tabs with everything that is known of the kept scene."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from pointmap.demo.page.cameras import cameras_map, cameras_table
from pointmap.demo.page.downloads_tab import build_downloads_tab
from pointmap.demo.page.events import PRIVATE
from pointmap.demo.page.matches_tab import build_matches_tab
from pointmap.demo.page.measure_tab import build_measure_tab, scale_in_words
from pointmap.demo.page.photos_tab import build_photos_tab, comparison
from pointmap.demo.page.report import report_html
from pointmap.demo.page.result_tab import ResultTab, html, session_of, unit_of, waiting
from pointmap.demo.page.scene_tab import build_scene_tab, viewer_html
from pointmap.demo.visitors.sessions import Session, Sessions
from pointmap.demo.work.line import Line
from pointmap.errors import InputError
from pointmap.scene import Scene


@dataclass(frozen=True)
class ResultPanel:
    """The components that a run fills."""

    outputs: list[Any]

    tabs: list[ResultTab]
    """The first is the viewer's, whose first output is the viewer."""

    def begin(self, session: Session) -> list[Any]:
        """Updates of the outputs when a run begins: the viewer, which follows the growing cloud; the rest waits."""
        return [viewer_html(session), *self._show(session, None)[1:]]

    def show(self, session: Session) -> list[Any]:
        """Updates of the outputs when the scene is there, or nothing of it (`session.scene()` is None)."""
        return self._show(session, session.scene())

    def _show(self, session: Session, scene: Scene | None) -> list[Any]:
        return [update for tab in self.tabs for update in tab.show(session, scene)]


def build_result_panel(sessions: Sessions, line: Line) -> ResultPanel:
    """Make the tabs, with their own events, in the open `gr.Blocks`."""
    with gr.Tabs(elem_id="pm-results", overflow_behavior="wrap"):
        with gr.Tab("3D", render_children=True):
            scene_tab, viewer, keep = build_scene_tab(sessions, line)
        with gr.Tab("Photos"):
            photos_tab, photo, kind, compared = build_photos_tab(sessions)
        with gr.Tab("Cameras"):
            cameras = html(value=cameras_html(None, None), elem_id="pm-cameras")
        with gr.Tab("Matches") as tab:
            matches_tab = build_matches_tab(sessions, line, tab)
        with gr.Tab("Measure"):
            measure_tab, scale, rescaled = build_measure_tab(sessions)
        with gr.Tab("Downloads"):
            downloads_tab, keep_of_files = build_downloads_tab(sessions, line)
        with gr.Tab("Report"):
            report = html(value=waiting(_NO_REPORT), elem_id="pm-report")

    def show_cameras(session: Session, scene: Scene | None) -> list[Any]:
        return [cameras_html(session, scene)]

    def show_report(session: Session, scene: Scene | None) -> list[Any]:
        return [waiting(_NO_REPORT) if scene is None else report_html(session.report, scene) or waiting(_NO_REPORT)]

    def take_scale(event: gr.EventData, request: gr.Request) -> None:
        try:
            session_of(sessions, request).set_scale(event.factor, event.unit)
        except InputError as error:
            raise gr.Error(str(error)) from error

    def show_lengths(photo: int | None, kind: str, request: gr.Request) -> list[Any]:
        session = session_of(sessions, request)
        scene = session.scene()
        shown = gr.skip() if scene is None else viewer_html(session)
        return [
            shown,
            comparison(session, scene, photo, kind),
            cameras_html(session, scene),
            scale_in_words(session, scene),
        ]

    rescaled.append(viewer.scale_set(take_scale, queue=False, **PRIVATE))
    for event in rescaled:
        event.success(show_lengths, [photo, kind], [viewer, compared, cameras, scale], queue=False, **PRIVATE)

    # What is left out of the surface is left out of the files, too.
    for one, other in [*zip(keep, keep_of_files, strict=True), *zip(keep_of_files, keep, strict=True)]:
        one.input(None, one, other, js="value => value", **PRIVATE)

    tabs = [
        scene_tab,
        photos_tab,
        ResultTab([cameras], show_cameras),
        matches_tab,
        measure_tab,
        downloads_tab,
        ResultTab([report], show_report),
    ]
    return ResultPanel([output for tab in tabs for output in tab.outputs], tabs)


_NO_REPORT = "Once a scene is made: what was left out of it and why, and how long everything took."


def cameras_html(session: Session | None, scene: Scene | None) -> str:
    """The map and the table, in the unit that was set."""
    if session is None or scene is None:
        return waiting("Once there is a scene: where every photo was taken, on a map and in a table.")
    unit = unit_of(session, scene)
    return (
        f'<div class="pm-cameras">{cameras_map(scene, unit)}'
        '<p class="pm-quiet">The map shows the scene from above, up being where the cameras have it. Positions and '
        "directions in the table are in the frame of the scene, as in cameras.json.</p>"
        f"{cameras_table(scene, unit)}</div>"
    )
