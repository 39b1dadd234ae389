"""Pieces of page beside the strip of photos: examples, camera and brush, each with its script in `static/`."""

import base64
from functools import cache
from importlib.resources import files
from io import BytesIO

import gradio as gr

from pointmap.demo.page.static_files import script
from pointmap.demo.visitors.strokes import MOST_POINTS, MOST_STROKES

EXAMPLES = {"room": "A room", "street": "A street", "table": "A table"}

_CROSS = '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M6 6l12 12M18 6L6 18"/></svg>'
_CAMERA = (
    '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M4 8h3.500l1.500-2.500h6L16.500 8H20v11H4z"/>'
    '<circle cx="12" cy="13" r="3.500"/></svg>'
)

_CAMERA_PAGE = f"""<button type="button" class="pm-button" data-part="open">{_CAMERA} Take photos</button>
<dialog class="pm-dialog" aria-labelledby="pm-camera-title">
  <header><h2 id="pm-camera-title">Take photos</h2>
    <button type="button" class="pm-icon" data-part="cancel" aria-label="Close the camera">{_CROSS}</button></header>
  <p class="pm-quiet">Walk around what you photograph: neighbouring photos should show much of the same,
    from another place.</p>
  <p class="pm-failed" data-part="problem" role="alert" hidden></p>
  <div class="pm-lens"><video data-part="video" playsinline muted></video></div>
  <div class="pm-shots" data-part="shots"></div>
  <footer><button type="button" class="pm-button" data-part="shutter">Take a photo</button>
    <button type="button" class="pm-button" data-part="turn" hidden>Other camera</button>
    <button type="button" class="pm-button pm-primary" data-part="use" disabled>Use the photos</button></footer>
</dialog>"""

_BRUSH_PAGE = f"""<dialog class="pm-dialog pm-wide" aria-labelledby="pm-brush-title" data-most-strokes="{MOST_STROKES}"
  data-most-points="{MOST_POINTS}">
  <header><h2 id="pm-brush-title">Leave out parts of <span data-part="name"></span></h2>
    <button type="button" class="pm-icon" data-part="cancel"
      aria-label="Close, and leave the photo as it was">{_CROSS}</button>
  </header>
  <p class="pm-quiet" id="pm-brush-help">Paint over what should not be in the scene: people, cars, reflections.
    With the keyboard: arrows move, space paints, shift and arrows draw.</p>
  <div class="pm-paper" data-part="paper"><img data-part="image" alt=""><canvas data-part="canvas" tabindex="0"
    role="application" aria-label="The photo, to paint on" aria-describedby="pm-brush-help"></canvas>
    <span class="pm-ring" data-part="ring" hidden></span></div>
  <p class="pm-failed" data-part="full" role="alert" hidden>The photo holds no more strokes: take a thicker brush.</p>
  <footer><label class="pm-size">Brush <input type="range" data-part="size" min="2" max="25" step="1" value="8"></label>
    <button type="button" class="pm-button" data-part="undo">Undo</button>
    <button type="button" class="pm-button" data-part="clear">Clear</button>
    <button type="button" class="pm-button pm-primary" data-part="done">Done</button></footer>
</dialog>"""

_EXAMPLES_SCRIPT = """element.addEventListener("click", (event) => {
  const name = event.target.closest("button[data-example]")?.dataset.example;
  if (name) trigger("example", { name });
});"""


def make_camera() -> gr.HTML:
    """A button that opens the camera; what is taken goes to the file input of "#pm-upload"."""
    return gr.HTML(_CAMERA_PAGE, js_on_load=script("camera.js"), apply_default_css=False, elem_id="pm-camera")


def make_brush() -> gr.HTML:
    """The dialog that paints over a photo; its event `painted` has "key" and "strokes"."""
    return gr.HTML(_BRUSH_PAGE, js_on_load=script("brush.js"), apply_default_css=False, elem_id="pm-brush")


def make_examples() -> gr.HTML:
    """A card for each example; its event `example` has "name"."""
    return gr.HTML(_examples_as_html(), js_on_load=_EXAMPLES_SCRIPT, apply_default_css=False, elem_id="pm-examples")


@cache
def _examples_as_html() -> str:
    cards = "".join(
        f'<button type="button" data-example="{name}"><img src="{_preview(name)}" alt=""><span>{label}</span></button>'
        for name, label in EXAMPLES.items()
    )
    return f'<h2>Or try an example</h2><div class="pm-cards">{cards}</div>'


def _preview(name: str) -> str:
    """The first photo, small, as part of the page."""
    from PIL import Image, ImageOps

    file = min((files("pointmap.demo") / "photos" / name / "images").iterdir(), key=lambda file: file.name)
    with file.open("rb") as content, Image.open(content) as photo:
        small = ImageOps.fit(photo.convert("RGB"), (240, 180))
    encoded = BytesIO()
    small.save(encoded, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.getvalue()).decode()}"
