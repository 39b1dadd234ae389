"""How far a run is: stages of the engine in plain words, a share of the whole that never falls, and the time left."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

LABELS = {
    "download": "Fetching the network",
    "check the download": "Checking the network",
    "read": "Opening the photos",
    "load": "Opening the photos",
    "compare": "Comparing the photos",
    "features": "Looking for the same points in photos",
    "keypoints": "Looking for the same points in photos",
    "predict": "Guessing the shape from pairs of photos",
    "match": "Matching photos, pair by pair",
    "align": "Fitting all photos together",
    "adjust": "Refining the cameras",
    "map": "Checking the cameras a second way",
    "stereo": "Sharpening the depth",
    "draw": "Drawing the cloud",
    "fuse": "Joining all photos into one surface",
    "extract": "Building the surface",
    "clean the surface": "Cleaning the surface",
    "look at photos": "Choosing colours from the photos",
    "unfold": "Unfolding the surface",
    "paint": "Painting the surface",
    "draw the surface": "Drawing the surface",
    "photos": "Writing photos",
    "tracks": "Following points through the photos",
    "write": "Writing files",
}
"""For people. During stages that are not here, the label of the one before stays."""

_FIRST = "Starting"
_PAIRS_EACH = 12
"""Of many photos, each meets about so many others."""
_TRUST_SECONDS = 3.0
"""Of work, after which the measured speed weighs as much as the expected one."""
_SLOWEST = 20.0
_MOST_BY_TIME = 0.9
"""Of a stage that says nothing of itself: it may take longer than expected."""
_BEFORE_THE_END = 0.99


@dataclass(frozen=True)
class Step:
    """A stage that is expected."""

    stage: str

    seconds: float
    """On the machine of the measurement (two cores, the bundled network); only their ratios matter for long."""

    silent: bool = False
    """The engine does not announce it; it begins when the one before is through."""

    closes: bool = False
    """When it begins, all before it are over, whether they were seen or not."""


@dataclass(frozen=True)
class Standing:
    """How a run stands now; see `line.Working`."""

    label: str
    done: int
    total: int
    share: float
    seconds: float | None


def plan(job: str, request: dict[str, Any], photos: int) -> list[Step]:
    """The stages of a job of `jobs.JOBS`, in order.

    The numbers were measured on 4 and 8 photos of `photos/room`, with one thread.

    Args:
        photos: How many the scene has.
    """
    surface, write = _surface(photos), Step("write", 0.5, closes=True)
    if job == "reconstruct":
        steps = _scene(photos)
        return [*steps, *surface] if request.get("settings", {}).get("surface") else steps
    if job == "surface":
        return surface
    if job == "export":
        formats = request.get("formats") or ["glb"]
        return [*surface[:-1], Step("write", (1 + 0.2 * photos) * len(formats), closes=True)]
    return [Step("load", 0.5), Step("keypoints", 2.0), write]


def expected_seconds(job: str, request: dict[str, Any], photos: int) -> float:
    """Of a whole run, on the machine of the measurement."""
    return sum(step.seconds for step in plan(job, request, photos))


def _scene(photos: int) -> list[Step]:
    pairs = photos * min(photos - 1, _PAIRS_EACH) / 2
    return [
        Step("load", 0.4 + 0.05 * photos),
        Step("predict", 0.3 + 0.045 * pairs),
        Step("keypoints", 0.5 * photos + 0.04 * pairs),
        Step("match", 0.4 + 0.02 * pairs),
        Step("align", 1.0 + 0.2 * photos),
        Step("adjust", 0.4 + 0.1 * photos),
        Step("align", 0.8 + 0.1 * photos),
        Step("map", 0.8 + 0.1 * photos + 0.04 * pairs),
        Step("stereo", 1.4 + 0.2 * photos),
        Step("draw", 0.4 + 0.02 * photos, closes=True),
    ]


def _surface(photos: int) -> list[Step]:
    return [
        Step("fuse", 0.2 + 0.03 * photos),
        Step("extract", 1.2 + 0.02 * photos, silent=True),
        Step("clean the surface", 0.4),
        Step("look at photos", 0.06 * photos),
        Step("unfold", 2.0 + 0.4 * min(photos, 30), silent=True),
        Step("paint", 0.2 + 0.05 * photos),
        Step("draw the surface", 0.6, closes=True),
    ]


class Progress:
    """Follows a run. Stages may come in any order, again, or not at all; unknown ones do no harm."""

    def __init__(self, steps: Sequence[Step], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pending = list(steps)
        self._step: Step | None = None
        self._stage, self._done, self._total = "", 0, 1
        self._label = _FIRST
        self._start = self._step_start = clock()
        self._worked = 0.0
        """Expected seconds of all steps that are over."""
        self._share = 0.0
        self._ended = False

    def update(self, stage: str, done: int, total: int) -> None:
        """What the engine says of itself."""
        if stage != self._stage:
            found = next((step for step in self._pending if step.stage == stage and not step.silent), None)
            self._enter(found, stage)
        self._done, self._total = min(max(done, 0), max(total, 1)), max(total, 1)
        if self._done == self._total:
            self._enter_silent()

    def now(self) -> Standing:
        """Asked at any time; the share grows a little while the engine is silent, too."""
        if self._ended:
            return Standing(self._label, 1, 1, 1.0, 0.0)
        now = self._clock()
        current = self._step.seconds if self._step else 0.0
        left = sum(step.seconds for step in self._pending)
        pace = self._pace(now, self._worked + current * self._done / self._total)
        # What the stage counts, or what its time suggests where that is more.
        by_time = min(_MOST_BY_TIME, (now - self._step_start) / max(current * pace, 1e-6))
        part = max(self._done / self._total, by_time)
        worked = self._worked + part * current
        left += (1 - part) * current
        self._share = max(self._share, min(_BEFORE_THE_END, worked / max(worked + left, 1e-6)))
        return Standing(self._label, self._done, self._total, self._share, left * self._pace(now, worked))

    def end(self) -> None:
        """The job has returned."""
        self._ended = True

    def _pace(self, now: float, worked: float) -> float:
        """By how much slower than expected this run is so far."""
        return min((now - self._start + _TRUST_SECONDS) / (worked + _TRUST_SECONDS), _SLOWEST)

    def _enter(self, step: Step | None, stage: str) -> None:
        if self._step is not None:
            self._worked += self._step.seconds
        if step is not None:
            first = self._pending.index(step)
            if step.closes:
                self._worked += sum(missed.seconds for missed in self._pending[:first])
                del self._pending[: first + 1]
            else:
                del self._pending[first]
        self._step, self._step_start = step, self._clock()
        self._stage, self._label = stage, LABELS.get(stage, self._label)

    def _enter_silent(self) -> None:
        """What follows a stage that is through without being announced."""
        if self._pending and self._pending[0].silent and self._step is not None:
            step = self._pending[0]
            self._enter(step, step.stage)
            self._done, self._total = 0, 1
