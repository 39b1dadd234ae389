"""Frames of sequences that others chose and froze in a file."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from pointmap.errors import InputError

Frozen = Mapping[str, tuple[int | str, ...]]
"""By sequences: frames, as places in the sequence's list of frames or as paths of photos."""


def read_frozen(path: Path) -> Frozen | None:
    """Read a list of frames as Pi3's evaluation has them; None if there is no such file.

    Format: a JSON object with the names of sequences, alone or after their category and a slash, and for each a list of
    places (numbers), of paths, or of objects with a `filepath`.

    Raises:
        InputError: It is something else.
    """
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {name.split("/")[-1]: tuple(_frame(entry) for entry in entries) for name, entries in content.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{str(path)!r} is no list of frames: {type(error).__name__}: {error}. Expected an object with a list of "
            "numbers or paths for every sequence, as in Pi3's datasets/seq-id-maps. Remove it, and frames are drawn."
        ) from error


def places(frames: Sequence[int | str], paths: Sequence[str], source: Path, sequence: str) -> tuple[int, ...]:
    """Frozen frames of a sequence as places in its list of frames.

    Args:
        paths: Of the photos, in the order of that list; a frozen path may have further folders in front.

    Raises:
        InputError: A frame is not in the list.
    """
    by_path = {path: place for place, path in enumerate(paths)}
    found = []
    for frame in frames:
        place = frame if isinstance(frame, int) else by_path.get(_known_tail(frame, by_path), -1)
        if not 0 <= place < len(paths):
            raise InputError(
                f"{str(source)!r} names frame {frame!r} of {sequence}, which has {len(paths)} frames. It was made for "
                "another version of the data set: remove it, and frames are drawn."
            )
        found.append(place)
    return tuple(found)


def _frame(entry: object) -> int | str:
    if isinstance(entry, dict):
        entry = entry["filepath"]
    if isinstance(entry, bool) or not isinstance(entry, int | str):
        raise TypeError(f"a frame {entry!r}")
    return entry


def _known_tail(path: str, known: Mapping[str, int]) -> str:
    """The path without its first folders, as far as the rest is known."""
    parts = path.split("/")
    return next((tail for i in range(len(parts)) if (tail := "/".join(parts[i:])) in known), path)
