"""splats.ply: the cloud as 3D Gaussians, in the layout of Kerbl et al. 2023, for splat viewers and trainers."""

from pathlib import Path
from typing import Unpack

import numpy as np
import torch

from pointmap.atomic import write_bytes
from pointmap.errors import InputError
from pointmap.geometry.rotations import quaternion_from_rotation
from pointmap.scene import Keep, Scene
from pointmap.shapes import Float

_SH_C0 = 0.28209479177387814
"""The constant spherical harmonic, sqrt(1 / (4 pi))."""

_WIDTH = 0.6
"""Standard deviation along the surface, in distances to the next point: the least without gaps between opaque discs."""

_FLATNESS = 0.2
"""Standard deviation across the surface, as a part of that along it."""

_LONGEST = 4.0
"""A surface seen at a grazing angle has its pixels up to so many times farther apart."""


def write_splats(
    scene: Scene,
    path: str | Path,
    *,
    max_points: int | None = None,
    opacity: float = 0.9,
    sh_degree: int = 0,
    seed: int = 0,
    **keep: Unpack[Keep],
) -> Path:
    """Write one Gaussian per point: a disc on the surface, as large as the pixel that saw it, in its colour.

    They are in the world frame of cameras.json and of the COLMAP export, so that a trainer can go on from them.

    Args:
        max_points: More points are thinned out evenly, and the discs grow; None keeps all.
        opacity: Of every Gaussian, between 0 and 1; trainers start from 0.1.
        sh_degree: Colours that depend on the direction, 0 to 3, have room up to this degree, and start as zeros. The
            loader of the original code wants 3, which makes the file nearly four times as large.
        seed: Of the thinning.
        keep: See `Scene.masks`.
    """
    if not 0 < opacity < 1:
        raise InputError(f"opacity is {opacity}; give a number between 0 and 1.")
    if sh_degree not in (0, 1, 2, 3):
        raise InputError(f"sh_degree is {sh_degree}; choose 0, 1, 2 or 3.")
    cloud = scene.point_cloud(max_points=max_points, seed=seed, **keep)
    points, normals = np.asarray(cloud.vertices), cloud.metadata["normal"].astype(np.float64)
    spacing = cloud.metadata["spacing"].astype(np.float64)
    if len(points) == max_points:
        spacing *= np.sqrt(sum(int(mask.sum()) for mask in scene.masks(**keep)) / max_points)
    ahead = points - scene.world_from_cam[cloud.metadata["photo"], :3, 3]
    rotations, stretch = _discs(normals, ahead)
    along = _WIDTH * spacing
    quaternions = quaternion_from_rotation(torch.from_numpy(rotations)).numpy()
    zeros = [np.zeros(len(points), np.float32)] * 3 * ((sh_degree + 1) ** 2 - 1)
    columns = {
        **dict(zip(("x", "y", "z"), points.T, strict=True)),
        **dict(zip(("nx", "ny", "nz"), normals.T, strict=True)),
        **{f"f_dc_{i}": (np.asarray(cloud.colors)[:, i] / 255 - 0.5) / _SH_C0 for i in range(3)},
        **{f"f_rest_{i}": zero for i, zero in enumerate(zeros)},
        "opacity": np.full(len(points), np.log(opacity / (1 - opacity))),
        "scale_0": np.log(along * stretch),
        "scale_1": np.log(along),
        "scale_2": np.log(along * _FLATNESS),
        **{f"rot_{i}": quaternions[:, part] for i, part in enumerate((3, 0, 1, 2))},  # w first
    }
    table = np.empty(len(points), [(name, "<f4") for name in columns])
    for name, values in columns.items():
        table[name] = values
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(table)}"]
    header += [*(f"property float {name}" for name in columns), "end_header\n"]
    return write_bytes(path, "\n".join(header).encode("ascii") + table.tobytes())


def _discs(
    normals: Float[np.ndarray, "n 3"], ahead: Float[np.ndarray, "n 3"]
) -> tuple[Float[np.ndarray, "n 3 3"], Float[np.ndarray, "n"]]:
    """Axes of the discs (columns: where the surface falls away from the camera, level, normal), and how much farther
    apart pixels are along the first axis than along the second.
    """
    ahead = ahead / np.linalg.norm(ahead, axis=1, keepdims=True).clip(1e-300)
    cosine = (normals * ahead).sum(axis=1, keepdims=True)
    away = ahead - cosine * normals
    # Where the camera looks straight at the surface, any direction will do.
    other = np.eye(3)[np.abs(normals).argmin(axis=1)]
    other -= (other * normals).sum(axis=1, keepdims=True) * normals
    away = np.where(np.linalg.norm(away, axis=1, keepdims=True) > 1e-3, away, other)
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    axes = np.stack([away, np.cross(normals, away), normals], axis=-1)
    return axes, 1 / np.abs(cosine[:, 0]).clip(1 / _LONGEST)
