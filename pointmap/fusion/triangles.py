"""A mesh as plain arrays, on which surfaces are cleaned, closed and simplified."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from pointmap.shapes import Bool, Float, Int

if TYPE_CHECKING:
    import trimesh


@dataclass(frozen=True, eq=False)
class Triangles:
    """Triangles that share vertices. The front of a face is where its corners run anticlockwise."""

    vertices: Float[np.ndarray, "n 3"]

    faces: Int[np.ndarray, "faces 3"]
    """Indices of vertices."""

    colors: Float[np.ndarray, "n 3"] | None = None
    """Per vertex, 0 to 255 (sRGB); None where the surface has none."""

    @classmethod
    def of(cls, mesh: "trimesh.Trimesh") -> "Triangles":
        """The arrays of a mesh; its colours if vertices have them."""
        look: Any = mesh.visual
        return cls(
            np.asarray(mesh.vertices, float),
            np.asarray(mesh.faces, np.int64).reshape(-1, 3),
            np.asarray(look.vertex_colors)[:, :3].astype(float) if look.kind == "vertex" else None,
        )

    def to_mesh(self) -> "trimesh.Trimesh":
        """With normals, which are means of the faces' around a vertex, weighted by area."""
        import trimesh

        normals = self.vertex_normals if len(self.faces) else None
        mesh = trimesh.Trimesh(self.vertices, self.faces, vertex_normals=normals, process=False)
        if self.colors is not None:
            colors = np.rint(np.clip(self.colors, 0, 255)).astype(np.uint8)
            mesh.visual = trimesh.visual.ColorVisuals(mesh, vertex_colors=colors)
        return mesh

    @cached_property
    def crosses(self) -> Float[np.ndarray, "faces 3"]:
        """Normals of the faces, twice as long as their area is large."""
        a, b, c = (self.vertices[self.faces[:, corner]] for corner in range(3))
        return np.cross(b - a, c - a)

    @property
    def areas(self) -> Float[np.ndarray, "faces"]:
        """In squared units of the vertices."""
        return np.linalg.norm(self.crosses, axis=1) / 2

    @property
    def vertex_normals(self) -> Float[np.ndarray, "n 3"]:
        """Unit, or zero where faces do not say."""
        total = np.stack(
            [
                np.bincount(self.faces.ravel(), np.repeat(self.crosses[:, axis], 3), len(self.vertices))
                for axis in range(3)
            ],
            axis=-1,
        )
        length = np.linalg.norm(total, axis=1, keepdims=True)
        return np.where(length > 0, total / np.where(length > 0, length, 1), 0)

    @cached_property
    def edge_length(self) -> float:
        """Median length of the edges; 0 without faces."""
        if len(self.faces) == 0:
            return 0.0
        corners = self.vertices[self.faces]
        return float(np.median(np.linalg.norm(corners - np.roll(corners, -1, axis=1), axis=-1)))

    def with_faces(self, faces: Int[np.ndarray, "_ 3"] | Bool[np.ndarray, "faces"]) -> "Triangles":
        """Other faces on the same vertices, of which those that no face uses are dropped.

        Args:
            faces: Triangles, or which of the present ones to keep.
        """
        if faces.dtype == bool:
            faces = self.faces[faces]
        used = np.zeros(len(self.vertices), bool)
        used[faces] = True
        return Triangles(
            self.vertices[used],
            (np.cumsum(used) - 1)[faces],
            None if self.colors is None else self.colors[used],
        )

    def with_copies(self, sources: Int[np.ndarray, "m"], faces: Int[np.ndarray, "_ 3"]) -> "Triangles":
        """Other faces, on vertices that are copies of these."""
        return Triangles(self.vertices[sources], faces, None if self.colors is None else self.colors[sources])
