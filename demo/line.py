"""Who is next: runs wait in one fair line for a free worker process, and say how they stand."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from pointmap.demo.limits import Limits
from pointmap.demo.sessions import Session


@dataclass(frozen=True)
class Waiting:
    """In line."""

    place: int
    """1: next."""

    seconds: float | None
    """Until it begins, as far as one can tell."""


@dataclass(frozen=True)
class Working:
    """A worker is at it."""

    stage: str
    """In words for people: "Looking for the same points in photos"."""

    done: int
    total: int
    """Of the stage."""

    share: float
    """Of the whole run, 0 to 1; never falls."""

    seconds: float | None
    """Until the end, as far as one can tell."""


@dataclass(frozen=True)
class Drawn:
    """There is a new view of the scene (`Session.view`, already set)."""

    view: int


@dataclass(frozen=True)
class Done:
    """The end; `result` is what the job returned (`jobs.py`)."""

    result: dict[str, Any]


Event = Waiting | Working | Drawn | Done


class Line:
    """The workers, and the runs that wait for one."""

    def __init__(self, limits: Limits, *, workers: int = 1, model: str = "small") -> None:
        """Start the worker processes, which load the network at once, so that the first visitor need not wait."""

    def run(self, session: Session, job: str, request: dict[str, Any]) -> AsyncIterator[Event]:
        """Do a job of `jobs.JOBS` for a session. If the iterator is closed, the run is cancelled.

        Raises:
            InputError: The job cannot be done; or the line is full; or the session has a run already.
            Cancelled: `cancel` was called.
        """
        raise NotImplementedError

    def cancel(self, session: Session) -> bool:
        """Stop the session's run, waiting or working; its worker is free or replaced at once. False: there is none."""
        raise NotImplementedError

    def close(self) -> None:
        """End all workers."""
