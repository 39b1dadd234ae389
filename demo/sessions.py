"""Visitors: each has a folder of its own, which nobody else can name, and which goes when they go."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pointmap.demo.limits import Limits
from pointmap.scene import Scene


@dataclass
class SessionPhoto:
    """A photo that a visitor gave, checked and stored."""

    key: str
    """"p1", "p2", ...: never used again in its session."""

    name: str
    """The visitor's file name, cleaned and unique in the session: for people and for the scene, never a path here."""

    file: Path
    """In the session's folder, under a name of ours."""

    size: tuple[int, int]
    """Width and height, upright, in pixels."""

    strokes: list[dict[str, Any]] = field(default_factory=list)
    """What the visitor painted over, to be left out: {"radius": r, "points": [[x, y], ...]}, all in shares of the
    photo's width; x from the left, y from the top."""


class Session:
    """One visitor: photos, the kept scene, and what the page shows of it."""

    token: str
    """Unguessable: whoever has it may see and change everything in this session. In the visitor's own page only."""

    link: str
    """Unguessable as well: whoever has it may see the scene. For sharing."""

    folder: Path
    """`photos/` and `result/` (what runs write) are in it."""

    photos: list[SessionPhoto]
    """In the order of the gallery."""

    view: int
    """Number of the newest `result/view-<n>.bin` (see `pointmap.export.html.pack_scene`); 0 before the first."""

    settled: bool
    """False while a run goes on and more views may follow."""

    factor: float
    """What the visitor set the scale to, in `unit`s per unit of the stored scene; 1 before."""

    unit: str

    report: dict[str, Any]
    """The result of the last run (`jobs.py`); empty before."""

    @property
    def result(self) -> Path:
        """The folder of the kept scene."""
        raise NotImplementedError

    def scene(self) -> Scene | None:
        """The kept scene in the scale that was set; None before there is one. Cached until it changes."""
        raise NotImplementedError


class Sessions:
    """All visitors of one demo."""

    def __init__(self, folder: Path, limits: Limits) -> None: ...

    def of(self, session_hash: str) -> Session:
        """The session of a page (Gradio's session hash), opened if need be; this is a sign of life."""
        raise NotImplementedError

    def find(self, key: str) -> tuple[Session, bool] | None:
        """The session of a token or a link, and whether it was the token."""
        raise NotImplementedError

    def close(self, session: Session) -> None:
        """Remove it with all its files; its run must have been stopped."""

    def leave(self, session_hash: str) -> None:
        """The tab is closed: remove it `linger_seconds` later unless it shows life again."""

    def sweep(self) -> list[Session]:
        """Remove what has been idle or left for too long; returns what was removed. Called every few seconds."""
        raise NotImplementedError

    def clear(self) -> None:
        """Remove everything."""
