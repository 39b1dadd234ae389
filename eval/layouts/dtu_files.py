"""Files of DTU: photos and cameras in two layouts, depth with masks, and what comes with the official evaluation."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pointmap.errors import InputError

from .depth_maps import depth_array
from .mvsnet import read_pfm
from .tree import require_file

OBSERVATION = ("ObsMask", "SampleSet/MVS Data/ObsMask", "SampleSet/mvs_data/ObsMask")
POINTS = ("Points/stl", "SampleSet/MVS Data/Points/stl")
"""Folders of the official SampleSet.zip and Points.zip, and as Depth Anything 3 has them."""


@dataclass(frozen=True)
class DtuPhoto:
    """A photo with the files that belong to it; they need not be there."""

    path: Path
    camera: Path
    depth: Path
    mask: Path


def find_photos(root: Path, scan: str) -> list[DtuPhoto]:
    """Photos of a scan in order of their numbers; [] where there are none.

    Looked for: `scan1/images/00000000.jpg` with `cams/`, `depths/*.npy` and `binary_masks/*.png` beside it (MVSNet's
    test set with the rendered depth of `HengyiWang/spann3r:docs/data_preprocess.md`), else
    `Rectified/scan1/rect_001_3_r5000.png` with `Cameras/` and `depth_raw/Depths/` (Depth Anything 3's bench).
    """
    folder = root / scan
    photos = sorted((folder / "images").glob("*.jpg")) or sorted((folder / "images").glob("*.png"))
    if photos:
        return [
            DtuPhoto(
                photo,
                folder / "cams" / f"{photo.stem}_cam.txt",
                folder / "depths" / f"{photo.stem}.npy",
                folder / "binary_masks" / f"{photo.stem}.png",
            )
            for photo in photos
        ]
    rectified = []
    for photo in sorted((root / "Rectified" / scan).glob("rect_*.png")):
        number = photo.stem.split("_")[1]
        if not number.isdigit():
            raise InputError(f"{str(photo)!r} is no photo of DTU: expected rect_001_3_r5000.png and the like.")
        index, depths = int(number) - 1, root / "depth_raw" / "Depths" / scan
        rectified.append(
            DtuPhoto(
                photo,
                root / "Cameras" / f"{index:08d}_cam.txt",
                depths / f"depth_map_{index:04d}.pfm",
                depths / f"depth_visual_{index:04d}.png",
            )
        )
    return rectified


def depth_reader(photo: DtuPhoto) -> Callable[[], np.ndarray] | None:
    """Reader of the depth in mm, 0 where the mask is; None where there is no file of depths."""
    if not photo.depth.is_file():
        return None

    def read() -> np.ndarray:
        if photo.depth.suffix == ".pfm":
            depth = read_pfm(photo.depth)
        else:
            try:
                depth = np.load(photo.depth, allow_pickle=False)
            except (OSError, ValueError) as error:
                raise InputError(f"Cannot read the depth map {str(photo.depth)!r}: {error}") from error
        if depth.ndim != 2:
            raise InputError(f"{str(photo.depth)!r} is no depth map: it has {depth.ndim} axes, expected 2.")
        if not photo.mask.is_file():
            return depth
        return np.where(_eroded(read_mask(photo.mask), depth.shape), depth, 0)

    return depth_array(read)


def _eroded(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Without a rim of 5 pixels of the depth map: `HengyiWang/spann3r:spann3r/datasets/dtu.py` erodes by 10 x 10."""
    import cv2

    resized = cv2.resize(mask.astype(np.uint8), shape[::-1], interpolation=cv2.INTER_NEAREST)
    return cv2.erode(resized, np.ones((10, 10), np.uint8)) > 0


def read_mask(path: Path) -> np.ndarray:
    """(H, W) bool, True on the object: brighter than half in `binary_masks`, than 10 in `depth_visual`."""
    from PIL import Image

    try:
        with Image.open(require_file(path, "a mask")) as image:
            values = np.asarray(image.convert("L"))
    except OSError as error:
        raise InputError(f"Cannot read the mask {str(path)!r}: {error}") from error
    return values > (10 if path.name.startswith("depth_visual") else 127)


def cloud_file(root: Path, scan: str) -> Path:
    """Points of the structured light scanner; where it is, or else where it should be."""
    return _found(root, POINTS, f"stl{int(scan[4:]):03d}_total.ply")


def observation_files(root: Path, scan: str) -> tuple[Path, Path]:
    """The mask of what was observed, and the plane of the table."""
    number = int(scan[4:])
    return _found(root, OBSERVATION, f"ObsMask{number}_10.mat"), _found(root, OBSERVATION, f"Plane{number}.mat")


def _found(root: Path, folders: tuple[str, ...], name: str) -> Path:
    places = [root / folder / name for folder in folders]
    return next((place for place in places if place.is_file()), places[0])


def read_observation(path: Path) -> tuple[np.ndarray, np.ndarray, float]:
    """(X, Y, Z) bool cells, (2, 3) corners of their box in mm, and the edge of a cell in mm."""
    content = _matrices(path, ("ObsMask", "BB", "Res"))
    box, edge = content["BB"].astype(np.float64), float(content["Res"].reshape(-1)[0])
    if content["ObsMask"].ndim != 3 or box.shape != (2, 3) or not edge > 0:
        raise InputError(f"{str(path)!r} has ObsMask of {content['ObsMask'].shape}, BB of {box.shape}, Res {edge}.")
    return content["ObsMask"].astype(bool), box, edge


def read_plane(path: Path) -> np.ndarray:
    """(4,) plane of the table: plane . (x, y, z, 1) > 0 above it."""
    plane = _matrices(path, ("P",))["P"].astype(np.float64).reshape(-1)
    if plane.shape != (4,):
        raise InputError(f"{str(path)!r} has a P of {len(plane)} numbers, expected 4.")
    return plane


def _matrices(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    require_file(path, "a part of DTU's evaluation")
    damage = (MatReadError, zlib.error, OSError, ValueError, TypeError, KeyError, IndexError, NotImplementedError)
    try:
        content = loadmat(path)
        return {name: np.asarray(content[name]) for name in names}
    except damage as error:
        raise InputError(f"{str(path)!r} is no MATLAB file with {', '.join(names)}: {error}") from error
