"""points.ply: the cloud, or the mesh, for point tools, in the world frame of cameras.json."""

from pathlib import Path
from typing import Unpack

import numpy as np

from pointmap.atomic import write_bytes
from pointmap.export.parts import MeshParts
from pointmap.progress import ProgressCallback
from pointmap.scene import Keep, Scene

_POINT = [
    *((name, "<f4") for name in ("x", "y", "z", "nx", "ny", "nz")),
    *((name, "u1") for name in ("red", "green", "blue")),
]
_FACE = [("count", "u1"), ("vertex_indices", "<i4", 3)]
_PLY_TYPES = {"<f4": "float", "u1": "uchar", "<i4": "int"}


def write_ply(
    scene: Scene,
    path: str | Path,
    *,
    mesh: bool = False,
    max_points: int | None = None,
    target_faces: int = 200_000,
    seed: int = 0,
    progress: ProgressCallback | None = None,
    **keep: Unpack[Keep],
) -> Path:
    """Write the cloud as a binary PLY with normals, sRGB colours and confidences.

    The axes are the cameras' (x right, y down, z forward in the world frame), not turned as in .glb, so that points
    and `cameras.json` fit together. Normals are those of the depth maps, on the side of the camera that saw the point.

    Args:
        mesh: The mesh with vertex colours instead, without confidences.
        max_points: More points are thinned out evenly; None keeps all.
        target_faces: Of the mesh.
        seed: Of the thinning.
        progress: Called with (stage, done, total) while the mesh is made.
        keep: See `Scene.masks`.
    """
    if mesh:
        parts = MeshParts.of(scene.mesh(target_faces=target_faces, progress=progress, **keep))
        assert parts.colors is not None
        vertices = _vertices(parts.vertices, parts.normals, parts.colors, [])
        faces = np.empty(len(parts.faces), _FACE)
        faces["count"], faces["vertex_indices"] = 3, parts.faces
        elements = [*_element("vertex", vertices), f"element face {len(faces)}"]
        return _write(scene, path, [*elements, "property list uchar int vertex_indices"], [vertices, faces])
    cloud = scene.point_cloud(max_points=max_points, seed=seed, **keep)
    colors = np.asarray(cloud.colors)[:, :3]
    points = _vertices(np.asarray(cloud.vertices), cloud.metadata["normal"], colors, [("confidence", "<f4")])
    points["confidence"] = cloud.metadata["confidence"]
    return _write(scene, path, _element("vertex", points), [points])


def _vertices(
    positions: np.ndarray, normals: np.ndarray, colors: np.ndarray, more: list[tuple[str, str]]
) -> np.ndarray:
    table = np.empty(len(positions), _POINT + more)
    values = np.split(positions, 3, axis=1) + np.split(normals, 3, axis=1) + np.split(colors, 3, axis=1)
    for (name, _), column in zip(_POINT, values, strict=True):
        table[name] = column[:, 0]
    return table


def _element(name: str, table: np.ndarray) -> list[str]:
    """Lines of the header that say what a table of plain columns holds."""
    assert table.dtype.names is not None
    columns = [(_PLY_TYPES[table.dtype[column].str.replace("|", "")], column) for column in table.dtype.names]
    return [f"element {name} {len(table)}", *(f"property {kind} {column}" for kind, column in columns)]


def _write(scene: Scene, path: str | Path, elements: list[str], tables: list[np.ndarray]) -> Path:
    header = [
        "ply",
        "format binary_little_endian 1.0",
        f"comment unit: {'metre' if scene.metric else 'arbitrary'}; x right, y down, z forward",
        *elements,
        "end_header\n",
    ]
    return write_bytes(path, "\n".join(header).encode("ascii") + b"".join(table.tobytes() for table in tables))
