"""The tab "Matches": which points of two photos are the same, drawn as lines."""

import base64
import io
from html import escape
from typing import Any

import gradio as gr

from pointmap.demo.page.events import PRIVATE
from pointmap.demo.page.result_tab import JobButton, ResultTab, html, session_of
from pointmap.demo.visitors.sessions import Session, Sessions
from pointmap.demo.work.line import Line
from pointmap.errors import InputError
from pointmap.scene import Scene

_MATCHERS = [("Keypoints (SIFT)", "sift"), ("Network", "tokens")]
_WIDTH = 1600


def build_matches_tab(sessions: Sessions, line: Line, tab: gr.Tab) -> ResultTab:
    """Of the given photos; there need not be a scene. The choices are those when the tab is opened."""
    with gr.Row():
        first = gr.Dropdown([], label="First photo", filterable=False, min_width=140, elem_id="pm-first")
        second = gr.Dropdown([], label="Second photo", filterable=False, min_width=140, elem_id="pm-second")
    matcher = gr.Radio(_MATCHERS, value="sift", label="Found by")
    button = JobButton("Draw the matches", elem_id="pm-match")
    drawing = html(value="", elem_id="pm-matches")

    def offer(first: str | None, second: str | None, request: gr.Request) -> list[Any]:
        return choices(session_of(sessions, request), first, second)

    tab.select(offer, [first, second], [first, second], queue=False, **PRIVATE)

    def request_of(session: Session, first: str | None, second: str | None, matcher: str) -> dict[str, Any]:
        entries = {photo.key: entry for photo, entry in zip(session.photos, session.entries(), strict=True)}
        if len(entries) < 2:
            raise InputError("Matches need two photos. Add some first.")
        if first == second or first not in entries or second not in entries:
            raise InputError("Choose two different photos.")
        return {"photos": [entries[first], entries[second]], "matcher": matcher}

    def done(session: Session, result: dict[str, Any]) -> list[Any]:
        return [drawing_of(session, result)]

    button.connect(
        sessions,
        line,
        "match",
        inputs=[first, second, matcher],
        request_of=request_of,
        outputs=[drawing],
        done=done,
    )

    def show(session: Session, scene: Scene | None) -> list[Any]:
        return [*choices(session, None, None), "", ""]

    return ResultTab([first, second, button.status, drawing], show)


def choices(session: Session, first: str | None, second: str | None) -> list[Any]:
    """Updates of the two lists of photos, which keep what was chosen."""
    photos = list(session.photos)
    offered = [(f"{place}. {photo.name}", photo.key) for place, photo in enumerate(photos, start=1)]
    keys = [photo.key for photo in photos]
    chosen = [
        key if key in keys else (keys[place] if place < len(keys) else None) for place, key in ((0, first), (1, second))
    ]
    return [gr.update(choices=offered, value=key) for key in chosen]


def drawing_of(session: Session, result: dict[str, Any]) -> str:
    """The picture that the job left, in the page itself."""
    from PIL import Image

    with Image.open(session.result / "matches.jpg") as image:
        image.thumbnail((_WIDTH, _WIDTH))
        encoded = io.BytesIO()
        image.save(encoded, "JPEG", quality=85)
        width, height = image.size
    matches, agreed = int(result["matches"]), int(result["agreed"])
    words = f"{matches:,} matches, {agreed:,} of them agree on how the camera moved."
    if agreed < 15:
        words += " That is few: these photos hardly show the same."
    return (
        f'<figure class="pm-drawing"><img src="data:image/jpeg;base64,{base64.b64encode(encoded.getvalue()).decode()}"'
        f' width="{width}" height="{height}" alt="The two photos side by side, with lines between the same points">'
        f"<figcaption>{escape(words)}</figcaption></figure>"
    )
