"""Surfaces as other steps expect them: finite, without slivers and double faces, a manifold, in pieces worth having."""

import numpy as np

from pointmap.fusion.manifold import half_edges, pieces, without_junctions
from pointmap.fusion.triangles import Triangles
from pointmap.shapes import Int, Shaped

_SAME = 1e-6
"""Vertices that are nearer than this, in lengths of an edge, are one."""
_FLAT = 1e-6
"""A face whose height is less than this, in lengths of its longest side, is none."""
_ROUNDS = 5


def repaired(mesh: Triangles) -> Triangles:
    """A manifold of proper faces, perhaps with borders.

    Faces with vertices that are not finite go; vertices in one place become one; of faces that are there twice one
    stays, and two that lie back to back go; faces without area become part of their neighbours; surfaces that touch are
    taken apart; vertices without faces go. What was closed stays closed.
    """
    mesh = mesh.with_faces(np.isfinite(mesh.vertices).all(axis=1)[mesh.faces].all(axis=1))
    mesh = _merged(mesh)
    mesh = mesh.with_faces(_without_doubles(mesh.faces))
    mesh = mesh.with_faces(_without_flat(mesh))
    return without_junctions(mesh)


def large_pieces(mesh: Triangles, least_share: float) -> Triangles:
    """What hangs together and has at least this share of the area of the largest such piece."""
    if len(mesh.faces) == 0:
        return mesh
    piece = pieces(mesh)
    area = np.bincount(piece, mesh.areas)
    return mesh.with_faces((area >= least_share * area.max())[piece])


def _merged(mesh: Triangles) -> Triangles:
    """Vertices in one place become the first of them."""
    size = _SAME * mesh.edge_length
    if size == 0:
        return mesh
    first, group = _groups(np.rint(mesh.vertices / size))
    return mesh if len(first) == len(mesh.vertices) else mesh.with_faces(first[group][mesh.faces])


def _without_doubles(faces: Int[np.ndarray, "_ 3"]) -> Int[np.ndarray, "_ 3"]:
    """Faces of three different vertices, at most one for any three.

    It is the first that looks to the side to which most of them do; where it is a draw, there is none.
    """
    faces = faces[(faces != np.roll(faces, 1, axis=1)).all(axis=1)]
    first, group = _groups(np.sort(faces, axis=1))
    if len(first) == len(faces):
        return faces
    smallest = faces.argmin(axis=1)[:, None]
    turned = np.take_along_axis(faces, (smallest + np.arange(3)) % 3, axis=1)
    side = np.where(turned[:, 1] < turned[:, 2], 1, -1)
    candidates = np.flatnonzero(np.sign(np.bincount(group, side))[group] == side)
    _, first = np.unique(group[candidates], return_index=True)
    return faces[np.sort(candidates[first])]


def _without_flat(mesh: Triangles) -> Int[np.ndarray, "_ 3"]:
    """Faces without those that have no height.

    Such a face and its neighbour at its longest side are a quadrangle, which is cut the other way round: no gap opens.
    """
    faces = mesh.faces
    for _ in range(_ROUNDS):
        corners = mesh.vertices[faces]
        length = np.linalg.norm(np.roll(corners, -1, axis=1) - corners, axis=-1)
        flat = np.flatnonzero(2 * Triangles(mesh.vertices, faces).areas <= _FLAT * length.max(axis=1, initial=0) ** 2)
        if len(flat) == 0:
            break
        faces = _without_doubles(_turned_into_neighbours(faces, flat, length[flat].argmax(axis=1)))
    return faces


def _turned_into_neighbours(
    faces: Int[np.ndarray, "_ 3"], flat: Int[np.ndarray, "flat"], longest: Int[np.ndarray, "flat"]
) -> Int[np.ndarray, "_ 3"]:
    """Flat faces (a, b, c) and their neighbours (b, a, d) become (a, d, c) and (d, b, c); without neighbour they go."""
    start, end = half_edges(faces)
    sides = dict(zip(zip(start.tolist(), end.tolist(), strict=True), range(len(start)), strict=True))
    faces = faces.copy()
    gone: set[int] = set()
    changed: set[int] = set()
    for face, corner in zip(flat.tolist(), longest.tolist(), strict=True):
        a, b, c = np.roll(faces[face], -corner).tolist()
        other = sides.get((b, a), -1) // 3
        if other < 0:
            gone.add(face)
        elif not {face, other} & (changed | gone):
            d = int(faces[other].sum()) - a - b
            faces[face], faces[other] = (a, d, c), (d, b, c)
            changed |= {face, other}
    return np.delete(faces, sorted(gone), axis=0)


def _groups(rows: Shaped[np.ndarray, "n k"]) -> tuple[Int[np.ndarray, "groups"], Int[np.ndarray, "n"]]:
    """Equal rows belong to one group: the first row of every group, and the group of every row."""
    order = np.lexsort(rows.T)
    new = np.ones(len(rows), bool)
    new[1:] = (rows[order][1:] != rows[order][:-1]).any(axis=1)
    group = np.empty(len(rows), np.int64)
    group[order] = np.cumsum(new) - 1
    return order[new], group
