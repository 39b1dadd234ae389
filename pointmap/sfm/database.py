"""COLMAP's database: written from our matches, and read back."""

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from pointmap.atomic import atomic_path
from pointmap.errors import InputError
from pointmap.extras import require
from pointmap.sfm.cameras import camera_record, from_pycolmap, pinhole_and_distortion, to_pycolmap
from pointmap.sfm.matched import MatchedPhotos
from pointmap.sfm.process import run_worker
from pointmap.shapes import Int

CameraModel = Literal["SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL"]

PURPOSE = "The COLMAP bridge"


def write_database(
    path: str | Path,
    photos: MatchedPhotos,
    *,
    camera_model: CameraModel = "SIMPLE_RADIAL",
    verify: bool = True,
    max_error_px: float | None = None,
    seed: int = 0,
    threads: int = 1,
) -> Path:
    """Write a database that COLMAP's mappers start from; a file that is there is replaced.

    Image ids are 1, 2, ... in the order of the photos.

    Args:
        camera_model: Without or with one coefficient of radial distortion.
        verify: Let COLMAP estimate the geometry of every pair, which mappers need; else only the matches are written.
        max_error_px: Matches that miss by more are wrong; default by the size of the photos.
        seed: Of the estimation.
        threads: Of the estimation; with one the result is the same every time.

    Raises:
        InputError: pycolmap is missing, or the file cannot be written.
        SfmFailed: COLMAP crashed.
    """
    with atomic_path(path) as temporary:
        write_matches(temporary, photos, camera_model)
        if verify and photos.pairs:
            with tempfile.TemporaryDirectory(prefix="pointmap-sfm-") as folder:
                settings = {
                    "database": str(temporary.resolve()),
                    "max_error_px": max_error_px or photos.typical_error_px,
                    "seed": seed,
                    "threads": threads,
                }
                run_worker(Path(folder), "verify", settings, threads=threads)
    return Path(path)


def write_matches(path: Path, photos: MatchedPhotos, camera_model: CameraModel) -> None:
    """A new database with everything but the geometry of pairs."""
    pycolmap: Any = require("pycolmap", extra="colmap", purpose=PURPOSE)
    if camera_model not in get_args(CameraModel):
        raise InputError(f"Unknown camera model {camera_model!r}. Choose one of {', '.join(get_args(CameraModel))}.")
    path.touch()  # where this is refused, the system says why; COLMAP would not
    with closing(pycolmap.Database.open(path)) as database, pycolmap.DatabaseTransaction(database):
        _fill(pycolmap, database, photos, camera_model)


def camera_numbers(photos: MatchedPhotos) -> Int[np.ndarray, "n"]:
    """Per photo the id of its camera in the database, from 1: COLMAP's have one size, upright and lying differ."""
    keys = np.column_stack([photos.cameras, photos.image_sizes])
    return np.unique(keys, axis=0, return_inverse=True)[1].reshape(-1) + 1


def read_database(path: str | Path) -> MatchedPhotos:
    """Read photos, keypoints and matches of a database of COLMAP 4, whoever wrote it.

    Matches are the verified ones of pairs that were verified, else all. Distortion of cameras is left out.

    Raises:
        InputError: pycolmap is missing; or there is no such file, or it is damaged, empty, or no COLMAP database.
    """
    path = Path(path)
    pycolmap: Any = require("pycolmap", extra="colmap", purpose=PURPOSE)
    _check(path)
    try:
        with closing(pycolmap.Database.open(path)) as database:
            return _content(pycolmap, database)
    except (RuntimeError, ValueError) as error:
        raise InputError(f"COLMAP cannot read the database {str(path)!r}: {error}. Make it again.") from error


def _fill(pycolmap: Any, database: Any, photos: MatchedPhotos, camera_model: CameraModel) -> None:
    numbers = camera_numbers(photos)
    for number in range(1, int(numbers.max(initial=0)) + 1):
        same = numbers == number
        known = same & photos.known
        K = np.median(photos.intrinsics[known if known.any() else same], axis=0)
        record = camera_record(K, np.zeros(5), photos.image_sizes[same][0], model=camera_model)
        camera = to_pycolmap(pycolmap, record, number)
        camera.has_prior_focal_length = bool(known.any())
        database.write_camera(camera, use_camera_id=True)
        rig = pycolmap.Rig(rig_id=number)
        rig.add_ref_sensor(camera.sensor_id)
        database.write_rig(rig, use_rig_id=True)
    for image_id, (name, number) in enumerate(zip(photos.names, numbers.tolist(), strict=True), 1):
        image = pycolmap.Image(name=name, camera_id=number, image_id=image_id)
        database.write_image(image, use_image_id=True)
        frame = pycolmap.Frame(frame_id=image_id, rig_id=number)
        frame.add_data_id(image.data_id)
        database.write_frame(frame, use_frame_id=True)
        database.write_keypoints(image_id, (photos.keypoints[image_id - 1] + 0.5).astype(np.float32))
    for (i, j), index in photos.pairs.items():
        database.write_matches(i + 1, j + 1, index.astype(np.uint32))


def _content(pycolmap: Any, database: Any) -> MatchedPhotos:
    images = sorted(database.read_all_images(), key=lambda image: image.image_id)
    if not images:
        raise ValueError("it holds no photos")
    cameras = {camera.camera_id: camera for camera in database.read_all_cameras()}
    place = {image.image_id: index for index, image in enumerate(images)}
    pairs = {}
    for pair_id, matches in zip(*database.read_all_matches(), strict=True):
        pairs[pycolmap.pair_id_to_image_pair(pair_id)] = matches
    for pair_id, geometry in zip(*database.read_two_view_geometries(), strict=True):
        pairs[pycolmap.pair_id_to_image_pair(pair_id)] = geometry.inlier_matches
    ordered = {}
    for (first, second), matches in pairs.items():
        i, j = place[first], place[second]
        index = np.asarray(matches, np.int64).reshape(-1, 2)
        if len(index):
            ordered[min(i, j), max(i, j)] = index if i < j else index[:, ::-1]
    own = [cameras[image.camera_id] for image in images]
    keypoints = [np.asarray(database.read_keypoints(image.image_id), np.float64) for image in images]
    return MatchedPhotos(
        tuple(image.name for image in images),
        np.array([[camera.width, camera.height] for camera in own]),
        np.stack([pinhole_and_distortion(from_pycolmap(camera))[0] for camera in own]),
        np.array([image.camera_id for image in images]),
        np.array([camera.has_prior_focal_length for camera in own]),
        tuple(points.reshape(len(points), -1)[:, :2] - 0.5 for points in keypoints),
        dict(sorted(ordered.items())),
    )


def _check(path: Path) -> None:
    """Find out without COLMAP, which would create a missing file, whether this is a whole database of its kind."""
    if not path.is_file():
        raise InputError(f"No database {str(path)!r}. COLMAP writes one as database.db.")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as content:
            damage = content.execute("PRAGMA quick_check(1)").fetchone()[0]
            tables = {name for (name,) in content.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.DatabaseError as error:
        raise InputError(
            f"{str(path)!r} is damaged, or not a COLMAP database ({error}). Name a database.db, or make it again."
        ) from error
    if damage != "ok":
        raise InputError(f"The database {str(path)!r} is damaged ({damage}). Make it again.")
    missing = {"cameras", "images", "keypoints", "matches", "two_view_geometries"} - tables
    if missing:
        what = "is empty" if not tables else f"is no COLMAP database: it has no table {', '.join(sorted(missing))}"
        raise InputError(f"{str(path)!r} {what}. Name a database.db that COLMAP or write_database made.")
