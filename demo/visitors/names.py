"""Visitors' file names, made harmless: for people and for files that are handed out, never for paths here."""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

_LONGEST = 60


def clean_name(name: str, ending: str) -> str:
    """Letters A to z, digits, ".", "_" and "-" alone, at most 60 of them, and the ending that the content calls for.

    Args:
        name: Whatever it was called, paths and control characters included.
        ending: With its dot.
    """
    stem = PurePosixPath(name.replace("\\", "/").replace("\0", "")).name
    stem = re.sub(r"\.[A-Za-z0-9]{1,5}$", "", stem)
    stem = re.sub(r"[^A-Za-z0-9._-]+", "_", stem)[: _LONGEST - len(ending)].strip("._-")
    return (stem or "photo") + ending


def unique_name(name: str, taken: Iterable[str]) -> str:
    """The name, or with a number if it is taken; some file systems cannot tell A from a."""
    taken = {other.casefold() for other in taken}
    stem, dot, ending = name.rpartition(".")
    count, unique = 1, name
    while unique.casefold() in taken:
        count += 1
        number = f"_{count}"
        unique = stem[: _LONGEST - len(dot + ending) - len(number)] + number + dot + ending
    return unique


def shown(name: str) -> str:
    """A name as it may stand in a message: one line, not too long."""
    name = " ".join("".join(letter if letter.isprintable() else " " for letter in name.replace("\\", "/")).split())
    name = name.rsplit("/", 1)[-1] or "a file without a name"
    return name if len(name) <= _LONGEST else f"{name[:40]}...{name[-15:]}"
