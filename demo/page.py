"""The page: photos and settings on the left, the scene on the right."""

from typing import TYPE_CHECKING

from pointmap.demo.limits import Limits
from pointmap.demo.line import Line
from pointmap.demo.sessions import Sessions

if TYPE_CHECKING:
    import gradio as gr


def build_page(sessions: Sessions, line: Line, limits: Limits) -> "gr.Blocks":
    """Everything that visitors see, and what their clicks do. Launched by `server.py`."""
    raise NotImplementedError
