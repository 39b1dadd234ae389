"""Surfaces known in closed form, as triangles."""

import numpy as np

from pointmap.fusion.triangles import Triangles


def ball(subdivisions: int = 4) -> Triangles:
    """Radius 1 around the origin; colours go with the place: (x, y, z) from -1 to 1 are 0 to 250."""
    from trimesh.creation import icosphere

    mesh = icosphere(subdivisions=subdivisions)
    return Triangles(np.array(mesh.vertices), np.array(mesh.faces, np.int64), 125 * (mesh.vertices + 1))


def ball_with_hole(radius: float, subdivisions: int = 4) -> Triangles:
    """Without what is nearer than this to the pole (0, 0, 1)."""
    whole = ball(subdivisions)
    far = np.linalg.norm(whole.vertices - [0, 0, 1], axis=1) > radius
    return whole.with_faces(far[whole.faces].all(axis=1))


def sheet(rows: int = 30, columns: int = 40) -> Triangles:
    """In the plane z = 0, one unit between vertices, looking along +z."""
    y, x = np.mgrid[:rows, :columns]
    number = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, 1:], number[1:, :-1]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    vertices = np.stack([x, y, np.zeros_like(x)], axis=-1).reshape(-1, 3).astype(float)
    return Triangles(vertices, faces, np.stack([6 * vertices[:, 0]] * 3, axis=-1))


def together(*parts: Triangles) -> Triangles:
    """Side by side in one mesh, without colours."""
    starts = np.cumsum([0, *(len(part.vertices) for part in parts)])
    faces = [part.faces + start for part, start in zip(parts, starts, strict=False)]
    return Triangles(np.concatenate([part.vertices for part in parts]), np.concatenate(faces))


def moved(mesh: Triangles, offset: tuple[float, float, float], size: float = 1.0) -> Triangles:
    """Scaled, then moved."""
    return Triangles(size * mesh.vertices + np.array(offset), mesh.faces, mesh.colors)
