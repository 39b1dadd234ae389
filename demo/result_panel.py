"""The right side of the page: tabs with everything that is known of the kept scene."""

from dataclasses import dataclass
from typing import Any

from pointmap.demo.line import Line
from pointmap.demo.sessions import Session, Sessions


@dataclass(frozen=True)
class ResultPanel:
    """The components that a run fills."""

    outputs: list[Any]

    def begin(self, session: Session) -> list[Any]:
        """Updates of the outputs when a run begins: the viewer, which follows the growing cloud; the rest waits."""
        raise NotImplementedError

    def show(self, session: Session) -> list[Any]:
        """Updates of the outputs when the scene is there, or nothing of it (`session.scene()` is None)."""
        raise NotImplementedError


def build_result_panel(sessions: Sessions, line: Line) -> ResultPanel:
    """Make the tabs, with their own events, in the open `gr.Blocks`."""
    raise NotImplementedError
