"""Which frames of a video to take as photos: sharp ones, evenly over its length, with motion between them."""

import math
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pointmap.errors import InputError
from pointmap.progress import ProgressCallback
from pointmap.video.decode import Frame, Video, opened, upright
from pointmap.video.measures import difference, grey_copy, sharpness, shift

LEAST_SHIFT = 0.02
"""Of a picture's long side. Frames with less between them see the scene from one place, and say nothing of depth."""

_IDENTICAL = 0.5
"""Mean difference in grey levels, of 255, up to which two pictures are the same but for noise of the coding."""
_JPEG_QUALITY = 94
_TELL_SECONDS = 0.1


def choose_frames(
    video: str | Path,
    folder: str | Path,
    *,
    frames_per_second: float = 2.0,
    most: int = 100,
    max_seconds: float | None = None,
    progress: ProgressCallback | None = None,
) -> list[Path]:
    """Write frames of a video that serve as photos: `frame_0012.340.jpg` is what it shows after 12.34 seconds.

    The video is cut into spans of equal length, and the sharpest frame of each is taken, unless hardly anything moved
    since the one before: a camera that stands still gives few, but two if it shows two different pictures. Frames are
    upright, in full size, with square pixels. Nothing is written into the folder until all is done.

    Args:
        folder: Created where it is missing. Frames of the same times are replaced, other files stay.
        frames_per_second: At most, on average.
        most: If there were more, the spans are longer; they always go over the whole video.
        max_seconds: Longer videos are refused.
        progress: Called with ("frames", percent, 100).

    Returns:
        The files, in the order of time.

    Raises:
        InputError: It is no video, is too long, or none of its frames can be decoded; PyAV (extra `video`) is missing;
            or the folder cannot be written.
        Cancelled: Raised by the callback.
    """
    if not 0 < frames_per_second <= 1000:
        raise InputError(f"Cannot take {frames_per_second} frames per second. Give a number such as 2 or 0.5.")
    if most < 2:
        raise InputError(f"Cannot take at most {most} frames of a video. Give 2 or more.")
    with _scratch(Path(folder)) as scratch, opened(video) as source:
        claimed = source.claimed_seconds
        _refuse_long(source, claimed, max_seconds)
        selection = _Selection(scratch, 1 / frames_per_second, most)
        tell = _Teller(progress)
        for frame in source.frames():
            _refuse_long(source, frame.seconds, max_seconds)
            selection.offer(frame)
            tell(frame.seconds / claimed if claimed else source.share_read)
        chosen = selection.finish()
        if not chosen:
            raise InputError(
                f"None of the pictures of {source.name!r} can be decoded. It may be cut off or damaged: copy it again, "
                "or save it anew with a video editor."
            )
        if progress is not None:
            progress("frames", 100, 100)
        return [taken.file.replace(Path(folder) / taken.file.name) for taken in chosen]


@dataclass(frozen=True)
class _Candidate:
    """The best frame of a span so far."""

    frame: Frame
    grey: np.ndarray
    sharpness: float


@dataclass(frozen=True)
class _Chosen:
    """A frame on disk."""

    seconds: float
    file: Path


class _Selection:
    """What was chosen of the frames so far. Holds a few pictures, however long the video is."""

    def __init__(self, scratch: Path, span: float, most: int) -> None:
        from av.video.reformatter import VideoReformatter

        self._scratch = scratch
        self._span = span
        self._most = most
        self._reformatter = VideoReformatter()
        self._chosen: list[_Chosen] = []
        self._last_grey: np.ndarray | None = None
        """Of the last chosen frame."""
        self._best: _Candidate | None = None
        self._ends: tuple[_Candidate, _Candidate] | None = None
        """First and last frame of the video, until two were chosen."""

    def offer(self, frame: Frame) -> None:
        """The next frame."""
        best = self._best
        if best is not None and self._number(frame) != self._number(best.frame):
            self._close_span()
            best = None
        grey = grey_copy(frame.picture, self._reformatter)
        candidate = _Candidate(frame, grey, sharpness(grey))
        if best is None or candidate.sharpness > best.sharpness:
            self._best = candidate
        if len(self._chosen) < 2:
            self._ends = (self._ends[0] if self._ends else candidate, candidate)

    def finish(self) -> list[_Chosen]:
        """After the last frame: what to keep, in the order of time."""
        self._close_span()
        only = self._last_grey
        if only is not None and self._ends is not None:
            measured = [(difference(only, end.grey), end) for end in self._ends]
            most_unlike, far = max(measured, key=lambda pair: pair[0])
            if most_unlike > _IDENTICAL:
                self._take(far)
        self._chosen.sort(key=lambda taken: taken.seconds)
        if len(self._chosen) > self._most:
            self._thin(self._most)
        return self._chosen

    def _number(self, frame: Frame) -> int:
        """Of the span in which it lies."""
        return math.floor(frame.seconds / self._span)

    def _close_span(self) -> None:
        """Take the best frame of the span that is over, if it shows anything new."""
        best, self._best = self._best, None
        if best is None or (self._last_grey is not None and shift(self._last_grey, best.grey) < LEAST_SHIFT):
            return
        self._take(best)
        if len(self._chosen) == 2 * self._most:
            # Nobody knows how long the video goes on: what it says may be wrong. So spans double as it does.
            self._thin(self._most)
            self._span *= 2

    def _take(self, candidate: _Candidate) -> None:
        import cv2

        seconds = candidate.frame.seconds
        file = self._scratch / f"frame_{seconds:08.3f}.jpg"
        if file.exists():  # less than a millisecond before
            return
        settings = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
        file.write_bytes(cv2.imencode(".jpg", upright(candidate.frame), settings)[1].tobytes())
        self._chosen.append(_Chosen(seconds, file))
        self._last_grey = candidate.grey
        if len(self._chosen) >= 2:
            self._ends = None

    def _thin(self, keep: int) -> None:
        """Keep this many, evenly: each is the sharpest of its span already."""
        kept = np.linspace(0, len(self._chosen) - 1, keep).round().astype(int).tolist()
        for index in set(range(len(self._chosen))) - set(kept):
            self._chosen[index].file.unlink()
        self._chosen = [self._chosen[index] for index in kept]


class _Teller:
    """Calls back a few times a second, however fast frames come."""

    def __init__(self, progress: ProgressCallback | None) -> None:
        self._progress = progress
        self._percent = 0
        self._told = -math.inf

    def __call__(self, share: float) -> None:
        now = time.monotonic()
        if self._progress is None or now - self._told < _TELL_SECONDS:
            return
        self._percent = max(self._percent, int(99 * min(share, 1.0)))  # the file may go on for longer than it says
        self._told = now
        self._progress("frames", self._percent, 100)


def _refuse_long(source: Video, seconds: float | None, max_seconds: float | None) -> None:
    if max_seconds is None or seconds is None or seconds <= max_seconds:
        return
    claimed = max(seconds, source.claimed_seconds or 0)
    raise InputError(
        f"{source.name!r} is {_in_words(claimed)} long; videos of up to {_in_words(max_seconds)} are taken. Cut it "
        "shorter, or give it in parts."
    )


def _in_words(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds % 60 < 1 else f"{seconds / 60:.1f} minutes"


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """A hidden folder inside, which is gone afterwards; so is the folder itself if nothing came into it."""
    is_new = not folder.exists()
    scratch: Path | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".frames-", dir=folder))
        yield scratch
    except OSError as error:
        raise InputError(
            f"Cannot write frames into {str(folder)!r}: {error.strerror or error}. Check that it is a folder that is "
            "writable and the disk not full, or choose another one."
        ) from error
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
        if is_new:
            with suppress(OSError):  # not empty
                folder.rmdir()
