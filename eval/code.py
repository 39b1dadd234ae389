"""Digests of source, on which results depend."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import pointmap


def code_digest() -> str:
    """Of the package's source without the trainer and the command line."""
    package = Path(pointmap.__file__).parent
    return source_digest(
        path for path in package.rglob("*.py") if path.relative_to(package).parts[0] not in ("train", "cli")
    )


def source_digest(files: Iterable[Path]) -> str:
    """Of the contents of files, whatever their order."""
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.read_bytes())
    return digest.hexdigest()
