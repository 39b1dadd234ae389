"""Classical structure from motion on the same photos: incremental COLMAP through pycolmap.

SIFT, exhaustive matching and mapping with COLMAP's default options, on the CPU, focal lengths from EXIF where COLMAP
finds them; of several models the largest counts. See `eval/methods/colmap_process.py`.
"""

import math
from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np

from pointmap.errors import InputError

from ..ground_truth import GroundTruth
from ..methods.colmap_process import ColmapModel, ColmapRequest, run_colmap_process
from .rows import Estimate, Row, failure, score

METHOD = "COLMAP"


def is_available() -> bool:
    """Whether pycolmap is installed."""
    return find_spec("pycolmap") is not None


def run_colmap(
    truth: GroundTruth, subsets: Sequence[np.ndarray], *, threads: int = 1, time_limit: float = 1200.0, seed: int = 0
) -> list[Row]:
    """Reconstruct all photos and each of some subsets of them, and score the poses.

    Features and matches of photos depend on no other photos, so they are computed once.

    Args:
        subsets: Indices of photos.
        threads: Of every stage.
        time_limit: Seconds until what is not done is given up.

    Returns:
        The row of all photos, whose time is that of everything, and one row per subset, with that of mapping alone.
        Whatever goes wrong becomes a row that says why.

    Raises:
        InputError: pycolmap is not installed.
    """
    if not is_available():
        raise InputError("The COLMAP baseline needs pycolmap. Install it with: pip install pycolmap")
    everything = np.arange(len(truth.files))
    request = ColmapRequest(
        photos=tuple(str(file.resolve()) for file in truth.files),
        subsets=tuple(tuple(subset.tolist()) for subset in (everything, *subsets)),
        threads=threads,
        seed=seed,
    )
    result = run_colmap_process(request, time_limit)
    rows = []
    for number, subset in enumerate((everything, *subsets)):
        part = truth.select(subset)
        if number < len(result.models):
            rows.append(_row(part, result.models[number]))
        else:
            rows.append(failure(part, METHOD, result.error or RuntimeError("COLMAP told nothing")))
    return rows


def _row(truth: GroundTruth, found: ColmapModel) -> Row:
    missing = [[math.nan] * 4] * 4
    photos = [found.photos.get(index) for index in range(len(truth.files))]
    estimate = Estimate(
        np.array([missing if photo is None else photo.world_from_cam for photo in photos], np.float64),
        np.array([math.nan if photo is None else photo.focal for photo in photos]),
        exif=found.exif,
    )
    return score(truth, estimate, method=METHOD, seconds=found.seconds, peak_gib=found.peak_gib)
