"""Predictions of other programs, one file a scene; `save_prediction` writes them, anything with NumPy can."""

import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pointmap.atomic import write_bytes
from pointmap.errors import InputError

from ..estimate import Estimate, photo_sizes
from ..task import Inputs
from .method import Method
from .options import shown

_MAPS = {"depth": 2, "confidence": 2, "points": 3}
"""Maps per photo, and their number of axes."""
_WHOLE = ("world_from_cam", "cam_from_world", "intrinsics", "region", "metric")


class Saved(Method):
    """What another program found, read from `FOLDER/SCENE.npz` (`numpy.savez`), SCENE being the scene's name in the
    results. A scene without a file has failed. Arrays of N photos, in the order of the task's photos:

    | array | shape | meaning |
    | --- | --- | --- |
    | `world_from_cam` or `cam_from_world` | (N, 4, 4) or (N, 3, 4) | rigid: x right, y down, z forward; NaN: none |
    | `intrinsics` | (N, 3, 3) | pinhole K in pixels of the photos, the centre of the first pixel at (0, 0); NaN: none |
    | `depth`, or `depth_0`, `depth_1`, ... | (N, h, w), or (h, w) each | z-depth in units of the poses; 0, NaN: none |
    | `confidence`, or `confidence_0`, ... | as `depth` | larger is surer |
    | `points`, or `points_0`, ... | (N, h, w, 3), or (h, w, 3) each | in the world frame; NaN: none |
    | `region` | (N, 4) | left, top, right, bottom edge of the part of each photo that its maps cover, in its pixels |
    | `metric` | () bool | lengths are metres by the method's own knowledge |

    Any of them may be missing; maps `depth_0` ... may be of different sizes, and missing for some photos. Without
    `region` maps cover the whole photo. Points follow from depths where poses and intrinsics are there.
    """

    def __init__(self, folder: str, name: str = "") -> None:
        """
        Args:
            folder: Where the files are.
            name: Of the method in tables; default the folder's.
        """
        self._folder = Path(folder).expanduser()
        if not self._folder.is_dir():
            raise InputError(f"saved: there is no folder {folder!r}. Give one that holds SCENE.npz files.")
        self._files = sorted(self._folder.glob("*.npz"))
        if not self._files:
            raise InputError(f"saved: the folder {folder!r} holds no .npz file; expected one per scene, SCENE.npz.")
        self.name = shown(name or self._folder.resolve().name)
        held = [_names(file) for file in self._files]
        self.gives = frozenset.intersection(*(_gives(names) for names in held))

    def settings(self) -> dict[str, Any]:
        """See `Method`. Of the files their names, sizes and times of change."""
        digest = hashlib.sha256()
        for file in self._files:
            state = file.stat()
            digest.update(json.dumps([file.name, state.st_size, state.st_mtime_ns]).encode())
        return {"folder": self._folder.resolve().name, "files": digest.hexdigest(), "version": 1}

    def estimate(self, inputs: Inputs, seed: int) -> Estimate:
        """See `Method`.

        Raises:
            InputError: There is no file of this scene, or it is not of the format: says what is wrong.
        """
        path = self._folder / f"{inputs.name}.npz"
        if not path.is_file():
            raise InputError(f"There is no {path.name!r} in {str(self._folder)!r}: nothing is saved of this scene.")
        return read_prediction(path, len(inputs.photos), photo_sizes(inputs.photos))


def save_prediction(
    path: str | Path,
    *,
    world_from_cam: np.ndarray,
    intrinsics: np.ndarray | None = None,
    depths: Sequence[np.ndarray | None] | None = None,
    confidences: Sequence[np.ndarray | None] | None = None,
    points: Sequence[np.ndarray | None] | None = None,
    region: np.ndarray | None = None,
    metric: bool = False,
) -> Path:
    """Write what a method found for `saved:folder=...`; see `Saved` for what the arrays mean.

    Args:
        path: SCENE.npz.
        world_from_cam: NaN where a photo has no pose.
        depths, confidences, points: One map per photo, of any sizes, None where there is none.

    Raises:
        InputError: The arrays do not belong together, or the file cannot be written.
    """
    arrays: dict[str, Any] = {"world_from_cam": world_from_cam, "metric": np.bool_(metric)}
    arrays |= {} if intrinsics is None else {"intrinsics": intrinsics}
    arrays |= {} if region is None else {"region": region}
    count = len(world_from_cam)
    for name, maps in (("depth", depths), ("confidence", confidences), ("points", points)):
        if maps is not None and len(maps) != count:
            raise InputError(f"{len(maps)} maps of {name} for {count} poses. Give one per photo, None where missing.")
        arrays |= {f"{name}_{index}": values for index, values in enumerate(maps or []) if values is not None}
    _checked(arrays, count, str(path))
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    return write_bytes(path, content.getvalue())


def read_prediction(path: Path, count: int, sizes: np.ndarray) -> Estimate:
    """The estimate in a file.

    Args:
        count: Number of photos of the scene.
        sizes: (N, 2) their widths and heights.

    Raises:
        InputError: It is damaged or not of the format (see `Saved`).
    """
    try:
        with np.load(path, allow_pickle=False) as content:
            arrays = {name: content[name] for name in content.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(
            f"Cannot read {str(path)!r}: {error}. Expected arrays without objects, by numpy.savez."
        ) from error
    return _checked(arrays, count, str(path), sizes)


def _checked(arrays: dict[str, np.ndarray], count: int, path: str, sizes: np.ndarray | None = None) -> Estimate:
    for name, values in arrays.items():
        stem, _, number = name.rpartition("_")
        is_map = name in _MAPS or (stem in _MAPS and number.isdecimal() and int(number) < count)
        if not is_map and name not in _WHOLE:
            known = ", ".join((*_WHOLE, *(f"{kind} or {kind}_0 to {kind}_{count - 1}" for kind in _MAPS)))
            raise InputError(f"{path}: unknown array {name!r} for {count} photos. There may be {known}.")
        if np.asarray(values).dtype.kind not in "fiub":
            raise InputError(f"{path}: {name} has type {np.asarray(values).dtype}; expected numbers.")
    maps = {kind: _maps(arrays, kind, count, path) for kind in _MAPS}
    held = {kind: found if any(each is not None for each in found) else () for kind, found in maps.items()}
    intrinsics = _shaped(arrays, "intrinsics", (count, 3, 3), path)
    regions = _shaped(arrays, "region", (count, 4), path)
    if regions is not None:
        known = np.isfinite(regions).all(axis=1)
        if not ((regions[known, 2:] - regions[known, :2]) > 0).all():
            raise InputError(f"{path}: region is left, top, right, bottom; some are empty.")
    for kind, other in (("confidence", "depth"), ("points", "depth"), ("confidence", "points")):
        for index, (first, second) in enumerate(zip(maps[kind], maps[other], strict=True)):
            if first is not None and second is not None and first.shape[:2] != second.shape[:2]:
                raise InputError(
                    f"{path}: of photo {index}, {kind} has {first.shape[:2]} pixels and {other} {second.shape[:2]}."
                )
    return Estimate(
        _poses(arrays, count, path),
        intrinsics,
        held["depth"],
        held["confidence"],
        held["points"],
        regions=regions,
        sizes=sizes,
        metric=bool(arrays.get("metric", False)),
    )


def _poses(arrays: dict[str, np.ndarray], count: int, path: str) -> np.ndarray:
    """(N, 4, 4) world_from_cam."""
    names = [name for name in ("world_from_cam", "cam_from_world") if name in arrays]
    if not names:
        return np.full((count, 4, 4), np.nan)
    if len(names) > 1:
        raise InputError(f"{path}: it has world_from_cam and cam_from_world; expected one of the two.")
    poses = np.asarray(arrays[names[0]], np.float64)
    if poses.shape == (count, 3, 4):
        poses = np.concatenate([poses, np.tile([[[0.0, 0, 0, 1]]], (count, 1, 1))], axis=1)
        poses[np.isnan(poses[:, :3]).any(axis=(1, 2))] = np.nan
    if poses.shape != (count, 4, 4):
        raise InputError(f"{path}: {names[0]} has shape {poses.shape}; expected ({count}, 4, 4) for {count} photos.")
    known = np.isfinite(poses).all(axis=(1, 2))
    if not np.isnan(poses[~known]).any(axis=(1, 2)).all():
        raise InputError(f"{path}: {names[0]} has infinite values; a photo without a pose has NaN.")
    rotations = poses[known, :3, :3]
    off = np.abs(rotations @ rotations.transpose(0, 2, 1) - np.eye(3)).max(initial=0)
    if off > 1e-3 or (np.linalg.det(rotations) < 0).any() or (poses[known, 3] != [0, 0, 0, 1]).any():
        raise InputError(
            f"{path}: {names[0]} is not rigid (R R^T differs from 1 by up to {off:.1g}). Expected rotations without "
            "scale or mirroring, and a last row 0 0 0 1."
        )
    poses[~known] = np.nan
    return np.linalg.inv(poses) if names[0] == "cam_from_world" else poses


def _maps(arrays: dict[str, np.ndarray], kind: str, count: int, path: str) -> tuple[np.ndarray | None, ...]:
    """Of every photo, None where it has none."""
    numbered = [name for name in arrays if name.startswith(f"{kind}_")]
    if kind in arrays and numbered:
        raise InputError(f"{path}: it has {kind} and {numbered[0]}; expected one of the two forms.")
    if kind in arrays and len(arrays[kind]) != count:
        raise InputError(f"{path}: {kind} has {len(arrays[kind])} maps for {count} photos.")
    found = arrays.get(kind) if kind in arrays else [arrays.get(f"{kind}_{index}") for index in range(count)]
    assert found is not None
    for index, values in enumerate(found):
        wrong = values is not None and (values.ndim != _MAPS[kind] or 0 in values.shape)
        if values is not None and (wrong or (kind == "points" and values.shape[2] != 3)):
            expected = "(h, w, 3)" if kind == "points" else "(h, w)"
            raise InputError(f"{path}: {kind} of photo {index} has shape {values.shape}; expected {expected}.")
    return tuple(found)


def _shaped(arrays: dict[str, np.ndarray], name: str, shape: tuple[int, ...], path: str) -> np.ndarray | None:
    if name not in arrays:
        return None
    values = np.asarray(arrays[name], np.float64)
    if values.shape != shape:
        raise InputError(f"{path}: {name} has shape {values.shape}; expected {shape}.")
    return values


def _names(path: Path) -> set[str]:
    try:
        with np.load(path, allow_pickle=False) as content:
            return set(content.files)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"Cannot read {str(path)!r}: {error}. Expected a file of numpy.savez.") from error


def _gives(names: set[str]) -> frozenset[str]:
    """What a file with these arrays holds; see `Method.gives`."""
    kinds = {kind for kind in _MAPS if any(name == kind or name.startswith(f"{kind}_") for name in names)}
    posed = bool(names & {"world_from_cam", "cam_from_world"})
    found = {"poses", "localization"} if posed else set()
    found |= {"depths"} if "depth" in kinds else set()
    found |= {"points"} if "points" in kinds or ("depth" in kinds and posed and "intrinsics" in names) else set()
    return frozenset(found)
