"""COLMAP's models: folders with cameras, images and points3D, binary or text. Read and written without COLMAP.

The format is documented with COLMAP ("Output Format"). Its pixels begin at the corner of the first one, whose centre is
(0.5, 0.5); ids of what we write are places in our lists, counted from 1.
"""

from pathlib import Path
from typing import Literal

import numpy as np

from pointmap.atomic import write_bytes
from pointmap.errors import InputError
from pointmap.sfm.cameras import camera_record, pinhole_and_distortion, quaternion_from, rotation_from
from pointmap.sfm.model import SfmModel
from pointmap.sfm.model_files import (
    ImageRecord,
    ModelFiles,
    PointRecord,
    read_binary,
    read_text,
    to_binary,
    to_text,
)

_NAMES = ("cameras", "images", "points3D")
_OPTIONAL = ("rigs", "frames")
_PLACES = (".", "sparse/0", "sparse", "0")


def write_model(folder: str | Path, model: SfmModel, *, format: Literal["binary", "text"] = "binary") -> Path:
    """Write the registered photos, and points with their tracks, as a COLMAP model (of a scene: `write_colmap`).

    A model that is there is replaced; each file appears whole or not at all.

    Args:
        folder: Created where it is missing.
        format: .bin or .txt files.

    Raises:
        InputError: The folder cannot be written, or a photo's name does not fit into the format.
    """
    if format not in ("binary", "text"):
        raise InputError(f"Unknown format of a COLMAP model {format!r}. Choose 'binary' or 'text'.")
    files = _to_files(model)
    for image in files.images.values():
        if not image.name or "\0" in image.name or (format == "text" and image.name.split() != [image.name]):
            raise InputError(
                f"A COLMAP model as {format} cannot hold a photo named {image.name!r}. Rename it"
                + (", or write binary files." if format == "text" else ".")
            )
    encoded = to_binary(files) if format == "binary" else to_text(files)
    folder, ending = Path(folder), ".bin" if format == "binary" else ".txt"
    for name, data in zip(_NAMES, encoded, strict=True):
        write_bytes(folder / f"{name}{ending}", data)
    # COLMAP would take what an earlier model left for a part of this one.
    for name in (*_NAMES, *_OPTIONAL):
        for other in (".bin", ".txt"):
            if name in _OPTIONAL or other != ending:
                (folder / f"{name}{other}").unlink(missing_ok=True)
    return folder


def read_model(folder: str | Path) -> SfmModel:
    """Read a COLMAP model, binary or text; photos in the order of their ids.

    Args:
        folder: With the files in it, or in sparse/0, sparse or 0.

    Raises:
        InputError: There is no model, it is damaged, or it has cameras that are no pinholes with OpenCV's distortion.
    """
    here = find_model(folder)
    if here is None:
        raise InputError(
            f"No COLMAP model in {str(folder)!r}: expected cameras, images and points3D, all .bin or all .txt, there "
            "or in sparse/0."
        )
    read, ending = (read_binary, ".bin") if _complete(here, ".bin") else (read_text, ".txt")
    try:
        return _to_model(read(*((here / f"{name}{ending}").read_bytes() for name in _NAMES)))
    except InputError:
        raise
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise InputError(
            f"The COLMAP model in {str(here)!r} is damaged ({type(error).__name__}: {error}). Write it again."
        ) from error


def find_model(folder: str | Path) -> Path | None:
    """The folder with the three files: this one, or sparse/0, sparse or 0 in it."""
    places = [Path(folder) / place for place in _PLACES]
    return next((place for place in places if _complete(place, ".bin") or _complete(place, ".txt")), None)


def _complete(place: Path, ending: str) -> bool:
    return all((place / f"{name}{ending}").is_file() for name in _NAMES)


def _to_files(model: SfmModel) -> ModelFiles:
    cameras: dict[str, int] = {}
    files = ModelFiles({}, {}, {})
    # The place of every track's entry among those of its photo.
    order = np.argsort(model.track_views, kind="stable")
    starts = np.searchsorted(model.track_views[order], np.arange(len(model.names) + 1))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order)) - starts[model.track_views[order]]
    for view in np.flatnonzero(model.registered).tolist():
        record = camera_record(model.intrinsics[view], model.distortion[view], model.image_sizes[view])
        key = repr(record)
        files.cameras.setdefault(cameras.setdefault(key, len(cameras) + 1), record)
        cam_from_world = np.linalg.inv(model.world_from_cam[view])
        own = order[starts[view] : starts[view + 1]]
        files.images[view + 1] = ImageRecord(
            quaternion_from(cam_from_world[:3, :3]),
            cam_from_world[:3, 3],
            cameras[key],
            model.names[view],
            model.track_pixels[own] + 0.5,
            model.track_points[own] + 1,
        )
    bounds = np.searchsorted(model.track_points, np.arange(len(model.points) + 1))
    for index, (point, color, error) in enumerate(zip(model.points, model.colors, model.errors, strict=True)):
        part = slice(bounds[index], bounds[index + 1])
        track = np.stack([model.track_views[part] + 1, place[part]], axis=1)
        files.points[index + 1] = PointRecord(point, color, -1.0 if np.isnan(error) else float(error), track)
    return files


def _to_model(files: ModelFiles) -> SfmModel:
    count = len(files.images)
    views = {image_id: view for view, image_id in enumerate(sorted(files.images))}
    indices = {point_id: index for index, point_id in enumerate(sorted(files.points))}
    sizes, poses = np.zeros((count, 2), np.int64), np.tile(np.eye(4), (count, 1, 1))
    intrinsics, distortion = np.zeros((count, 3, 3)), np.zeros((count, 5))
    for image_id, view in views.items():
        image = files.images[image_id]
        camera = files.cameras[image.camera_id]
        sizes[view] = camera.width, camera.height
        intrinsics[view], distortion[view] = pinhole_and_distortion(camera)
        rotation = rotation_from(image.quaternion).T
        poses[view, :3, :3], poses[view, :3, 3] = rotation, -rotation @ image.translation
    points = [files.points[point_id] for point_id in indices]
    tracks = [point.track for point in points]
    track = np.concatenate([np.zeros((0, 2), np.int64), *tracks])
    if sum(int((image.point_ids >= 0).sum()) for image in files.images.values()) != len(track):
        raise ValueError("its photos show other points than its points say")
    errors = np.array([point.error for point in points], np.float64)
    pixels = [files.images[image_id].pixels[place] for image_id, place in track.tolist()]
    return SfmModel(
        names=tuple(files.images[image_id].name for image_id in views),
        image_sizes=sizes,
        registered=np.ones(count, bool),
        world_from_cam=poses,
        intrinsics=intrinsics,
        distortion=distortion,
        points=np.array([point.position for point in points], np.float64).reshape(-1, 3),
        colors=np.array([point.color for point in points], np.uint8).reshape(-1, 3),
        errors=np.where(errors < 0, np.nan, errors),
        track_points=np.repeat(np.arange(len(points)), [len(track) for track in tracks]),
        track_views=np.array([views[image_id] for image_id in track[:, 0].tolist()], np.int64),
        track_pixels=np.array(pixels, np.float64).reshape(-1, 2) - 0.5,
    )
