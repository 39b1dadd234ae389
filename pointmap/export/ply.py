"""points.ply: the cloud for point tools, in the world frame of cameras.json."""

from pathlib import Path
from typing import Unpack

import numpy as np

from pointmap.atomic import write_bytes
from pointmap.scene import Keep, Scene

_VERTEX = [
    ("x", "<f4"),
    ("y", "<f4"),
    ("z", "<f4"),
    ("red", "u1"),
    ("green", "u1"),
    ("blue", "u1"),
    ("confidence", "<f4"),
]
_PLY_TYPES = {"<f4": "float", "u1": "uchar"}


def write_ply(
    scene: Scene,
    path: str | Path,
    *,
    max_points: int | None = None,
    seed: int = 0,
    **keep: Unpack[Keep],
) -> Path:
    """Write the cloud as a binary PLY with sRGB colours and confidences.

    The axes are the cameras' (x right, y down, z forward in the world frame), not turned as in .glb, so that points
    and `cameras.json` fit together.

    Args:
        max_points: More points are thinned out at random with `seed`; None keeps all.
        keep: See `Scene.masks`.
    """
    cloud = scene.point_cloud(max_points=max_points, seed=seed, **keep)
    vertices = np.empty(len(cloud.vertices), _VERTEX)
    vertices["x"], vertices["y"], vertices["z"] = np.asarray(cloud.vertices).T
    vertices["red"], vertices["green"], vertices["blue"] = np.asarray(cloud.colors)[:, :3].T
    vertices["confidence"] = cloud.metadata["confidence"]
    properties = [f"property {_PLY_TYPES[kind]} {name}" for name, kind in _VERTEX]
    header = [
        "ply",
        "format binary_little_endian 1.0",
        f"comment unit: {'metre' if scene.metric else 'arbitrary'}; x right, y down, z forward",
        f"element vertex {len(vertices)}",
        *properties,
        "end_header\n",
    ]
    return write_bytes(path, "\n".join(header).encode("ascii") + vertices.tobytes())
