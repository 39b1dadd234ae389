"""COLMAP's own keypoints and matches, to compare ours with."""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pointmap.errors import InputError
from pointmap.progress import ProgressCallback
from pointmap.sfm.database import read_database
from pointmap.sfm.matched import MatchedPhotos
from pointmap.sfm.process import run_worker

EXTRACTORS = ("sift",)
"""What COLMAP may be asked for. It lists others (ALIKED), and aborts the process where its wheel was built without
them: no other name ever reaches it."""


def colmap_features(
    photos: Sequence[str | Path],
    *,
    names: Sequence[str] | None = None,
    extractor: str = "sift",
    seed: int = 0,
    threads: int = 1,
    time_limit: float | None = None,
    progress: ProgressCallback | None = None,
) -> MatchedPhotos:
    """Keypoints of photos and their verified matches, of every two photos, with COLMAP's default options.

    Args:
        photos: Image files in formats that COLMAP reads.
        names: What to call them; default their file names.
        extractor: "sift".
        progress: Called with ("features", done, total).

    Returns:
        Matches with intrinsics as COLMAP guesses them (by EXIF, else 1.2 times the long side), one camera per photo.

    Raises:
        InputError: pycolmap is missing, the extractor is none of `EXTRACTORS`, or COLMAP cannot read a photo.
        SfmFailed: COLMAP crashed, or took longer than the limit.
        Cancelled: Raised by the callback.
    """
    if extractor not in EXTRACTORS:
        raise InputError(
            f"COLMAP's features {extractor!r} cannot be used: choose {' or '.join(map(repr, EXTRACTORS))}. Others need "
            "a build of COLMAP with ONNX, and end the process without one."
        )
    paths = [Path(photo) for photo in photos]
    for path in paths:
        if not path.is_file():
            raise InputError(f"No photo {str(path)!r}.")
    with tempfile.TemporaryDirectory(prefix="pointmap-sfm-") as name:
        folder = Path(name)
        (folder / "images").mkdir()
        copies = [f"{index:06d}{path.suffix.lower()}" for index, path in enumerate(paths)]
        for path, copy in zip(paths, copies, strict=True):
            shutil.copyfile(path, folder / "images" / copy)
        settings = {"extractor": extractor, "seed": seed, "threads": threads}
        run_worker(folder, "features", settings, threads=threads, time_limit=time_limit, progress=progress)
        found = read_database(folder / "database.db")
    lost = [path.name for path, copy in zip(paths, copies, strict=True) if copy not in found.names]
    if lost:
        raise InputError(f"COLMAP cannot read {', '.join(lost)}. Convert to JPEG or PNG.")
    called = tuple(path.name for path in paths) if names is None else tuple(names)
    return replace(found, names=called)
