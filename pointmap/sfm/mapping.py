"""Structure from motion from our matches: cameras and points by COLMAP's mappers."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from pointmap.errors import InputError
from pointmap.progress import ProgressCallback
from pointmap.sfm.database import CameraModel, camera_numbers, write_matches
from pointmap.sfm.matched import MatchedPhotos
from pointmap.sfm.model import SfmModel
from pointmap.sfm.models import read_model
from pointmap.sfm.process import run_worker

Method = Literal["incremental", "global"]


def map_photos(
    photos: MatchedPhotos,
    *,
    method: Method = "incremental",
    camera_model: CameraModel = "SIMPLE_RADIAL",
    fixed: Sequence[bool] | np.ndarray | None = None,
    max_error_px: float | None = None,
    images: str | Path | None = None,
    seed: int = 0,
    threads: int = 1,
    time_limit: float | None = None,
    progress: ProgressCallback | None = None,
) -> list[SfmModel]:
    """Find cameras and points.

    Args:
        photos: Keypoints and matches, from `collect_matches`, `read_database` or `colmap_features`.
        method: "incremental" adds one photo after the other (Schoenberger & Frahm 2016), "global" places all at once
            (GLOMAP, Pan et al. 2024).
        camera_model: Without or with one coefficient of radial distortion.
        fixed: (N,) True where K is to be kept exactly; default nowhere, since what is `known` is mostly EXIF's.
            Global mapping keeps all as soon as one is to be kept.
        max_error_px: Matches that miss by more are wrong; default by the size of the photos.
        images: Folder with the photos by their names, which colours the points.
        seed: Of everything random; with one thread the result is the same every time.
        threads: Of COLMAP.
        time_limit: Seconds until it is given up.
        progress: Called with ("map", photos tried, photos).

    Returns:
        Models of at least two photos, the one of most photos first; none where nothing fits together. A photo may be
        in several.

    Raises:
        InputError: pycolmap is missing, or a setting is unknown.
        SfmFailed: COLMAP crashed, or took longer than the limit.
        Cancelled: Raised by the callback.
    """
    if method not in get_args(Method):
        raise InputError(f"Unknown mapper {method!r}. Choose {' or '.join(map(repr, get_args(Method)))}.")
    if not photos.pairs:
        return []
    numbers = camera_numbers(photos)
    kept = np.zeros(len(photos.names), bool) if fixed is None else np.asarray(fixed, bool)
    with tempfile.TemporaryDirectory(prefix="pointmap-sfm-") as name:
        folder = Path(name)
        write_matches(folder / "database.db", photos, camera_model)
        settings = {
            "count": len(photos.names),
            "fixed": sorted(set(numbers[kept].tolist())),
            "max_error_px": max_error_px or photos.typical_error_px,
            "images": None if images is None else str(Path(images).resolve()),
            "seed": seed,
            "threads": threads,
        }
        run_worker(folder, method, settings, threads=threads, time_limit=time_limit, progress=progress)
        models = [read_model(path).in_order(photos.names) for path in sorted(folder.glob("found/*"))]
    return sorted(models, key=lambda model: (int(model.registered.sum()), len(model.points)), reverse=True)
