"""DTU in small: the room as an object of 100 mm, photos of 64 x 48."""

from functools import lru_cache
from pathlib import Path

import numpy as np
from miniature_world import HALF, World, photograph
from PIL import Image

SCENES = {"pose": ("scan24",)}
"""By setting, where they are not those that `write` returns."""

SCALE = 20.0
"""Millimetres of the layout in a metre of the world."""

TOLERANCE = {"accuracy": 0.05, "completion": 0.1, "overall": 0.1}
"""Of the official evaluation, mm: clouds are thinned out to 0.2 mm."""


@lru_cache
def world() -> World:
    """Of the photos in order of their numbers; every fifth one is selected by `points`."""
    return photograph(11, (48, 64), square=False, step_deg=3.0)


def write(root: Path) -> tuple[str, ...]:
    """scan1 in MVSNet's layout, scan4 as Depth Anything 3 has it, scan24 of DTU-64."""
    scan = root / "scan1"
    for folder in ("images", "cams", "depths", "binary_masks"):
        (scan / folder).mkdir(parents=True)
    for folder in ("Rectified/scan4", "Cameras", "depth_raw/Depths/scan4", "scan24/image"):
        (root / folder).mkdir(parents=True)
    for index, (image, depth) in enumerate(zip(world().images, world().depths, strict=True)):
        Image.fromarray(image).save(scan / "images" / f"{index:08d}.jpg", quality=95)
        np.save(scan / "depths" / f"{index:08d}.npy", depth * np.float32(SCALE))
        Image.fromarray(np.full(depth.shape, 255, np.uint8)).save(scan / "binary_masks" / f"{index:08d}.png")
        for folder in (scan / "cams", root / "Cameras"):
            (folder / f"{index:08d}_cam.txt").write_text(_camera(index))
        Image.fromarray(image).save(root / "Rectified/scan4" / f"rect_{index + 1:03d}_3_r5000.png")
        visual = Image.fromarray(np.full(depth.shape, 60, np.uint8))
        visual.save(root / "depth_raw/Depths/scan4" / f"depth_visual_{index:04d}.png")
        (root / "depth_raw/Depths/scan4" / f"depth_map_{index:04d}.pfm").write_bytes(_pfm(depth * np.float32(SCALE)))
        Image.fromarray(image).save(root / "scan24/image" / f"{index:08d}.png")
    for number in (1, 4):
        _official(root, number)
    return ("scan1",)


def _camera(index: int) -> str:
    extrinsic = world().cam_from_world[index].copy()
    extrinsic[:3, 3] *= SCALE
    rows = [*_rows(extrinsic), "", "intrinsic", *_rows(world().intrinsics[index]), "", "425.0 2.5"]
    return "\n".join(["extrinsic", *rows]) + "\n"


def _rows(matrix: np.ndarray) -> list[str]:
    return [" ".join(f"{value:.12g}" for value in row) for row in matrix]


def _pfm(values: np.ndarray) -> bytes:
    height, width = values.shape
    return f"Pf\n{width} {height}\n-1\n".encode() + values[::-1].astype("<f4").tobytes()


def _official(root: Path, number: int) -> None:
    import trimesh
    from scipy.io import savemat

    (root / "Points/stl").mkdir(parents=True, exist_ok=True)
    (root / "SampleSet/MVS Data/ObsMask").mkdir(parents=True, exist_ok=True)
    points = world().points().reshape(-1, 3) * SCALE
    trimesh.PointCloud(points).export(root / "Points/stl" / f"stl{number:03d}_total.ply")
    box = np.stack([-HALF * SCALE - 2, HALF * SCALE + 2])
    cells = np.ceil((box[1] - box[0]) / 2).astype(int) + 1
    folder = root / "SampleSet/MVS Data/ObsMask"
    savemat(folder / f"ObsMask{number}_10.mat", {"ObsMask": np.ones(cells, np.uint8), "BB": box, "Res": 2.0})
    # Above the table is where y is small: y points down in this world.
    savemat(folder / f"Plane{number}.mat", {"P": np.array([[0.0], [-1.0], [0.0], [HALF[1] * SCALE + 1.0]])})
