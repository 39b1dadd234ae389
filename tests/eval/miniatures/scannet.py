"""Two exported scenes of ScanNet: one with photos and depth maps of different cameras, one with lost poses."""

from pathlib import Path

import numpy as np
from miniature_world import World, photograph
from PIL import Image

from miniatures.seen_room import seen_room

COUNT = 31
PHOTO_SIZE, DEPTH_SIZE = (60, 81), (48, 64)
"""Height and width: the colour camera's shape is slightly different, as in ScanNet."""
LOST = 2
"""This frame of the second scene has no pose."""

SCENE, WITH_LOST_POSES = "scene0708_00", "scene0711_00"
SCENES = {"neuralrecon": (SCENE, WITH_LOST_POSES)}
TOLERANCE = {
    "f_score": 0.03,
    "precision": 0.01,
    "recall": 0.05,
    "accuracy": 0.03,
    "completion": 0.03,
    "abs_rel": 0.015,
    "abs_diff": 0.04,
    "sq_rel": 0.015,
    "rmse": 0.2,
    "log_rmse": 0.08,
    "within_125": 0.01,
    "within_125_2": 0.01,
    "within_125_3": 0.01,
    "complete": 0.01,
}
"""Depths of 64 x 48 are fused into voxels of 4 cm: the edge of the ball is off by a pixel, clouds by half a voxel."""


def world() -> World:
    """What the colour camera sees in the first scene, frame after frame."""
    return photograph(COUNT, PHOTO_SIZE, step_deg=1.5)


def write(root: Path) -> tuple[str, ...]:
    """The first scene lies in scans_test, as the second one."""
    _scene(root / "scans_test" / SCENE, world(), photograph(COUNT, DEPTH_SIZE, step_deg=1.5))
    lost = root / "scans_test" / WITH_LOST_POSES
    _scene(lost, photograph(4, PHOTO_SIZE), photograph(4, DEPTH_SIZE))
    (lost / f"pose/{LOST}.txt").write_text("-inf -inf -inf -inf\n" * 4)
    return (SCENE,)


def _scene(folder: Path, colour: World, sensor: World) -> None:
    for name in ("color", "depth", "pose", "intrinsic"):
        (folder / name).mkdir(parents=True)
    for i, (image, depth) in enumerate(zip(colour.images, sensor.depths, strict=True)):
        Image.fromarray(image).save(folder / f"color/{i}.jpg", quality=95)
        Image.fromarray(np.rint(1000 * depth).astype(np.uint16)).save(folder / f"depth/{i}.png")
        np.savetxt(folder / f"pose/{i}.txt", colour.world_from_cam[i])
    for name, K in (("color", colour.intrinsics[0]), ("depth", sensor.intrinsics[0])):
        square = np.eye(4)
        square[:3, :3] = K
        np.savetxt(folder / f"intrinsic/intrinsic_{name}.txt", square)
    seen_room(colour).export(folder / f"{folder.name}_vh_clean_2.ply")
