"""What visitors give becomes photos of their session, or a message: nothing is believed, every file is looked at."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pointmap.demo.limits import Limits
from pointmap.demo.sessions import Session


@dataclass(frozen=True)
class Taken:
    """What became of an upload."""

    added: int
    refused: list[tuple[str, str]] = field(default_factory=list)
    """Names and reasons, each with what to do."""

    @property
    def in_words(self) -> str:
        """For people; empty if everything went well and nothing need be said."""
        raise NotImplementedError


def take_files(
    session: Session, files: Sequence[tuple[str, Path]], limits: Limits, *, frames_per_second: float = 2.0
) -> Taken:
    """Add photos, zips of photos and videos.

    Args:
        files: (the visitor's name of it, where the upload lies). What a file is, its content says, never its name.
        frames_per_second: Of videos, at most; sharp ones with motion between them are chosen (`pointmap.video`).
    """
    raise NotImplementedError


def take_example(session: Session, name: str, limits: Limits) -> Taken:
    """Replace the photos by those of an example: "room", "table" or "street"."""
    raise NotImplementedError


def thumbnail(session: Session, key: str, size: int) -> Path:
    """A small JPEG of a photo, upright; made when first asked for. `size`: one of 160, 320, 960.

    Raises:
        KeyError: There is no such photo.
    """
    raise NotImplementedError
