"""Meshes as pictures, drawn without a GPU: textured, in the colours of their vertices, or in grey under a lamp."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pointmap.fusion.triangles import Triangles
from pointmap.geometry.cameras import camera_rays
from pointmap.geometry.rasterize import Raster, rasterize
from pointmap.shapes import Float, UInt8

if TYPE_CHECKING:
    import trimesh

_LIGHT = np.array([-0.35, -0.25, -0.9]) / np.linalg.norm([-0.35, -0.25, -0.9])
_FINER = 2
"""Pixels drawn along the side of one that is shown."""
_FOCAL = 2.5
"""Of the cameras around a mesh, in image sizes: nearly parallel rays."""


def draw_mesh(
    mesh: "trimesh.Trimesh", path: Path, *, up: np.ndarray, sides: int = 4, pitch_deg: float = 15.0, size: int = 420
) -> None:
    """A row of views in the colours of the mesh, and below it the same in grey under a lamp.

    Args:
        up: Direction in the mesh's frame that points up in the picture.
    """
    cameras = [around(mesh, up, 360 * side / sides, pitch_deg) for side in range(sides)]
    K = np.array([[_FOCAL * size, 0, (size - 1) / 2], [0, _FOCAL * size, (size - 1) / 2], [0, 0, 1]])
    draw_views(mesh, path, [K] * sides, cameras, [(size, size)] * sides)


def draw_views(
    mesh: "trimesh.Trimesh",
    path: Path,
    intrinsics: Sequence[np.ndarray],
    world_from_cam: Sequence[np.ndarray],
    sizes: Sequence[tuple[int, int]],
) -> None:
    """As cameras see it: the upper row in the mesh's colours, the lower in grey. All sizes must be of one height."""
    from PIL import Image

    rows = [
        np.concatenate(
            [picture(mesh, *camera, grey=grey) for camera in zip(intrinsics, world_from_cam, sizes, strict=True)],
            axis=1,
        )
        for grey in (False, True)
    ]
    Image.fromarray(np.concatenate(rows)).save(path)


def picture(
    mesh: "trimesh.Trimesh",
    intrinsics: Float[np.ndarray, "3 3"],
    world_from_cam: Float[np.ndarray, "4 4"],
    size: tuple[int, int],
    *,
    grey: bool = False,
) -> UInt8[np.ndarray, "height width 3"]:
    """What a camera sees of a mesh, from both sides of its faces, before white.

    Args:
        intrinsics: Pinhole K in pixels of the picture.
        size: Width and height.
        grey: Shaded under a lamp behind the camera's left shoulder, instead of coloured; backs of faces are brownish.
    """
    shift = np.array([[_FINER, 0, (_FINER - 1) / 2], [0, _FINER, (_FINER - 1) / 2], [0, 0, 1]])
    cam_from_world = np.linalg.inv(world_from_cam)
    local = np.asarray(mesh.vertices) @ cam_from_world[:3, :3].T + cam_from_world[:3, 3]
    K = torch.tensor(shift @ intrinsics, dtype=torch.float64)
    raster = rasterize(
        torch.tensor(local, dtype=torch.float64),
        torch.tensor(np.array(mesh.faces), dtype=torch.int64),
        K,
        (_FINER * size[0], _FINER * size[1]),
    )
    values = _shaded(mesh, raster, K, cam_from_world) if grey else _colored(mesh, raster)
    shown = (raster.faces >= 0).numpy()
    image = np.where(shown[..., None], values, 255.0)
    width, height = size
    return np.rint(image.reshape(height, _FINER, width, _FINER, 3).mean(axis=(1, 3))).clip(0, 255).astype(np.uint8)


def around(mesh: "trimesh.Trimesh", up: np.ndarray, yaw_deg: float, pitch_deg: float) -> Float[np.ndarray, "4 4"]:
    """Pose of a camera that sees all of a mesh from some side and looks down on it; for a focal of `_FOCAL`."""
    low, high = np.nanmin(mesh.vertices, axis=0), np.nanmax(mesh.vertices, axis=0)
    rotation = _looking(up, np.radians(yaw_deg), np.radians(pitch_deg))
    world_from_cam = np.eye(4)
    world_from_cam[:3, :3] = rotation.T
    world_from_cam[:3, 3] = (low + high) / 2 - rotation[2] * (1.1 * _FOCAL * np.linalg.norm(high - low))
    return world_from_cam


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


def _colored(mesh: "trimesh.Trimesh", raster: Raster) -> np.ndarray:
    look: Any = mesh.visual
    if look.kind != "texture":
        corners = torch.tensor(np.array(look.vertex_colors)[:, :3][mesh.faces], dtype=torch.float32)
        return raster.interpolate(corners).numpy()
    import cv2

    texture = np.asarray(look.material.baseColorTexture.convert("RGB"))
    height, width = texture.shape[:2]
    uv = raster.interpolate(torch.tensor(np.array(look.uv)[mesh.faces], dtype=torch.float32)).numpy()
    x, y = uv[..., 0] * width - 0.5, (1 - uv[..., 1]) * height - 0.5
    return cv2.remap(texture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(float)


def _shaded(mesh: "trimesh.Trimesh", raster: Raster, K: torch.Tensor, cam_from_world: np.ndarray) -> np.ndarray:
    surface = Triangles.of(mesh)
    rotation = cam_from_world[:3, :3]
    normal = raster.interpolate(torch.tensor(np.repeat(surface.crosses[:, None], 3, axis=1) @ rotation.T)).numpy()
    smooth = raster.interpolate(torch.tensor(surface.vertex_normals[surface.faces] @ rotation.T)).numpy()
    height, width = raster.faces.shape
    rays = camera_rays(height, width, K).numpy()
    back = (normal * rays).sum(axis=-1) > 0
    shade = 0.25 + 0.75 * np.clip(np.where(back, -1, 1) * (smooth @ _LIGHT), 0, 1)
    return shade[..., None] * np.where(back[..., None], [200.0, 150.0, 120.0], [210.0, 210.0, 210.0])
