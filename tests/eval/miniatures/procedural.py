"""One scene of the real benchmark, which renders it."""

from pathlib import Path


def write(root: Path) -> tuple[str, ...]:
    """Nothing is needed."""
    return ("easy-2views-0",)
