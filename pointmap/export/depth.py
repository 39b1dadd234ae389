"""depth/: per photo a 16-bit PNG for other programs and a .npz with everything, and index.json."""

import zipfile
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from pointmap.atomic import atomic_path, write_bytes
from pointmap.export.cameras import pinhole_entry
from pointmap.export.names import output_stems
from pointmap.export.plain_json import json_bytes
from pointmap.scene import Keep, Scene

INDEX = "index.json"
_ARRAYS = ("depth", "confidence", "mask", "intrinsics")


def write_depths(scene: Scene, folder: str | Path, **keep: Unpack[Keep]) -> list[Path]:
    """Write the depth maps of all registered photos, on the pixel grid of the working images.

    `NAME.png` holds depth / `depth_scale` in 16 bits, 0 where a pixel is not trusted (`Scene.masks`); `NAME.npz` holds
    depth, confidence, mask, and the working image's intrinsics; `index.json` says which photo is which, and each PNG's
    `depth_scale`: millimetres where the scene is metric and they reach, else the finest that fits.

    Returns:
        The files, index last. Depth maps that an earlier run left there, of photos that this scene lacks, are removed.
    """
    import cv2

    folder = Path(folder)
    masks = scene.masks(**keep)
    written, entries = [], []
    for index, stem in enumerate(output_stems(scene.names)):
        if not scene.registered[index]:
            continue
        depth, mask, K = scene.depths[index], masks[index], scene.working_intrinsics[index]
        scale = depth_scale(depth[mask], metric=scene.metric)
        levels = np.zeros(depth.shape, np.uint16)
        # A trusted depth never becomes 0, which stands for none.
        levels[mask] = np.clip(np.round(depth[mask] / scale), 1, 65535).astype(np.uint16)
        with atomic_path(folder / f"{stem}.npz") as temporary, temporary.open("wb") as file:
            np.savez(file, **dict(zip(_ARRAYS, (depth, scene.confidences[index], mask, K), strict=True)))
        ok, encoded = cv2.imencode(".png", levels)
        assert ok, "OpenCV encodes any 16-bit array"
        written += [folder / f"{stem}.npz", write_bytes(folder / f"{stem}.png", encoded.tobytes())]
        entries.append(_entry(scene.names[index], stem, depth.shape, scale, K))
    content = {
        "convention": "depth_scale times the PNG's value is the z-depth (not ray length) in world_unit, 0 = not "
        "trusted. width, height, fx, fy, cx, cy are of these maps; pixel centres lie at integer coordinates.",
        "world_unit": "metre" if scene.metric else "arbitrary",
        "images": entries,
    }
    written.append(write_bytes(folder / INDEX, json_bytes(content)))
    for stale in set(folder.glob("*.npz")) - set(written):
        if _is_depth_file(stale):
            stale.with_suffix(".png").unlink(missing_ok=True)
            stale.unlink()
    return written


def depth_scale(depths: np.ndarray, *, metric: bool) -> float:
    """Depth of one step of the 16-bit PNG, such that the largest depth fits."""
    largest = float(depths.max()) if depths.size else 1.0
    return 0.001 if metric and largest <= 65.535 else largest / 65535


def _entry(name: str, stem: str, shape: tuple[int, ...], scale: float, K: np.ndarray) -> dict[str, Any]:
    return {
        "file": name,
        "png": f"{stem}.png",
        "npz": f"{stem}.npz",
        "depth_scale": scale,
        **pinhole_entry(shape[::-1], K),
    }


def _is_depth_file(path: Path) -> bool:
    """Did `write_depths` write it? Nothing else in the folder is ours to remove."""
    try:
        with zipfile.ZipFile(path) as archive:
            return set(archive.namelist()) == {f"{name}.npy" for name in _ARRAYS}
    except (OSError, zipfile.BadZipFile):
        return False
