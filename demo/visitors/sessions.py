"""Visitors: each has a folder of its own, which nobody else can name, and which goes when they go."""

import logging
import math
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pointmap.demo.limits import Limits
from pointmap.demo.visitors.kept_scenes import KeptScenes, Stamp, stamp
from pointmap.demo.visitors.uploads import remove_old_uploads
from pointmap.errors import InputError
from pointmap.scene import Scene

_LONGEST_HASH = 200
_LONGEST_UNIT = 8
_LARGEST_FACTOR = 1e12
"""Beyond, depths would leave the range of their numbers."""
_HANDED_OUT_SECONDS = 900
"""So long results stay in Gradio's folder, for whoever asked for them."""
_YOUNG_SECONDS = 60
"""A folder that belongs to no session may be older than this, before it is removed: it may just be being made."""


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

    bytes: int = 0
    """On disk."""

    digest: str = ""
    """Of the content: the same for the same file."""


class Session:
    """One visitor: photos, the kept scene, and what the page shows of it."""

    def __init__(self, folder: Path, scenes: KeptScenes) -> None:
        self.folder = folder
        """`photos/` and `result/` (what runs write) are in it."""

        self.token = secrets.token_urlsafe(24)
        """Unguessable: whoever has it may see and change everything in this session. In the visitor's own page only."""

        self.link = secrets.token_urlsafe(24)
        """Unguessable as well: whoever has it may see the scene. For sharing."""

        self.photos: list[SessionPhoto] = []
        """In the order of the gallery."""

        self.view = 0
        """Number of the newest `result/view-<n>.bin` (see `pointmap.export.html.pack_scene`); 0 before the first."""

        self.settled = True
        """False while a run goes on and more views may follow."""

        self.report: dict[str, Any] = {}
        """The result of the last run (`jobs.py`); empty before."""

        self.gone = False
        """True once it is closed: nothing may be written into its folder any more."""

        self.lock = threading.RLock()
        """Held by whoever changes `photos`, for a moment."""

        self.taking = 0
        """How many uploads are being looked at."""

        self.next_photo = 1
        self._scale: tuple[float, str, Stamp | None] = (1.0, "", None)
        self._scenes = scenes
        for part in (folder, folder / "photos", self.result):
            part.mkdir(mode=0o700)

    @property
    def result(self) -> Path:
        """The folder of the kept scene."""
        return self.folder / "result"

    @property
    def scene_file(self) -> Path:
        """The kept scene, as it was found; absent before there is one."""
        return self.result / "scene.npz"

    @property
    def factor(self) -> float:
        """What the visitor set the scale to, in `unit`s per unit of the stored scene; 1 before."""
        factor, _, scene = self._scale
        return factor if scene == stamp(self.scene_file) else 1.0

    @property
    def unit(self) -> str:
        """Such as "m"; empty before a scale was set. A new scene has none."""
        _, unit, scene = self._scale
        return unit if scene == stamp(self.scene_file) else ""

    def set_scale(self, factor: float, unit: str) -> None:
        """Say how many units one unit of the stored scene is.

        Raises:
            InputError: The factor is no number above 0, or the unit no short word; or there is no scene yet.
        """
        if isinstance(factor, bool) or not isinstance(factor, (int, float)) or not 0 < factor <= _LARGEST_FACTOR:
            raise InputError(f"A scale is a number above 0, not {str(factor)[:40]!r}. Measure a length that you know.")
        if not (isinstance(unit, str) and unit.strip() and len(unit) <= _LONGEST_UNIT and unit.isprintable()):
            raise InputError(f"A unit is a word of at most {_LONGEST_UNIT} letters, such as m, not {str(unit)[:40]!r}.")
        scene = stamp(self.scene_file)
        if scene is None:
            raise InputError("There is no scene yet whose scale could be set: make one first.")
        self._scale = (float(factor), unit.strip(), scene)

    def forget_scale(self) -> None:
        """Back to the scene as it was found."""
        self._scale = (1.0, "", None)

    def scene(self) -> Scene | None:
        """The kept scene in the scale that was set; None before there is one. Cached until it changes."""
        unit = self.unit
        return self._scenes.get(self.scene_file, self.factor, unit == "m" if unit else None)

    def photo(self, key: str) -> SessionPhoto:
        """The photo of a key.

        Raises:
            KeyError: There is none.
        """
        for photo in list(self.photos):
            if photo.key == key:
                return photo
        raise KeyError(key)

    def entries(self) -> list[dict[str, Any]]:
        """The photos as jobs take them (`jobs.reconstruct_job`)."""
        return [
            {"file": str(photo.file), "name": photo.name, "strokes": list(photo.strokes)} for photo in list(self.photos)
        ]


@dataclass
class _Stay:
    """What `Sessions` knows of a session."""

    session: Session
    hash: str
    seen: float
    left: float | None = None
    handed_out: list[tuple[float, Path]] = field(default_factory=list)
    """When, and where to."""


class Sessions:
    """All visitors of one demo. Safe to be used from many threads."""

    def __init__(self, folder: Path, limits: Limits, *, clock: Callable[[], float] = time.monotonic) -> None:
        """
        Args:
            folder: Everything in it is the demo's, and is removed; not in Gradio's folder.
            clock: Seconds.
        """
        self.on_leave: Callable[[Session], object] | None = None
        """Stops the run of a session: called when its tab is closed, and before it is removed."""

        self.folder, self.limits = folder, limits
        self._clock = clock
        self._lock = threading.RLock()
        self._scenes = KeptScenes()
        self._by_hash: dict[str, _Stay] = {}
        self._by_key: dict[str, tuple[_Stay, bool]] = {}
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def of(self, session_hash: str) -> Session:
        """The session of a page (Gradio's session hash), opened if need be; this is a sign of life.

        Raises:
            InputError: The demo is full, or the hash is none.
        """
        if not isinstance(session_hash, str) or not 0 < len(session_hash) <= _LONGEST_HASH:
            raise InputError("This call belongs to no session: give a session_hash, as pages and gradio_client do.")
        with self._lock:
            stay = self._by_hash.get(session_hash)
            if stay is None:
                self._make_room()
                stay = _Stay(Session(self.folder / secrets.token_hex(16), self._scenes), session_hash, self._clock())
                self._by_hash[session_hash] = stay
                self._by_key[stay.session.token] = stay, True
                self._by_key[stay.session.link] = stay, False
            stay.seen, stay.left = self._clock(), None
            return stay.session

    def find(self, key: str) -> tuple[Session, bool] | None:
        """The session of a token or a link, and whether it was the token."""
        with self._lock:  # a dictionary compares keys of 192 random bits by their seeded hash: no time tells of them
            stay, owner = self._by_key.get(key, (None, False))
            return None if stay is None else (stay.session, owner)

    def touch(self, session: Session) -> None:
        """A sign of life."""
        with self._lock:
            stay, _ = self._by_key.get(session.token, (None, False))
            if stay is not None:
                stay.seen = self._clock()

    def __len__(self) -> int:
        """How many there are."""
        return len(self._by_hash)

    def close(self, session: Session) -> None:
        """Remove it with all its files; its run must have been stopped."""
        with self._lock:
            stay, _ = self._by_key.pop(session.token, (None, False))
            self._by_key.pop(session.link, None)
            if stay is None:
                return
            self._by_hash.pop(stay.hash, None)
        self._scenes.forget(session.scene_file)
        # Under another name nothing finds the folder that still wants to write into it.
        leaving = self.folder / f"gone-{secrets.token_hex(16)}"
        with session.lock:
            session.gone = True
            try:
                os.rename(session.folder, leaving)
            except OSError:
                leaving = session.folder
        shutil.rmtree(leaving, ignore_errors=True)
        self._take_back(stay, before=math.inf)

    def leave(self, session_hash: str) -> None:
        """The tab is closed: stop its run, and remove it `linger_seconds` later unless it shows life again."""
        with self._lock:
            stay = self._by_hash.get(session_hash)
            if stay is None:
                return
            stay.left = self._clock()
        self._stop(stay.session)

    def sweep(self) -> list[Session]:
        """Remove what has been idle or left for too long; returns what was removed. Called every few seconds."""
        now, limits = self._clock(), self.limits
        with self._lock:
            over = []
            for stay in self._by_hash.values():
                # A visitor who waits for a run need not show life.
                patience = 60 * (limits.idle_minutes + (0 if stay.session.settled else limits.run_minutes))
                left_long_ago = stay.left is not None and now - stay.left >= limits.linger_seconds
                if left_long_ago or now - stay.seen >= patience:
                    over.append(stay.session)
            for stay in self._by_hash.values():
                self._take_back(stay, before=now - _HANDED_OUT_SECONDS)
        for session in over:
            self._stop(session)
            self.close(session)
        self._remove_unknown()
        if "GRADIO_TEMP_DIR" in os.environ:
            remove_old_uploads(Path(os.environ["GRADIO_TEMP_DIR"]))
        return over

    def clear(self) -> None:
        """Remove everything."""
        for stay in list(self._by_hash.values()):
            self._stop(stay.session)
            self.close(stay.session)
        shutil.rmtree(self.folder, ignore_errors=True)

    def hand_out(self, file: Path) -> Path:
        """A result as Gradio's own addresses may give it: in Gradio's folder under a name that nobody can guess.

        It goes a while later, or when its session goes. What visitors gave cannot be had there (`guards.py`).

        Raises:
            InputError: The file is in no session's folder, or gone.
        """
        file = Path(os.path.abspath(file))
        with self._lock:
            stay = next((stay for stay in self._by_hash.values() if file.is_relative_to(stay.session.folder)), None)
            if stay is None or file.is_symlink() or not file.is_file():
                raise InputError("This result is gone: make it again.")
            target = Path(os.environ["GRADIO_TEMP_DIR"]) / secrets.token_hex(32) / file.name
            stay.handed_out.append((self._clock(), target))
        target.parent.mkdir(mode=0o700, parents=True)
        link_or_copy(file, target)
        return target

    def _take_back(self, stay: _Stay, before: float) -> None:
        for _, file in (entry for entry in stay.handed_out if entry[0] < before):
            shutil.rmtree(file.parent, ignore_errors=True)
        stay.handed_out = [entry for entry in stay.handed_out if entry[0] >= before]

    def _make_room(self) -> None:
        if len(self._by_hash) < self.limits.sessions:
            return
        empty = [
            stay
            for stay in self._by_hash.values()
            if not (stay.session.photos or stay.session.taking or stay.session.scene_file.exists())
            and stay.session.settled
        ]
        if not empty:
            raise InputError("The demo is full, try again in a few minutes.")
        self.close(min(empty, key=lambda stay: (stay.left is None, stay.seen)).session)

    def _stop(self, session: Session) -> None:
        if self.on_leave is not None:
            try:
                self.on_leave(session)
            except Exception:  # the files must go whatever the line says
                logging.getLogger(__name__).exception("A run could not be stopped")

    def _remove_unknown(self) -> None:
        """What a worker wrote too late makes a folder of a session that is gone anew."""
        with self._lock:
            known = {stay.session.folder.name for stay in self._by_hash.values()}
        try:
            folders = list(os.scandir(self.folder))
        except OSError:
            return
        for entry in folders:
            if entry.name not in known and time.time() - entry.stat(follow_symlinks=False).st_mtime > _YOUNG_SECONDS:
                shutil.rmtree(entry.path, ignore_errors=True)


def link_or_copy(file: Path, target: Path) -> None:
    """The same content under another name, without a second copy on disk where that is possible."""
    try:
        os.link(file, target, follow_symlinks=False)
    except OSError:
        shutil.copyfile(file, target, follow_symlinks=False)
