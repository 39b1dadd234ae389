"""Files appear whole or not at all."""

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from pointmap.errors import InputError


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Write under a temporary name in the same folder, which takes the place of `path` when the block ends.

    After any exception (Ctrl-C, a full disk) the temporary file is gone and an older file at `path` is untouched.
    Missing folders are created.

    Raises:
        InputError: The operating system refuses; the message says why.
    """
    path = Path(path)
    # The ending stays, for writers that choose the format by it; a short name fits wherever `path` fits.
    temporary = path.with_name(f".{secrets.token_hex(6)}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(
            f"Cannot write {str(path)!r}: {error.strerror or error}. Check that the folder is writable and the disk "
            "not full, or choose another output."
        ) from error
    finally:
        with suppress(OSError):  # whatever stopped the writing is the news
            temporary.unlink(missing_ok=True)


def write_bytes(path: str | Path, content: bytes) -> Path:
    """Write a whole file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
    return Path(path)


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Write files that need each other. None of them takes its place before all are written; the first does so last.

    Give the file first that refers to the others: as long as it is the old one, or absent, nobody looks for new ones.
    """
    with ExitStack() as stack:
        for path, content in contents.items():
            stack.enter_context(atomic_path(path)).write_bytes(content)
