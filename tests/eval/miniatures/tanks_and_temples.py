"""The training set of Tanks and Temples, in small."""

import json
from pathlib import Path

import numpy as np
import trimesh
from miniature_world import World, photograph
from PIL import Image
from scipy.spatial.transform import Rotation

from pointmap.eval.estimate import Estimate
from pointmap.eval.task import Task

COUNT, LOST = 21, 3
"""Photos, and the one that COLMAP did not register."""
SCALE = 0.25
"""Metres in a unit of the reference poses."""
HIDDEN = ("f_score", "precision", "recall")
"""The data set has no depths: its truth alone is no reconstruction; `perfect` is."""


def world() -> World:
    """The photos; its frame is that of the scan."""
    return photograph(COUNT, (24, 32), step_deg=3)


def cloud_from_colmap() -> np.ndarray:
    """The similarity of SCENE_trans.txt."""
    matrix = np.eye(4)
    matrix[:3, :3] = SCALE * Rotation.from_euler("xyz", [0.4, -0.7, 0.2]).as_matrix()
    matrix[:3, 3] = [1.0, -2.0, 0.5]
    return matrix


def write(root: Path) -> tuple[str, ...]:
    """One scene."""
    folder, made, moved = root / "Truck", world(), cloud_from_colmap()
    (folder / "images").mkdir(parents=True)
    lines = []
    for index, (image, pose) in enumerate(zip(made.images, made.world_from_cam, strict=True)):
        Image.fromarray(image).save(folder / "images" / f"{index + 1:06d}.jpg")
        colmap = np.linalg.inv(moved) @ pose
        colmap[:3, :3] *= SCALE
        if index == LOST:
            colmap = np.eye(4)
        lines.append(f"{index} {-1 if index == LOST else index} 0")
        lines += [" ".join(f"{value:.12f}" for value in row) for row in colmap]
    (folder / "Truck_COLMAP_SfM.log").write_text("\n".join([*lines, ""]))
    np.savetxt(folder / "Truck_trans.txt", moved, fmt="%.15g")
    trimesh.PointCloud(np.concatenate(made.points()).reshape(-1, 3)).export(folder / "Truck.ply")
    corners = [[-9.0, 0.0, -9.0], [9.0, 0.0, -9.0], [9.0, 0.0, 9.0], [-9.0, 0.0, 9.0]]
    crop = {"class_name": "SelectionPolygonVolume", "orthogonal_axis": "Y", "axis_min": -9.0, "axis_max": 9.0}
    (folder / "Truck.json").write_text(json.dumps(crop | {"bounding_polygon": corners}))
    return ("Truck",)


def perfect(task: Task) -> Estimate:
    """What the truth of the data set leaves out: depths and intrinsics of the photos of a task."""
    made = world()
    chosen = [int(photo.stem) - 1 for photo in task.inputs.photos]
    height, width = made.depths.shape[1:]
    return Estimate(
        made.world_from_cam[chosen],
        made.intrinsics[chosen],
        tuple(made.depths[chosen]),
        sizes=np.tile([width, height], (len(chosen), 1)),
    )
