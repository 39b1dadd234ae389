"""The files of `static/`: scripts and styles of the page."""

from pathlib import Path

STATIC = Path(__file__).parent / "static"


def script(name: str) -> str:
    """A script, for `js_on_load` of a `gr.HTML`."""
    return (STATIC / name).read_text("utf-8")
