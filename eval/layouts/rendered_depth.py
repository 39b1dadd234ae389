"""Depth maps of a reference surface, for data sets that come with a mesh and without depth."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from pointmap.atomic import atomic_path
from pointmap.errors import InputError


def rendered(
    mesh: Path,
    intrinsics: np.ndarray,
    world_from_cam: np.ndarray,
    photo_size: tuple[int, int],
    kept: Path,
    *,
    width: int,
) -> Callable[[], np.ndarray]:
    """Reader of the depth that a photo has of a surface, rendered when it is first read.

    Args:
        mesh: A file that trimesh opens, in the world frame.
        intrinsics: (3, 3) pinhole K in pixels of the photo.
        photo_size: Width and height.
        kept: An .npz file that keeps the map between runs. Its name must tell photos and sizes apart.
        width: Of the map, if the photo is not smaller; it covers the whole photo.
    """

    def read() -> np.ndarray:
        if kept.is_file():
            try:
                with np.load(kept) as content:
                    return content["depth"]
            except (OSError, ValueError, KeyError):
                kept.unlink()
        scale = min(1.0, width / photo_size[0])
        size = (max(1, round(photo_size[0] * scale)), max(1, round(photo_size[1] * scale)))
        factors = np.array(size) / photo_size
        K = np.array(intrinsics, np.float64)
        K[:2] *= factors[:, None]
        K[:2, 2] += (factors - 1) / 2
        depth = _render(mesh, K, world_from_cam, size)
        with atomic_path(kept) as temporary, temporary.open("wb") as stream:
            np.savez_compressed(stream, depth=depth)
        return depth

    return read


def surface_samples(mesh: Path, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(n, 3) vertices drawn from a mesh, and their unit normals as the faces' orientation has them."""
    vertices, faces = _mesh(str(mesh), mesh.stat().st_mtime_ns)
    corners = vertices[faces]
    normals = np.zeros_like(vertices)
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    for corner in range(3):
        np.add.at(normals, faces[:, corner], across)
    lengths = np.linalg.norm(normals, axis=-1)
    candidates = np.flatnonzero(lengths > 0)
    if len(candidates) > count:
        candidates = np.random.default_rng(seed).choice(candidates, count, replace=False)
    return vertices[candidates], normals[candidates] / lengths[candidates, None]


def _render(mesh: Path, K: np.ndarray, world_from_cam: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    import torch

    from pointmap.geometry.rasterize import rasterize

    vertices, faces = _mesh(str(mesh), mesh.stat().st_mtime_ns)
    cam_from_world = np.linalg.inv(world_from_cam)
    points = vertices @ cam_from_world[:3, :3].T + cam_from_world[:3, 3]
    raster = rasterize(torch.from_numpy(points), torch.from_numpy(faces), torch.from_numpy(K), size, near=0.02)
    return raster.depth.numpy().astype(np.float32)


@lru_cache(maxsize=1)
def _mesh(path: str, changed: int) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and faces. One scene's photos follow each other, so one mesh is kept."""
    import trimesh

    try:
        loaded: Any = trimesh.load(path, process=False, force="mesh")
        vertices, faces = np.array(loaded.vertices, np.float64), np.array(loaded.faces, np.int64)
    except Exception as error:  # trimesh has no error of its own: a damaged file may raise anything
        raise InputError(f"Cannot read the surface {path!r}: {type(error).__name__}: {error}") from error
    if len(faces) == 0:
        raise InputError(f"The surface {path!r} has no faces.")
    return vertices, faces
