"""Videos among the photos: frames take their place, and stay in a folder, so that a second run finds them."""

import atexit
import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pointmap.atomic import write_bytes
from pointmap.errors import InputError
from pointmap.images.sources import list_photos
from pointmap.progress import ProgressCallback
from pointmap.video import choose_frames, is_video

Photos = str | Path | Sequence[Any]

_LISTING = "frames.json"


def expand_videos(
    photos: Photos,
    folder: str | Path | None = None,
    *,
    frames_per_second: float = 2.0,
    most: int = 100,
    progress: ProgressCallback | None = None,
) -> Photos:
    """Put frames in the place of every video: one given by name, or in a folder or glob of videos.

    A folder of photos with videos beside them is photos. What an earlier call chose with the same settings is used
    again, as long as the video did not change.

    Args:
        photos: As for `pointmap.images.load_views`; given back as it is where there is no video.
        folder: Where frames go, each video's into a folder of its name. By default into a temporary one that lasts as
            long as the process.
        frames_per_second, most, progress: Of each video; see `pointmap.video.choose_frames`.

    Raises:
        InputError: A video cannot be read, PyAV (extra `video`) is missing, or the folder cannot be written.
        Cancelled: Raised by the callback.
    """
    sources = list(photos) if isinstance(photos, Sequence) and not isinstance(photos, str) else [photos]
    listings = [_files_with_videos(source) for source in sources]
    if not any(listings):
        return photos
    folder = _temporary_folder() if folder is None else Path(folder)
    expanded: list[Any] = []
    taken: set[str] = set()
    for source, files in zip(sources, listings, strict=True):
        if not files:
            expanded.append(source)
        for file in files:
            if is_video(file):
                home = folder / _free_name(file.stem, taken)
                expanded += _frames(file, home, frames_per_second, most, progress)
            else:
                expanded.append(file)
    return expanded


def _files_with_videos(source: Any) -> list[Path]:
    """The files behind a source, if videos are among them."""
    if not isinstance(source, (str, Path)):
        return []
    try:
        files = [listed.source for listed in list_photos(source) if isinstance(listed.source, Path)]
    except InputError:  # those who load it say so
        return []
    return files if any(map(is_video, files)) else []


def _frames(
    video: Path, home: Path, frames_per_second: float, most: int, progress: ProgressCallback | None
) -> list[Path]:
    file = video.stat()
    made_from = {
        "video": video.name,
        "bytes": file.st_size,
        "modified_ns": file.st_mtime_ns,
        "frames_per_second": frames_per_second,
        "most": most,
    }
    listing = _read_listing(home)
    before = [home / Path(name).name for name in listing.get("frames", [])]
    if before and {**listing, "frames": None} == {**made_from, "frames": None} and all(map(Path.is_file, before)):
        return before
    frames = choose_frames(video, home, frames_per_second=frames_per_second, most=most, progress=progress)
    for old in set(before) - set(frames):
        old.unlink(missing_ok=True)
    names = [frame.name for frame in frames]
    write_bytes(home / _LISTING, json.dumps({**made_from, "frames": names}, indent=1).encode())
    return frames


def _read_listing(home: Path) -> dict[str, Any]:
    """What an earlier run wrote; nothing if it did not, or something else lies there."""
    try:
        listing = json.loads((home / _LISTING).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    frames = listing.get("frames") if isinstance(listing, dict) else None
    return listing if isinstance(frames, list) and all(isinstance(name, str) for name in frames) else {}


def _free_name(stem: str, taken: set[str]) -> str:
    name, count = stem, 1
    while name.casefold() in taken:  # some file systems cannot tell A from a
        count += 1
        name = f"{stem}_{count}"
    taken.add(name.casefold())
    return name


def _temporary_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="pointmap-frames-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
