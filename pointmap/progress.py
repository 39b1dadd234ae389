"""Progress of long work: a callback that every stage calls, and the bar that the command line shows."""

from collections.abc import Callable
from types import TracebackType
from typing import Any

ProgressCallback = Callable[[str, int, int], None]
"""Called with (stage, done, total); may raise `pointmap.errors.Cancelled` to stop the work."""


def repeating(progress: ProgressCallback | None, stage: str, done: int = 0, total: int = 1) -> Callable[[], None]:
    """A function that says the same each time: for long work without news, so that the callback can stop it."""
    return lambda: None if progress is None else progress(stage, done, total)


class ProgressBar:
    """A terminal progress bar with an ETA, one line per stage. Use as a context manager."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._stage = ""

    def __call__(self, stage: str, done: int, total: int) -> None:
        from tqdm import tqdm

        if stage != self._stage or self._bar is None:
            self.close()
            self._bar = tqdm(total=total, desc=stage, dynamic_ncols=True, mininterval=0.2)
            self._stage = stage
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Finish the current line."""
        if self._bar is not None:
            self._bar.close()
        self._bar, self._stage = None, ""

    def __enter__(self) -> "ProgressBar":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
