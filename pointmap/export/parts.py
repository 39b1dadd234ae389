"""A mesh as plain arrays, as files hold it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from pointmap.geometry.normals import vertex_normals
from pointmap.progress import ProgressCallback
from pointmap.scene import Keep
from pointmap.shapes import Float, Int, UInt8

if TYPE_CHECKING:
    import trimesh


class MeshSettings(Keep, total=False):
    """What files that hold nothing but a mesh hand on to `Scene.mesh`, which explains it."""

    watertight: bool
    target_faces: int
    texture_size: int
    progress: ProgressCallback | None


@dataclass(frozen=True)
class MeshParts:
    """Vertices and faces, with a texture or with one colour per vertex."""

    vertices: Float[np.ndarray, "n 3"]

    faces: Int[np.ndarray, "m 3"]

    normals: Float[np.ndarray, "n 3"]
    """Unit vectors; vertices at one place share theirs."""

    colors: UInt8[np.ndarray, "n 3"] | None = None
    """sRGB."""

    texture_coordinates: Float[np.ndarray, "n 2"] | None = None
    """From 0 to 1, the origin at the bottom left."""

    texture: UInt8[np.ndarray, "h w 3"] | None = None
    """sRGB."""

    @classmethod
    def of(cls, mesh: "trimesh.Trimesh", to_from_mesh: Float[np.ndarray, "4 4"] | None = None) -> "MeshParts":
        """The parts of a mesh of `Scene.mesh`, without faces that are no triangles and vertices that no face needs.

        Args:
            to_from_mesh: A rigid change of axes.
        """
        from trimesh.visual import TextureVisuals

        vertices, faces = np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces, np.int64).reshape(-1, 3)
        flat = (faces == np.roll(faces, 1, axis=1)).any(axis=1)
        faces = faces[~flat & np.isfinite(vertices[faces]).all(axis=(1, 2))]
        used, indices = np.unique(faces, return_inverse=True)
        vertices, faces = vertices[used], indices.reshape(-1, 3)
        if to_from_mesh is not None:
            vertices = vertices @ to_from_mesh[:3, :3].T + to_from_mesh[:3, 3]
        normals = vertex_normals(torch.from_numpy(vertices), torch.from_numpy(faces)).numpy()
        look = mesh.visual
        if isinstance(look, TextureVisuals):
            image = np.asarray(_texture_of(look).convert("RGB"))
            uv = np.asarray(look.uv, np.float64)[used]
            return cls(vertices, faces, normals, texture_coordinates=uv, texture=image)
        assert look is not None
        return cls(vertices, faces, normals, colors=np.asarray(look.vertex_colors, np.uint8)[used, :3])


def _texture_of(look: "trimesh.visual.TextureVisuals"):  # type: ignore[no-untyped-def]
    """The image of a PBR or a simple material."""
    image = getattr(look.material, "baseColorTexture", None)
    return image if image is not None else look.material.image
