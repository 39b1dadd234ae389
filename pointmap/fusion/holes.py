"""Holes of a surface filled, smoothly and in the colours around them."""

import numpy as np

from pointmap.fusion.manifold import border_loops, edge_keys, half_edges, pieces
from pointmap.fusion.polygons import triangulated
from pointmap.fusion.triangles import Triangles
from pointmap.shapes import Bool, Float, Int

_LONG = 1.5
"""Edges within a filling that are so much longer than those around the hole are halved."""
_HALVINGS = 8
_OUTLINE = 1.5
"""A piece smaller than so many discs as long around as its border is a patch with an outline, not one with a hole."""


def fill_holes(mesh: Triangles, max_length: float) -> Triangles:
    """Fill the holes of a manifold that are not longer around than `max_length`, in units of the vertices.

    The fillings continue the surface around them as a thin plate does; their colours go evenly from border to border.
    The outlines of patches are no holes.
    """
    loops = [loop for loop in border_loops(mesh) if len(loop) > 2]
    lengths = [
        np.linalg.norm(np.diff(mesh.vertices[loop], axis=0, append=mesh.vertices[loop[:1]]), axis=1) for loop in loops
    ]
    outlines = _outlines(mesh, loops, [length.sum() for length in lengths])
    taken = [i for i, length in enumerate(lengths) if length.sum() <= max_length and not outlines[i]]
    if not taken:
        return mesh
    known = np.unique(edge_keys(*half_edges(mesh.faces)))
    centres: list[np.ndarray] = []
    fillings, longest = [], []
    for i in taken:
        # A filling runs along the border against the faces that end there.
        loop = loops[i][::-1]
        faces = triangulated(mesh.vertices[loop], lambda chosen, loop=loop: _joined(loop[chosen], known))
        if faces is None:
            hub = len(mesh.vertices) + len(centres)
            centres.append(mesh.vertices[loop].mean(axis=0))
            fillings.append(np.stack([loop, np.roll(loop, -1), np.full(len(loop), hub)], axis=-1))
        else:
            fillings.append(loop[faces])
        longest.append(np.full(len(fillings[-1]), _LONG * lengths[i].mean()))
    vertices = np.concatenate([mesh.vertices, np.array(centres).reshape(-1, 3)])
    vertices, filling = _refined(vertices, np.concatenate(fillings), np.concatenate(longest))
    return _faired(mesh, vertices, np.concatenate([mesh.faces, filling]))


def _outlines(mesh: Triangles, loops: list[Int[np.ndarray, "_"]], lengths: list[float]) -> Bool[np.ndarray, "_"]:
    """Which borders go around a patch."""
    piece = np.zeros(len(mesh.vertices), int)
    piece[mesh.faces] = pieces(mesh)[:, None]
    area = np.bincount(piece[mesh.faces[:, 0]], mesh.areas)
    return np.array(
        [
            area[piece[loop[0]]] < _OUTLINE * length**2 / (4 * np.pi)
            for loop, length in zip(loops, lengths, strict=True)
        ],
        bool,
    )


def _joined(vertices: Int[np.ndarray, "k"], known: Int[np.ndarray, "edges"]) -> Bool[np.ndarray, "k k"]:
    """Which pairs of vertices are ends of an edge."""
    keys = edge_keys(vertices[:, None], vertices[None])
    place = np.searchsorted(known, keys).clip(max=len(known) - 1)
    return known[place] == keys


def _refined(
    vertices: Float[np.ndarray, "_ 3"], faces: Int[np.ndarray, "_ 3"], longest: Float[np.ndarray, "_"]
) -> tuple[Float[np.ndarray, "_ 3"], Int[np.ndarray, "_ 3"]]:
    """Inner edges are halved until they are not longer than their faces allow; borders stay as they are."""
    for _ in range(_HALVINGS):
        start, end = half_edges(faces)
        keys = edge_keys(start, end)
        _, first, number, count = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
        length = np.linalg.norm(vertices[start[first]] - vertices[end[first]], axis=1)
        halved = (count == 2) & (length > longest[first // 3])
        if not halved.any():
            break
        middle = np.where(halved, len(vertices) + np.cumsum(halved) - 1, -1)[number].reshape(-1, 3)
        vertices = np.concatenate([vertices, (vertices[start[first]] + vertices[end[first]])[halved] / 2])
        faces, origin = _cut_at(faces, middle)
        longest = longest[origin]
    return vertices, faces


def _cut_at(
    faces: Int[np.ndarray, "n 3"], middle: Int[np.ndarray, "n 3"]
) -> tuple[Int[np.ndarray, "m 3"], Int[np.ndarray, "m"]]:
    """Faces cut at new vertices on their sides (-1 for none), and the face that each is a part of."""
    # Turned so that with one new vertex it is on the first side, and with two the third side has none.
    has = middle >= 0
    number = has.sum(axis=1)
    turn = np.where(number == 1, has.argmax(axis=1), np.where(number == 2, ((~has).argmax(axis=1) + 1) % 3, 0))
    order = (turn[:, None] + np.arange(3)) % 3
    a, b, c = np.take_along_axis(faces, order, axis=1).T
    ab, bc, ca = np.take_along_axis(middle, order, axis=1).T
    patterns = {
        0: [(a, b, c)],
        1: [(a, ab, c), (ab, b, c)],
        2: [(ab, b, bc), (a, ab, c), (ab, bc, c)],
        3: [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)],
    }
    cut, origin = [], []
    for pattern, parts in patterns.items():
        here = np.flatnonzero(number == pattern)
        for part in parts:
            cut.append(np.stack(part, axis=-1)[here])
            origin.append(here)
    return np.concatenate(cut), np.concatenate(origin)


def _faired(mesh: Triangles, vertices: Float[np.ndarray, "m 3"], faces: Int[np.ndarray, "_ 3"]) -> Triangles:
    """New vertices spread evenly like a membrane, and raised from it to where a thin plate would be.

    The membrane's Laplacian is zero, and so is that of its colours; the plate's squared Laplacian is least. The plate
    alone would fold at the corners of holes.
    """
    known = len(mesh.vertices)
    if len(vertices) == known:
        return Triangles(vertices, faces, mesh.colors)
    from scipy.sparse import coo_array, diags_array
    from scipy.sparse.linalg import splu

    start, end = half_edges(faces)
    near = (start >= known) | (end >= known)
    changed = np.zeros(len(vertices), bool)  # those whose Laplacian depends on new vertices
    changed[start[near]] = changed[end[near]] = True
    used = changed[start] | changed[end]
    index, ends = np.unique(np.stack([start[used], end[used]]), return_inverse=True)
    graph = coo_array((np.ones(ends.size), np.concatenate([ends, ends[::-1]], axis=1)), shape=(len(index),) * 2)
    graph = (graph.tocsr() > 0).astype(float)
    laplacian = (diags_array(1 / graph.sum(axis=1)) @ graph - diags_array(np.ones(len(index)))).tocsr()[changed[index]]
    free = index >= known
    inner, outer = laplacian[:, free], laplacian[:, ~free]
    own = free[changed[index]]
    around = vertices[index[~free]] if mesh.colors is None else np.hstack([mesh.vertices, mesh.colors])[index[~free]]
    even = splu(inner[own].tocsc()).solve(-(outer[own] @ around))
    plate = splu((inner.T @ inner).tocsc()).solve(-(inner.T @ (outer @ around[:, :3])))
    vertices = np.concatenate([mesh.vertices, even[:, :3]])
    normals = Triangles(vertices, faces).vertex_normals[known:]
    vertices[known:] += ((plate - even[:, :3]) * normals).sum(axis=1, keepdims=True) * normals
    return Triangles(vertices, faces, None if mesh.colors is None else np.concatenate([mesh.colors, even[:, 3:]]))
