"""Fewer triangles for the same surface."""

import numpy as np

from pointmap.errors import InputError
from pointmap.fusion.manifold import half_edges, opposites
from pointmap.fusion.repair import repaired
from pointmap.fusion.triangles import Triangles
from pointmap.shapes import Float, Int

_CLOSE = 0.01
"""Share of the faces asked for by which there may be more or fewer, once walls at the borders are taken away."""
_TRIES = 4
_MOST_AROUND = 32


def simplified(mesh: Triangles, target_faces: int) -> Triangles:
    """About so many faces, by collapsing the edges first that are noticed least (Garland & Heckbert, SIGGRAPH 1997).

    Borders keep their course: walls stand on them meanwhile. Colours are means of those around the new vertices. What
    comes out is repaired again, since collapsing can make surfaces touch; what was closed stays closed.

    Args:
        mesh: A manifold.
        target_faces: A mesh that has no more of them stays as it is.

    Raises:
        InputError: No faces are asked for.
    """
    if target_faces < 1:
        raise InputError(f"target_faces is {target_faces}; give at least 1.")
    count = len(mesh.faces)
    if count <= target_faces:
        return mesh
    walled = _with_walls(mesh)
    # About as many of the walls as of the rest.
    target = round(target_faces * len(walled.faces) / count)
    for _ in range(_TRIES):
        vertices, became = _collapsed(walled, target)
        faces = became[mesh.faces]
        faces = faces[(faces != np.roll(faces, 1, axis=1)).all(axis=1)]
        if abs(len(faces) - target_faces) <= _CLOSE * target_faces or len(walled.faces) == count:
            break
        target = int(np.clip(target + target_faces - len(faces), 4, len(walled.faces)))
    colors = None if mesh.colors is None else _colors_at(vertices, mesh.vertices, mesh.colors)
    return repaired(Triangles(vertices, faces, colors))


def _colors_at(
    places: Float[np.ndarray, "m 3"], vertices: Float[np.ndarray, "n 3"], colors: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, "m 3"]:
    """Mean colours of the vertices around places, as many as there are to one."""
    from scipy.spatial import KDTree

    around = min(-(-len(vertices) // max(1, len(places))), _MOST_AROUND)
    _, nearest = KDTree(vertices).query(places, k=[*range(1, around + 1)])
    return colors[nearest].mean(axis=1)


def _with_walls(mesh: Triangles) -> Triangles:
    """On every border an upright wall, as high as edges are long: what bends the border would bend the wall."""
    start, end = half_edges(mesh.faces)
    border = opposites(mesh) < 0
    start, end = start[border], end[border]
    below = np.unique(start)
    above = np.full(len(mesh.vertices), -1)
    above[below] = len(mesh.vertices) + np.arange(len(below))
    top = mesh.vertices[below] + mesh.edge_length * mesh.vertex_normals[below]
    walls = np.concatenate([np.stack([end, start, above[start]], -1), np.stack([end, above[start], above[end]], -1)])
    return Triangles(np.concatenate([mesh.vertices, top]), np.concatenate([mesh.faces, walls]))


def _collapsed(mesh: Triangles, target_faces: int) -> tuple[Float[np.ndarray, "_ 3"], Int[np.ndarray, "n"]]:
    """The vertices of the simplified mesh, and which of them every vertex became; -1 where it belongs to no face."""
    import fast_simplification

    # Its tolerances are for edges of about length 1.
    centre, scale = mesh.vertices.mean(axis=0), mesh.edge_length
    vertices, _, collapses = fast_simplification.simplify(
        (mesh.vertices - centre) / scale,
        mesh.faces.astype(np.int32),
        target_count=target_faces,
        return_collapses=True,
    )
    became = np.arange(len(mesh.vertices))
    became[collapses[:, 1]] = collapses[:, 0]
    while (became[became] != became).any():
        became = became[became]
    faces = became[mesh.faces]
    used = np.zeros(len(became), bool)
    used[faces[(faces != np.roll(faces, 1, axis=1)).all(axis=1)]] = True
    assert used.sum() == len(vertices), "the vertices that are left keep their order"
    place = np.where(used, np.cumsum(used) - 1, -1)
    return vertices * scale + centre, place[became]
