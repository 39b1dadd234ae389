"""A scene of ScanNet++ whose surface is a finely meshed room."""

import json
from pathlib import Path

import numpy as np
from miniature_world import World, photograph
from PIL import Image

from miniatures.seen_room import seen_room

SCENE = "acd95847c5"
COUNT = 12
SIZE = (48, 72)
TOLERANCE = {"f_score": 0.005, "precision": 0.005, "recall": 0.005, "accuracy": 0.01, "completion": 0.01}
"""Both clouds are thinned out to a point in 2 cm, which are not the same ones."""


def world() -> World:
    """Photo DSC00010 and those after it; DSC00014 is bad."""
    return photograph(COUNT, SIZE, step_deg=6)


def photo_name(index: int) -> str:
    return f"DSC{index + 10:05d}.JPG"


def write(root: Path) -> tuple[str, ...]:
    """Photos, transforms, COLMAP's images (in another order) and the mesh."""
    truth = world()
    dslr = root / "data" / SCENE / "dslr"
    for name in ("resized_undistorted_images", "nerfstudio", "colmap"):
        (dslr / name).mkdir(parents=True)
    (root / "data" / SCENE / "scans").mkdir()
    seen_room(truth).export(root / "data" / SCENE / "scans/mesh_aligned_0.05.ply")
    K = truth.intrinsics[0]
    frames = []
    lines = ["# Image list with two lines of data per image:"]
    for index in reversed(range(COUNT)):
        Image.fromarray(truth.images[index]).save(
            dslr / "resized_undistorted_images" / photo_name(index), format="JPEG", quality=95
        )
        frames.append({"file_path": photo_name(index), "is_bad": index == 4, "transform_matrix": np.eye(4).tolist()})
        cam_from_world = truth.cam_from_world[index]
        numbers = [*_quaternion(cam_from_world[:3, :3]), *cam_from_world[:3, 3]]
        lines += [f"{index + 1} {' '.join(map(repr, map(float, numbers)))} 1 {photo_name(index)}", "3.5 4.5 -1"]
    (dslr / "colmap/images.txt").write_text("\n".join(lines) + "\n")
    camera = {"w": SIZE[1], "h": SIZE[0], "fl_x": K[0, 0], "fl_y": K[1, 1], "cx": K[0, 2] + 0.5, "cy": K[1, 2] + 0.5}
    transforms = {**camera, "camera_model": "PINHOLE", "frames": frames, "test_frames": []}
    (dslr / "nerfstudio/transforms_undistorted.json").write_text(json.dumps(transforms))
    return (SCENE,)


def _quaternion(rotation: np.ndarray) -> np.ndarray:
    """w, x, y, z: the eigenvector of the rotation's symmetric 4x4 form (Bar-Itzhack 2000)."""
    (a, b, c), (d, e, f), (g, h, i) = rotation
    form = np.array(
        [[a + e + i, h - f, c - g, d - b], [0, a - e - i, b + d, c + g], [0, 0, e - a - i, f + h], [0, 0, 0, i - a - e]]
    )
    return np.linalg.eigh(form + np.triu(form, 1).T)[1][:, -1]
