"""cameras.json: intrinsics and poses for other programs, in pixels of the original photos."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pointmap.atomic import write_bytes
from pointmap.export.plain_json import json_bytes
from pointmap.geometry.transforms import invert_rigid
from pointmap.scene import Scene

CONVENTION = (
    "OpenCV camera: x right, y down, z forward. cam_from_world is a row-major 4x4 that maps homogeneous world points "
    "into the camera frame; null where a photo could not be registered. Pixel centres lie at integer coordinates "
    "(top-left pixel centre is (0,0)); width and height are of the upright photo."
)


def cameras_dict(scene: Scene) -> dict[str, Any]:
    """The content of cameras.json: per photo file, width, height, fx, fy, cx, cy, distortion, cam_from_world."""
    images = [
        camera_entry(
            name,
            scene.image_sizes[index],
            scene.intrinsics[index],
            scene.world_from_cam[index] if scene.registered[index] else None,
            None if scene.distortion is None else scene.distortion[index],
        )
        for index, name in enumerate(scene.names)
    ]
    return cameras_file(images, metric=scene.metric)


def cameras_file(images: list[dict[str, Any]], *, metric: bool) -> dict[str, Any]:
    """The content of such a file, from its entries."""
    return {"convention": CONVENTION, "world_unit": "metre" if metric else "arbitrary", "images": images}


def camera_entry(
    name: str,
    size: Sequence[int] | np.ndarray,
    K: np.ndarray,
    world_from_cam: np.ndarray | None,
    distortion: np.ndarray | None = None,
) -> dict[str, Any]:
    """One photo; without a pose where it could not be registered. Distortion is OpenCV's k1, k2, p1, p2, k3."""
    cam_from_world = None
    if world_from_cam is not None:
        cam_from_world = invert_rigid(torch.from_numpy(np.asarray(world_from_cam, np.float64))).tolist()
    lens = None
    if distortion is not None and distortion.any():
        lens = {"model": "opencv", **dict(zip(("k1", "k2", "p1", "p2", "k3"), distortion.tolist(), strict=True))}
    return {"file": name, **pinhole_entry(size, K), "distortion": lens, "cam_from_world": cam_from_world}


def pinhole_entry(size: Sequence[int] | np.ndarray, K: np.ndarray) -> dict[str, int | float]:
    """A camera without its place, as the JSON files write it, from its (width, height) and 3x3 intrinsics in pixels."""
    return {
        "width": int(size[0]),
        "height": int(size[1]),
        "fx": float(K[0, 0]),
        "fy": float(K[1, 1]),
        "cx": float(K[0, 2]),
        "cy": float(K[1, 2]),
    }


def write_cameras(scene: Scene, path: str | Path) -> Path:
    """Write cameras.json; the inverse of the poses in the scene, and one entry per photo in its order."""
    return write_bytes(path, json_bytes(cameras_dict(scene)))
