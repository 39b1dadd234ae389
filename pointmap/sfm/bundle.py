"""Points and bundle adjustment for cameras that are known already, exactly or roughly: our scenes, by COLMAP."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pointmap.errors import InputError
from pointmap.progress import ProgressCallback
from pointmap.sfm.database import CameraModel, camera_numbers, write_matches
from pointmap.sfm.matched import MatchedPhotos
from pointmap.sfm.model import SfmModel
from pointmap.sfm.models import read_model
from pointmap.sfm.process import run_worker
from pointmap.shapes import Float


@dataclass(frozen=True, eq=False)
class Adjusted:
    """Cameras and points after bundle adjustment, and what it gained."""

    model: SfmModel
    """In the frame and the scale of the start."""
    before_px: float
    """Mean distance between where photos show a point of the model and where it should be, for the cameras of the start
    and the points that fit best to them; NaN if there are no points."""
    after_px: float
    """The same of the model."""


def triangulate(
    photos: MatchedPhotos,
    world_from_cam: Float[np.ndarray, "n 4 4"],
    *,
    max_error_px: float | None = None,
    seed: int = 0,
    threads: int = 1,
    time_limit: float | None = None,
    progress: ProgressCallback | None = None,
) -> SfmModel:
    """Points from matches of photos with known poses and intrinsics, which stay as they are.

    Args:
        photos: With the known intrinsics; photos that share a camera take the median of theirs.
        world_from_cam: NaN for a photo that takes no part.
        max_error_px: Matches that miss by more are wrong; default by the size of the photos.

    Raises:
        InputError: pycolmap is missing, or poses do not fit to the photos.
        SfmFailed: COLMAP crashed, or took longer than the limit.
        Cancelled: Raised by the callback.
    """
    with _prepared(photos, world_from_cam, "SIMPLE_PINHOLE") as folder:
        settings = {"max_error_px": max_error_px or photos.typical_error_px, "seed": seed, "threads": threads}
        run_worker(folder, "triangulate", settings, threads=threads, time_limit=time_limit, progress=progress)
        return read_model(folder / "found" / "0").in_order(photos.names)


def adjust(
    photos: MatchedPhotos,
    world_from_cam: Float[np.ndarray, "n 4 4"],
    *,
    fixed_poses: Sequence[bool] | np.ndarray | None = None,
    fixed: Sequence[bool] | np.ndarray | None = None,
    camera_model: CameraModel = "SIMPLE_PINHOLE",
    max_error_px: float | None = None,
    seed: int = 0,
    threads: int = 1,
    time_limit: float | None = None,
    progress: ProgressCallback | None = None,
) -> Adjusted:
    """Refine poses, focal lengths and points together, until points are where photos show them.

    Tracks are triangulated with the cameras of the start, generously; after every adjustment they are made again, more
    strictly.

    Args:
        photos: With the intrinsics to start from; photos that share a camera take the median of theirs.
        world_from_cam: Poses to start from; NaN for a photo that takes no part.
        fixed_poses: (N,) True for a pose to keep; default none.
        fixed: (N,) True where K is to be kept; default none. A photo that shares the camera keeps it, too.
        camera_model: With one coefficient of radial distortion, or none.
        max_error_px: Matches that miss by more are wrong in the end; default by the size of the photos.

    Raises:
        InputError, SfmFailed, Cancelled: See `triangulate`.
    """
    count = len(photos.names)
    kept_poses = np.zeros(count, bool) if fixed_poses is None else np.asarray(fixed_poses, bool)
    kept = np.zeros(count, bool) if fixed is None else np.asarray(fixed, bool)
    with _prepared(photos, world_from_cam, camera_model) as folder:
        settings = {
            "max_error_px": max_error_px or photos.typical_error_px,
            "fixed_poses": (np.flatnonzero(kept_poses) + 1).tolist(),
            "fixed": sorted(set(camera_numbers(photos)[kept].tolist())),
            "seed": seed,
            "threads": threads,
        }
        run_worker(folder, "adjust", settings, threads=threads, time_limit=time_limit, progress=progress)
        gained = json.loads((folder / "gained.json").read_text())
        return Adjusted(read_model(folder / "found" / "0").in_order(photos.names), *gained)


@contextmanager
def _prepared(photos: MatchedPhotos, world_from_cam: np.ndarray, camera_model: CameraModel) -> Iterator[Path]:
    """A folder with the matches as database.db and the poses in the order of the photos."""
    count = len(photos.names)
    poses = np.asarray(world_from_cam, np.float64)
    if poses.shape != (count, 4, 4):
        raise InputError(f"world_from_cam has shape {poses.shape}; expected {(count, 4, 4)}, one pose per photo.")
    registered = np.isfinite(poses).all(axis=(1, 2))
    if registered.sum() < 2:
        raise InputError(f"{int(registered.sum())} of {count} photos have a pose. Points need at least two.")
    cam_from_world = np.full_like(poses, np.nan)
    cam_from_world[registered] = np.linalg.inv(poses[registered])
    with tempfile.TemporaryDirectory(prefix="pointmap-sfm-") as name:
        folder = Path(name)
        write_matches(folder / "database.db", photos, camera_model)
        np.save(folder / "cam_from_world.npy", cam_from_world)
        yield folder
