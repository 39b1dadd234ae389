"""The rig of BigBIRD and YCB, in small: a ball that all photos look at."""

from pathlib import Path

import h5py
import numpy as np
import trimesh
from miniature_world import BALL, RADIUS, World, photograph
from PIL import Image
from scipy.spatial.transform import Rotation

STEP = 15


def world() -> World:
    """One photo every 15 degrees of the table, whose frame is the world's."""
    return photograph(360 // STEP, (24, 32), square=False, step_deg=STEP)


def balls() -> np.ndarray:
    """(N, H, W) bool: where photos show the ball."""
    return np.linalg.norm(world().points() - BALL, axis=-1) < RADIUS * 1.001


def write_object(folder: Path, mesh: str) -> None:
    """One object with all that is read of it, and its mesh."""
    made = world()
    on_ball = balls()
    (folder / "poses").mkdir(parents=True)
    (folder / "masks").mkdir()
    np3_from_np5 = np.eye(4)
    np3_from_np5[:3, :3] = Rotation.from_euler("xyz", [0.5, 0.1, -0.2]).as_matrix()
    np3_from_np5[:3, 3] = [0.3, -0.4, 0.1]
    with h5py.File(folder / "calibration.h5", "w") as file:
        file["H_NP3_from_NP5"], file["NP3_rgb_K"] = np3_from_np5, made.intrinsics[0]
        file["H_NP4_from_NP5"], file["NP4_rgb_K"] = np.eye(4), np.eye(3)
    for index, (image, pose) in enumerate(zip(made.images, made.world_from_cam, strict=True)):
        angle = STEP * index
        Image.fromarray(image).save(folder / f"NP3_{angle}.jpg")
        # Black is False for Pillow, and the object is black.
        Image.fromarray(~on_ball[index]).save(folder / f"masks/NP3_{angle}_mask.pbm")
        with h5py.File(folder / f"poses/NP5_{angle}_pose.h5", "w") as file:
            file["H_table_from_reference_camera"] = pose @ np3_from_np5
            file["board_frame_offset"] = np.zeros(3)
    path = folder / mesh
    path.parent.mkdir(parents=True)
    ball = trimesh.creation.icosphere(subdivisions=2, radius=RADIUS)
    ball.apply_translation(BALL)
    ball.export(path)
