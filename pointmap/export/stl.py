"""mesh.stl: a closed surface for printers."""

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np

from pointmap.atomic import write_bytes
from pointmap.errors import InputError
from pointmap.export.axes import gltf_from_world
from pointmap.export.parts import MeshParts
from pointmap.progress import ProgressCallback
from pointmap.scene import Keep, Scene

if TYPE_CHECKING:
    import trimesh

_PRINT_FROM_GLTF = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
"""Printers have z up."""


def write_stl(
    scene: Scene,
    path: str | Path,
    *,
    mesh: "trimesh.Trimesh | None" = None,
    watertight: bool = True,
    size_mm: float | None = None,
    target_faces: int = 200_000,
    progress: ProgressCallback | None = None,
    **keep: Unpack[Keep],
) -> Path:
    """Write the mesh as a binary STL, z up, in millimetres.

    Args:
        mesh: One that is there already (of `Scene.mesh`), which is written as it is, closed or not.
        watertight: Closed, as printers need it.
        size_mm: Longest side of its box; default life-size where the scene is metric, 100 otherwise.
        target_faces, progress, keep: See `Scene.mesh`.
    """
    import trimesh
    from trimesh.exchange.stl import export_stl

    if size_mm is not None and not size_mm > 0:
        raise InputError(f"size_mm is {size_mm}; give the longest side in millimetres, above 0.")
    if mesh is None:
        mesh = scene.mesh(watertight=watertight, target_faces=target_faces, progress=progress, **keep)
    parts = MeshParts.of(mesh, _PRINT_FROM_GLTF @ gltf_from_world(scene))
    scale = 1000.0
    if len(parts.faces) and (size_mm is not None or not scene.metric):
        side = float(np.ptp(parts.vertices, axis=0).max())
        scale = (size_mm or 100.0) / max(side, 1e-300)
    return write_bytes(path, export_stl(trimesh.Trimesh(scale * parts.vertices, parts.faces, process=False)))
