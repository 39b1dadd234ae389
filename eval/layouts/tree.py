"""Looking at a tree of files, with messages that help whoever unpacked it wrongly."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from pointmap.errors import InputError

from ..benchmark import About, Benchmark


def find_scenes(
    benchmark: Benchmark,
    root: Path,
    names: Sequence[str],
    only: Sequence[str],
    missing: Callable[[str], str | None],
) -> tuple[str, ...]:
    """The names, or those of `only`, if all of them are there.

    Args:
        names: The frozen list.
        missing: Says what of a scene is not there, as a path relative to the root; None if all is.

    Raises:
        InputError: As `Benchmark.scenes` describes.
    """
    require_root(benchmark.title, benchmark.about, root)
    if unknown := [name for name in only if name not in names]:
        shown = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
        raise InputError(f"{benchmark.title} has no scene {', '.join(unknown)}. It has: {shown}")
    names = [name for name in names if name in only] if only else names
    absent = {name: path for name in names if (path := missing(name)) is not None}
    if not absent:
        return tuple(names)
    there = [name for name in names if name not in absent]
    some = ", ".join(f"{name} ({path!r})" for name, path in list(absent.items())[:5])
    more = f" and {len(absent) - 5} more" if len(absent) > 5 else ""
    if not there:
        raise InputError(
            f"{str(root)!r} is not {benchmark.title} as it is read here: nothing of {some}{more} is there.\n"
            f"Expected:\n{benchmark.about.layout}\nGet it from {benchmark.about.homepage}"
        )
    raise InputError(
        f"{benchmark.title} in {str(root)!r} is incomplete: {len(absent)} of {len(names)} scenes are missing: {some}"
        f"{more}. Get them from {benchmark.about.homepage}, or run what is there: --scenes {' '.join(there)}"
    )


def require_root(title: str, about: About, root: Path) -> None:
    """Raise InputError unless the root is a folder."""
    if not root.is_dir():
        raise InputError(
            f"No folder {str(root)!r}. --root is where {title} lies:\n{about.layout}\nGet it from {about.homepage}"
        )


def require_file(path: Path, purpose: str) -> Path:
    """The path, if it is a file. `purpose` says what should be in it: "the pose of frame 12"."""
    if not path.is_file():
        raise InputError(f"No file {str(path)!r}, which should hold {purpose}. Unpack this scene again.")
    return path


def read_numbers(path: Path, shape: tuple[int, ...], purpose: str) -> np.ndarray:
    """A text file of whitespace-separated numbers (`nan`, `inf` and `-inf` among them) as float64 of a shape.

    Raises:
        InputError: It is missing, holds something else, or not as many numbers.
    """
    require_file(path, purpose)
    try:
        return np.array(path.read_text().split(), np.float64).reshape(shape)
    except (ValueError, UnicodeDecodeError) as error:
        expected = " x ".join(map(str, shape))
        raise InputError(f"Cannot read {purpose} in {str(path)!r}: expected {expected} numbers. {error}") from error
