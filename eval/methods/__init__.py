"""Methods, by kind: see `method.py` for what one is. Each is imported when it is asked for."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .method import Method

KINDS = {
    "pointmap": ("engine", "Engine"),
    "colmap": ("colmap", "Colmap"),
    "two-view": ("two_view", "TwoView"),
    "identity": ("identity", "Identity"),
    "saved": ("saved", "Saved"),
}
"""Where each kind lives."""


def method_class(kind: str) -> "type[Method]":
    """The class of a kind."""
    module, name = KINDS[kind]
    return getattr(import_module(f".{module}", __name__), name)
