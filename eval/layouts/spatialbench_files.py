"""A scene of SpatialBench, as all of its data sets were brought to one layout.

Layout: `Ropedia/SpatialBench:benchmark/datasets/data_readers.py`, a folder a scene:

    images/                 photos; all other folders have a file for each, in the order of their names
    depths/                 maps in the encoding that meta.json names as `depth_format`
    poses/*.npy             (3, 4) or (4, 4) world_from_cam
    intrinsics/             intrinsic.npy (3, 3), or one a photo where `intrinsic_mode` is not "shared"
    depth_masks/, sky_masks/, conf_masks/   optional: 0 where depths are wrong; not 0 in the sky; confidences
    meta.json

The centre of the first pixel is (0, 0): `benchmark_dataset.py` lifts the pixel (u, v) with K as it is.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pointmap.errors import InputError
from pointmap.extras import require

from .tree import require_file

_PHOTOS = (".png", ".jpg", ".jpeg")
_DEPTHS = (*_PHOTOS, ".exr", ".npy", ".bin")
_SHARED = "intrinsic.npy"
_NOT_OF_PHOTOS = (_SHARED, "K_rect.npy", "K_distorted.npy", "distortion_coeffs.npy")

STEPS = {
    "uint16_png_div1000": 1 / 1000,
    "uint16_png_div1000_rectified": 1 / 1000,
    "uint16_png_div100": 1 / 100,
    "uint16_png_div_655.35": 1 / 655.35,
}
"""Metres in a step of an encoding as integers."""


@dataclass(frozen=True)
class Filters:
    """Which depths of a data set count; the numbers of `data_readers.py`."""

    farthest: float
    """Metres; what is further counts as unknown."""

    masks: bool = True
    """Whether depth_masks/ is heeded: ScanNet++'s reader does not."""

    confidence: float = 0.0
    """Least value of conf_masks/, as a share of the largest that its integers hold."""

    percentile: float = 100.0
    """Of a map, unknown pixels among them; larger depths count as unknown."""


@dataclass(frozen=True, eq=False)
class SceneFiles:
    """What is in the folder, before any pixel is read."""

    folder: Path
    meta: dict[str, Any]
    photos: tuple[Path, ...]
    depths: tuple[Path, ...]
    """() where the scene has none."""

    intrinsics: np.ndarray
    """(N, 3, 3)"""

    world_from_cam: np.ndarray
    """(N, 4, 4), NaN where there are none."""


def read_scene(folder: Path) -> SceneFiles:
    """Look through a scene.

    Raises:
        InputError: Files are missing or damaged, or a folder has more or fewer of them than there are photos.
    """
    try:
        meta = json.loads(require_file(folder / "meta.json", "what is in this scene").read_text(encoding="utf-8"))
        depth_format = str(meta.get("depth_format", "none"))
    except (ValueError, AttributeError) as error:
        raise InputError(f"{str(folder / 'meta.json')!r} is no JSON object: {error}") from error
    photos = _files(folder / "images", _PHOTOS)
    if not photos:
        raise InputError(f"{str(folder / 'images')!r} has no photos. Unpack this scene again.")
    depths = () if depth_format == "none" else _one_each(folder / "depths", _DEPTHS, photos)
    if meta.get("intrinsic_mode", "shared") == "shared":
        K = np.tile(_matrix(folder / "intrinsics" / _SHARED, ((3, 3),)), (len(photos), 1, 1))
    else:
        files = _one_each(folder / "intrinsics", (".npy",), photos, besides=_NOT_OF_PHOTOS)
        K = np.stack([_matrix(path, ((3, 3),)) for path in files])
    poses = np.full((len(photos), 4, 4), np.nan)
    if meta.get("pose", "") != "none" and _files(folder / "poses", (".npy",)):
        poses[:] = np.eye(4)
        for index, path in enumerate(_one_each(folder / "poses", (".npy",), photos)):
            poses[index, :3] = _matrix(path, ((3, 4), (4, 4)))[:3]
    return SceneFiles(folder, meta, photos, depths, K, poses)


def depth_readers(scene: SceneFiles, filters: Filters) -> tuple[Callable[[], np.ndarray] | None, ...]:
    """Per photo its true depth in metres, 0 where unknown; () where the scene has none."""
    return tuple(partial(_read_depth, scene, index, filters) for index in range(len(scene.depths)))


def flips(scene: SceneFiles, index: int) -> tuple[bool, bool]:
    """Whether a photo and its depth are to be mirrored, left to right and top to bottom (`pyrep_flip`, of RLBench)."""
    for entry in scene.meta.get("pyrep_flip") or ():
        if entry["basename"] == scene.photos[index].stem:
            return bool(entry.get("flip_lr")), bool(entry.get("flip_ud"))
    return False, False


def decode_depth(path: Path, encoding: str, metric_scale: float = 1.0) -> np.ndarray:
    """(H, W) float32 metres, 0 where unknown or sky.

    Raises:
        InputError: The file is damaged, or the encoding is none of those that SpatialBench has.
    """
    try:
        if encoding in STEPS:
            values = _picture(path)
            depth = values.astype(np.float32) * np.float32(STEPS[encoding])
            return np.where((encoding == "uint16_png_div100") & (values >= 65500), np.float32(0), depth)
        if encoding == "uint16_png_inverse_encoded":
            return _inverse_encoded(_picture(path), metric_scale)
        if encoding == "npy_float32_meters":
            depth = np.load(path, allow_pickle=False)
        elif encoding == "exr_float32":
            depth = _read_exr(path)
        elif match := re.search(r"^float32_binary.*_(\d+)x(\d+)", encoding):
            depth = np.fromfile(path, np.float32).reshape(int(match[1]), int(match[2]))
        else:
            raise ValueError(f"{encoding!r} is no encoding of SpatialBench")
        if depth.ndim != 2:
            raise ValueError(f"its shape is {depth.shape}")
    except (OSError, ValueError) as error:
        raise InputError(f"Cannot read the depth map {str(path)!r}: {error}") from error
    return np.where(np.isfinite(depth) & (depth > 0), depth, 0).astype(np.float32)


def _inverse_encoded(values: np.ndarray, metric_scale: float) -> np.ndarray:
    """OmniWorld's: inverse depths between two planes as 16 bits; the lowest are too near, the highest sky."""
    near, far, unit = 1.0, 1000.0, 0.004
    share = values.astype(np.float32) / np.float32(65535)
    depth = share / (far - share * (far - near)) / unit * metric_scale
    return np.where((share < 0.0015) | (values > 65500), 0, depth).astype(np.float32)


def _read_depth(scene: SceneFiles, index: int, filters: Filters) -> np.ndarray:
    encoding = str(scene.meta["depth_format"])
    depth = decode_depth(scene.depths[index], encoding, float(scene.meta.get("metric_scale", 1.0)))
    if filters.masks and (mask := _mask(scene, "depth_masks", index, depth.shape)) is not None:
        depth[mask == 0] = 0
    if filters.confidence > 0 and (mask := _mask(scene, "conf_masks", index, depth.shape)) is not None:
        depth[
            mask / (65535.0 if mask.max(initial=0) > 255 else float(np.iinfo(mask.dtype).max)) < filters.confidence
        ] = 0
    depth[depth > filters.farthest] = 0
    if (mask := _mask(scene, "sky_masks", index, depth.shape)) is not None:
        depth[mask != 0] = 0
    if filters.percentile < 100:
        depth[depth > np.percentile(depth, filters.percentile)] = 0
    mirrored, upside_down = flips(scene, index)
    return np.ascontiguousarray(depth[:: -1 if upside_down else 1, :: -1 if mirrored else 1])


def _mask(scene: SceneFiles, kind: str, index: int, shape: tuple[int, ...]) -> np.ndarray | None:
    """A mask of the size of the depth map; others are not heeded, as in the source."""
    files = _files(scene.folder / kind, _PHOTOS)
    if index >= len(files):
        return None
    mask = _picture(files[index])
    return mask if mask.shape == shape else None


def _picture(path: Path) -> np.ndarray:
    """(H, W) integers."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            values = np.asarray(image)
    except OSError as error:
        raise InputError(f"Cannot read {str(path)!r}: {error}. Unpack this scene again.") from error
    return values[..., 0] if values.ndim == 3 else values


def _read_exr(path: Path) -> np.ndarray:
    """The only channel, or the one that is named Z or Y."""
    exr = require("OpenEXR", extra="exr", purpose="Reading depth as EXR")
    try:
        channels = exr.File(str(path)).channels()
    except RuntimeError as error:
        raise ValueError(str(error)) from error
    name = next((name for name in ("Z", "Y") if name in channels), next(iter(channels)))
    return np.asarray(channels[name].pixels, np.float32)


def _files(folder: Path, endings: tuple[str, ...]) -> tuple[Path, ...]:
    if not folder.is_dir():
        return ()
    return tuple(sorted(path for path in folder.iterdir() if path.suffix.lower() in endings))


def _one_each(
    folder: Path, endings: tuple[str, ...], photos: tuple[Path, ...], besides: tuple[str, ...] = ()
) -> tuple[Path, ...]:
    files = tuple(path for path in _files(folder, endings) if path.name not in besides)
    if len(files) != len(photos):
        raise InputError(f"{str(folder)!r} has {len(files)} files for {len(photos)} photos. Unpack this scene again.")
    return files


def _matrix(path: Path, shapes: tuple[tuple[int, int], ...]) -> np.ndarray:
    try:
        values = np.asarray(np.load(require_file(path, "a camera"), allow_pickle=False), np.float64)
        if values.shape not in shapes or not np.isfinite(values).all():
            raise ValueError(f"its shape is {values.shape}, or it is not finite")
        return values
    except (OSError, ValueError, TypeError) as error:
        expected = " or ".join(f"{rows} x {columns}" for rows, columns in shapes)
        raise InputError(f"Cannot read {str(path)!r} as {expected} numbers: {error}") from error
