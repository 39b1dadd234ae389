"""The tab "Downloads": the scene in the formats of other tools."""

from html import escape
from typing import Any

import gradio as gr

from pointmap.demo.page.result_tab import JobButton, ResultTab, html, keep_controls, keep_settings, kept
from pointmap.demo.visitors.sessions import Session, Sessions
from pointmap.demo.work.line import Line
from pointmap.errors import InputError
from pointmap.formats import WRITERS
from pointmap.scene import Scene

_NAMES = {
    "glb": "scene.glb: cloud, cameras and textured surface, for viewers and engines",
    "html": "scene.html: to take away; opens in any browser, without network",
    "ply": "points.ply: the cloud",
    "obj": "mesh.obj: textured surface, for modelling programs",
    "stl": "mesh.stl: closed surface, for printers",
    "usdz": "mesh.usdz: textured surface, for iPhones and iPads",
    "splats": "splats.ply: Gaussians, to train or to look at",
    "colmap": "COLMAP folder: cameras, tracks and photos",
    "nerfstudio": "nerfstudio folder: cameras, photos, depth maps and points",
    "depth": "Depth maps: PNG and NPZ",
    "json": "cameras.json: focal lengths and positions",
    "tum": "trajectory.txt: positions as a TUM trajectory",
    "npz": "scene.npz: everything, for Python",
}
"""In this order; a format that is not here is offered by what `WRITERS` says of it."""


def build_downloads_tab(sessions: Sessions, line: Line) -> tuple[ResultTab, list[Any]]:
    """The tab: choices, a button that prepares the files, and their links; and its `keep_controls`."""
    formats = gr.CheckboxGroup(choices(), value=["glb", "html"], label="Files", elem_id="pm-formats")
    keep = keep_controls()
    button = JobButton("Prepare files", elem_id="pm-export")
    links = html(value="", elem_id="pm-files")

    def request_of(session: Session, formats: list[str], percentile: float, sky: bool) -> dict[str, Any]:
        scene = session.scene()
        if scene is None:
            raise InputError("There is no scene yet. Make one first.")
        if not formats:
            raise InputError("Choose at least one file.")
        scale = {"factor": session.factor, "metric": bool(scene.metric)}
        return {"formats": list(formats), "keep": keep_settings(percentile, sky), **scale}

    button.connect(
        sessions,
        line,
        "export",
        inputs=[formats, *keep],
        request_of=request_of,
        outputs=[links],
        done=lambda session, result: [links_to(session, result)],
    )

    def show(session: Session, scene: Scene | None) -> list[Any]:
        return ["", "", *kept(session)]

    return ResultTab([button.status, links, *keep], show), keep


def choices() -> list[tuple[str, str]]:
    """Labels and names of all formats."""
    others = {name: f"{known.default_name}: {known.about}" for name, known in WRITERS.items()}
    return [(label, name) for name, label in {**_NAMES, **others, **_NAMES}.items() if name in WRITERS]


def links_to(session: Session, result: dict[str, Any]) -> str:
    """The files that `jobs.export_job` wrote, and what failed."""
    rows = [_link(session, entry["name"], entry["bytes"]) for entry in result["files"]]
    whole = result.get("zip")
    if whole:
        rows.append(_link(session, whole, None, "all of them in one file"))
    labels = {name: label for label, name in choices()}
    failed = "".join(
        f"<li>{escape(labels.get(entry['format'], entry['format']).partition(':')[0])}: {escape(entry['reason'])}</li>"
        for entry in result.get("failed", [])
    )
    shown = f'<ul class="pm-files" aria-label="Files">{"".join(rows)}</ul>' if rows else ""
    return shown + (
        f'<div class="pm-failed" role="alert"><p>Could not be written:</p><ul>{failed}</ul></div>' if failed else ""
    )


def _link(session: Session, name: str, size: int | None, about: str = "") -> str:
    from urllib.parse import quote

    about = _in_words(size) if size is not None else about
    address = f"scenes/{escape(session.token)}/files/{quote(name)}"
    return f'<li><a href="{address}" download>{escape(name)}</a> <span class="pm-quiet">{about}</span></li>'


def _in_words(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{max(1, round(size / 1e3))} kB"
