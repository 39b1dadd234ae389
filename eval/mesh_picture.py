"""A mesh as seen from a few sides, drawn without a GPU: dense points on it, the nearest in front."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import trimesh

_POINTS_PER_PIXEL = 6
_LIGHT = np.array([-0.4, -0.7, -0.6]) / np.linalg.norm([-0.4, -0.7, -0.6])


def draw_mesh(
    mesh: "trimesh.Trimesh", path: Path, *, up: np.ndarray, sides: int = 4, pitch_deg: float = 15.0, size: int = 420
) -> None:
    """A row of views in the colours of the vertices, and below it the same in grey under a lamp.

    Args:
        up: Direction in the mesh's frame that points up in the picture.
    """
    import trimesh
    from PIL import Image

    points, faces = trimesh.sample.sample_surface(mesh, _POINTS_PER_PIXEL * size * size, seed=0)
    corners = mesh.vertices[mesh.faces[faces]]
    weights = trimesh.triangles.points_to_barycentric(corners, points)
    colors = np.einsum("nk,nkc->nc", weights, mesh.visual.vertex_colors[mesh.faces[faces]][..., :3].astype(float))
    normals = mesh.face_normals[faces]
    low, high = mesh.bounds
    points = (points - (low + high) / 2) / (0.55 * np.linalg.norm(high - low))
    rows: list[list[np.ndarray]] = [[], []]
    for side in range(sides):
        rotation = _looking(up, 2 * np.pi * side / sides, np.radians(pitch_deg))
        local, facing = points @ rotation.T, normals @ rotation.T
        shade = 0.25 + 0.75 * np.clip(facing @ _LIGHT, 0, 1)
        rows[0].append(_splatted(local, colors, size))
        rows[1].append(_splatted(local, np.repeat(210 * shade[:, None], 3, axis=1), size))
    Image.fromarray(np.concatenate([np.concatenate(row, axis=1) for row in rows])).save(path)


def _looking(up: np.ndarray, yaw: float, pitch: float) -> np.ndarray:
    """Rotation to a camera (x right, y down, z forward) that looks horizontally, then down."""
    y = -np.asarray(up, float) / np.linalg.norm(up)
    x = np.cross(y, [0.0, 0.3, 1.0])
    x /= np.linalg.norm(x)
    level = np.stack([x, y, np.cross(x, y)])
    c, s = np.cos(yaw), np.sin(yaw)
    turned = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]) @ level
    c, s = np.cos(pitch), np.sin(pitch)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) @ turned


def _splatted(local: np.ndarray, colors: np.ndarray, size: int) -> np.ndarray:
    pixels = np.clip(np.rint((local[:, :2] + 1) / 2 * size), 0, size - 1).astype(int)
    # The last one written to a pixel stays.
    order = np.argsort(-local[:, 2], kind="stable")
    image = np.full((size, size, 3), 255, np.uint8)
    image[pixels[order, 1], pixels[order, 0]] = colors[order].clip(0, 255).astype(np.uint8)
    return image
