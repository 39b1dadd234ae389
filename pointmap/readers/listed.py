"""cameras.json: photos with cameras and depth maps, as we write it and as our data sets have it."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pointmap.errors import InputError
from pointmap.progress import ProgressCallback
from pointmap.readers.posed import DepthMap, PosedPhoto, find_photo, posed_scene, read_depth, rigid_pose
from pointmap.scene import Scene

_NAME = "cameras.json"
_LENS = ("k1", "k2", "p1", "p2", "k3")


def find(path: Path) -> Path | None:
    """The file."""
    file = path / _NAME if path.is_dir() else path
    return file if file.name == _NAME and file.is_file() else None


def read(file: Path, *, image_size: int, progress: ProgressCallback | None = None) -> Scene:
    """Photos in the order of the file; those without a pose are not registered.

    Depth maps are those that entries name (`depth`, times `depth_scale`), else those in depth/index.json.
    """
    folder = file.parent
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        index = _index(folder / "depth" / "index.json")
        photos = [_photo(entry, folder, index.get(entry["file"])) for entry in content["images"]]
        metric = str(content.get("world_unit", "")).startswith("metre")
    except InputError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"Cannot read {str(file)!r}: {type(error).__name__}: {error}. Expected a list `images` with file, fx, fy, "
            "cx, cy and cam_from_world (4x4 or null) per photo."
        ) from error
    if not photos:
        raise InputError(f"{str(file)!r} lists no photos.")
    return posed_scene(photos, image_size=image_size, metric=metric, source=_NAME, progress=progress)


def _photo(entry: dict[str, Any], folder: Path, indexed: DepthMap | None) -> PosedPhoto:
    cam_from_world = entry["cam_from_world"]
    if cam_from_world is not None:
        cam_from_world = rigid_pose(cam_from_world, f"cam_from_world of {entry['file']!r}")
    depth = indexed
    if entry.get("depth"):
        path = find_photo(folder, entry["depth"], among=(".",))
        depth = DepthMap(partial(read_depth, path, float(entry.get("depth_scale", 1.0))))
    return PosedPhoto(
        find_photo(folder, entry["file"]),
        _pinhole(entry),
        None if cam_from_world is None else np.linalg.inv(cam_from_world),
        size=(int(entry["width"]), int(entry["height"])) if "width" in entry else None,
        distortion=_distortion(entry.get("distortion")),
        depth=depth,
        upright=True,
    )


def _index(file: Path) -> dict[str, DepthMap]:
    """Depth maps of ours, by the photos' names; they have pinholes of their own."""
    if not file.is_file():
        return {}
    maps = {}
    for entry in json.loads(file.read_text(encoding="utf-8"))["images"]:
        path = find_photo(file.parent, entry["png"], among=(".",))
        maps[entry["file"]] = DepthMap(partial(read_depth, path, float(entry["depth_scale"])), _pinhole(entry))
    return maps


def _pinhole(entry: dict[str, Any]) -> np.ndarray:
    fx, fy, cx, cy = (float(entry[key]) for key in ("fx", "fy", "cx", "cy"))
    return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])


def _distortion(given: dict[str, Any] | list[float] | None) -> np.ndarray:
    if given is None:
        return np.zeros(5)
    if isinstance(given, dict):
        if given.get("model", "opencv") != "opencv":
            raise InputError(f"A camera has distortion of the model {given['model']!r}; only 'opencv' can be read.")
        given = [float(given.get(name, 0.0)) for name in _LENS]
    values = np.array(given, np.float64)
    if values.shape != (5,):
        raise InputError(f"A camera has the distortion {given!r}; expected k1, k2, p1, p2, k3.")
    return values
