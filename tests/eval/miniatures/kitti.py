"""KITTI, in small: a drive in the layout of the raw data, and Eigen's list with two of its photos."""

from pathlib import Path

import numpy as np
from miniature_world import World, photograph
from PIL import Image

DRIVE = "2011_09_26_drive_0002_sync"
FIRST = 5
"""The depth maps of the data set begin with this number, the photos with 0."""


SCENES = {"eigen-affine": ("eigen-001",)}
"""Of settings that have others than `write` returns."""


def world() -> World:
    """Three photos."""
    return photograph(3, (40, 120), square=False, step_deg=5.0)


def write(root: Path) -> tuple[str, ...]:
    """One drive; `eigen-001` is there as well, with two photos."""
    made = world()
    date = root / DRIVE[:10]
    photos, depths = date / DRIVE / "image_02/data", root / "val" / DRIVE / "proj_depth/groundtruth/image_02"
    for folder in (photos, depths):
        folder.mkdir(parents=True)
    for number in range(FIRST):
        Image.new("RGB", (120, 40)).save(photos / f"{number:010d}.png")
    for number, (image, depth) in enumerate(zip(made.images, made.depths, strict=True), start=FIRST):
        Image.fromarray(image).save(photos / f"{number:010d}.png")
        steps = (depth * 256).round().astype(np.uint16)
        steps[::2] = 0  # laser scans leave rows out
        Image.fromarray(steps).save(depths / f"{number:010d}.png")
    matrix = np.concatenate([made.intrinsics[0], [[44.85728], [0.2163791], [0.002745884]]], axis=1)
    values = " ".join(f"{value:.9e}" for value in matrix.ravel())
    (date / "calib_cam_to_cam.txt").write_text(f"calib_time: 09-Jan-2012 13:57:47\nP_rect_02: {values}\n")
    rows = [eigen_row(FIRST), f"{photos.relative_to(root)}/0000000000.png None 721.5377", eigen_row(FIRST + 2)]
    (root / "eigen_test_files_with_gt.txt").write_text("\n".join([*rows, ""]))
    return (DRIVE,)


def eigen_row(number: int) -> str:
    """A line of Eigen's list."""
    photo = f"{DRIVE[:10]}/{DRIVE}/image_02/data/{number:010d}.png"
    return f"{photo} {DRIVE}/proj_depth/groundtruth/image_02/{number:010d}.png 721.5377"
