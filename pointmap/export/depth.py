"""depth/: per photo a 16-bit PNG for other programs, a .npz with everything and, on request, an .exr; index.json."""

import zipfile
from pathlib import Path
from typing import Any, NamedTuple, Unpack

import numpy as np

from pointmap.atomic import atomic_path, write_bytes
from pointmap.export.cameras import pinhole_entry
from pointmap.export.names import output_stems
from pointmap.export.plain_json import json_bytes
from pointmap.extras import require
from pointmap.scene import Keep, Scene

INDEX = "index.json"


def write_depth_folder(
    scene: Scene,
    path: str | Path,
    *,
    exr: bool = False,
    full_resolution: bool = False,
    max_size: int | None = None,
    **keep: Unpack[Keep],
) -> Path:
    """`write_depths` as an export: the same files and settings."""
    write_depths(scene, path, exr=exr, full_resolution=full_resolution, max_size=max_size, **keep)
    return Path(path)


def write_depths(
    scene: Scene,
    folder: str | Path,
    *,
    exr: bool = False,
    full_resolution: bool = False,
    max_size: int | None = None,
    **keep: Unpack[Keep],
) -> list[Path]:
    """Write the depth maps of all registered photos, on the pixel grid of the working images.

    `NAME.png` holds depth / `depth_scale` in 16 bits, 0 where a pixel is not trusted (`Scene.masks`); `NAME.npz` holds
    depth, confidence, mask, and the image's intrinsics; `index.json` says which photo is which, and each PNG's
    `depth_scale`: millimetres where the scene is metric and they reach, else the finest that fits.

    Args:
        exr: Write `NAME.exr` as well, with 32-bit channels Z (0 where not trusted) and confidence. Needs OpenEXR:
            pip install 'pointmap[exr]'.
        full_resolution: On the pixel grid of the photos themselves instead (`Scene.photo_maps`).
        max_size: Of these, shrunk to this long side in pixels if they are larger.
        keep: See `Scene.masks`.

    Returns:
        The files, index last. Depth maps that an earlier run left there, of photos that this scene lacks, are removed.
    """
    if exr:
        require("OpenEXR", extra="exr", purpose="Depth as EXR")
    folder = Path(folder)
    masks = scene.masks(**keep)
    written, entries = [], []
    for index, stem in enumerate(output_stems(scene.names)):
        if not scene.registered[index]:
            continue
        if full_resolution:
            photo = scene.photo_maps(index, max_size=max_size, masks=masks, **keep)
            maps = _Maps(photo.depth, photo.confidence, photo.mask, photo.intrinsics)
        else:
            K = scene.working_intrinsics[index]
            maps = _Maps(scene.depths[index], scene.confidences[index], masks[index], K)
        scale = depth_scale(maps.depth[maps.mask], metric=scene.metric)
        if not exr and _is_depth_file(folder / f"{stem}.npz"):
            (folder / f"{stem}.exr").unlink(missing_ok=True)
        written += _write_maps(maps, folder / stem, scale, exr=exr)
        entries.append(_entry(scene.names[index], stem, maps.depth.shape, scale, maps.intrinsics, exr=exr))
    content = {
        "convention": "depth_scale times the PNG's value is the z-depth (not ray length) in world_unit, 0 = not "
        "trusted. width, height, fx, fy, cx, cy are of these maps; pixel centres lie at integer coordinates.",
        "world_unit": "metre" if scene.metric else "arbitrary",
        "images": entries,
    }
    written.append(write_bytes(folder / INDEX, json_bytes(content)))
    for stale in set(folder.glob("*.npz")) - set(written):
        if _is_depth_file(stale):
            for ending in (".png", ".exr", ".npz"):
                stale.with_suffix(ending).unlink(missing_ok=True)
    return written


class _Maps(NamedTuple):
    """What the .npz of a photo holds, under these names."""

    depth: np.ndarray
    confidence: np.ndarray
    mask: np.ndarray
    intrinsics: np.ndarray


def _write_maps(maps: _Maps, path: Path, scale: float, *, exr: bool) -> list[Path]:
    """The files of one photo; their endings join the path."""
    import cv2

    levels = np.zeros(maps.depth.shape, np.uint16)
    # A trusted depth never becomes 0, which stands for none.
    levels[maps.mask] = np.clip(np.round(maps.depth[maps.mask] / scale), 1, 65535).astype(np.uint16)
    files = [path.with_name(path.name + ending) for ending in (".npz", ".png", ".exr")[: 3 if exr else 2]]
    with atomic_path(files[0]) as temporary, temporary.open("wb") as file:
        np.savez(file, **maps._asdict())
    ok, encoded = cv2.imencode(".png", levels)
    assert ok, "OpenCV encodes any 16-bit array"
    write_bytes(files[1], encoded.tobytes())
    if exr:
        _write_exr(maps, files[2])
    return files


def _write_exr(maps: _Maps, path: Path) -> None:
    import OpenEXR

    channels = {"Z": np.where(maps.mask, maps.depth, 0), "confidence": maps.confidence}
    content = OpenEXR.File(
        {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage},
        {name: np.ascontiguousarray(values, np.float32) for name, values in channels.items()},
    )
    with atomic_path(path) as temporary:
        try:
            content.write(str(temporary))
        except RuntimeError as error:  # its way to say that the disk is full
            raise OSError(str(error)) from error


def depth_scale(depths: np.ndarray, *, metric: bool) -> float:
    """Depth of one step of the 16-bit PNG, such that the largest depth fits."""
    largest = float(depths.max()) if depths.size else 1.0
    return 0.001 if metric and largest <= 65.535 else largest / 65535


def _entry(name: str, stem: str, shape: tuple[int, ...], scale: float, K: np.ndarray, *, exr: bool) -> dict[str, Any]:
    return {
        "file": name,
        "png": f"{stem}.png",
        "npz": f"{stem}.npz",
        **({"exr": f"{stem}.exr"} if exr else {}),
        "depth_scale": scale,
        **pinhole_entry(shape[::-1], K),
    }


def _is_depth_file(path: Path) -> bool:
    """Did `write_depths` write it? Nothing else in the folder is ours to remove."""
    try:
        with zipfile.ZipFile(path) as archive:
            return set(archive.namelist()) == {f"{name}.npy" for name in _Maps._fields}
    except (OSError, zipfile.BadZipFile):
        return False
