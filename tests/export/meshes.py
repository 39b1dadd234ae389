"""Surfaces that stand in for those of a scene, so that tests of files need not wait for one."""

import numpy as np
import trimesh
from PIL import Image


def ball(*, textured: bool, detail: int = 2, texture: np.ndarray | None = None) -> trimesh.Trimesh:
    """A ball of radius 0.5 in front of the first camera, with a photo-like texture or vertex colours."""
    mesh = trimesh.creation.icosphere(subdivisions=detail, radius=0.5)
    x, y, z = mesh.vertices.T
    mesh.apply_translation([0.1, 0.2, 1.5])
    if not textured:
        levels = np.round(255 * np.stack([x + 0.5, y + 0.5, z + 0.5], axis=-1)).astype(np.uint8)
        mesh.visual = trimesh.visual.ColorVisuals(mesh, vertex_colors=levels)
        return mesh
    uv = np.stack([np.arctan2(x, z) / (2 * np.pi) + 0.5, np.arcsin(2 * y) / np.pi + 0.5], axis=-1)
    texture = photo_like(96, 160, noise=1) if texture is None else texture
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=Image.fromarray(texture))
    mesh.visual = trimesh.visual.TextureVisuals(uv=uv, material=material)
    return mesh


def photo_like(height: int, width: int, *, noise: float = 6.0) -> np.ndarray:
    """Smooth shades with a little noise, as in photos; left and right, top and bottom differ."""
    rng = np.random.default_rng(3)
    v, u = np.mgrid[:height, :width] / np.array([height, width])[:, None, None]
    shades = np.stack([60 + 150 * u, 40 + 180 * v, 128 + 90 * np.sin(9 * u * v)], axis=-1)
    return np.clip(shades + noise * rng.standard_normal(shades.shape), 0, 255).astype(np.uint8)


def use_mesh(monkeypatch, mesh: trimesh.Trimesh) -> None:
    """`Scene.mesh` gives a copy of this one, whatever is asked for."""
    monkeypatch.setattr("pointmap.surface.scene_mesh", lambda scene, **settings: mesh.copy())
