"""How triangles hang together: edges, borders, and surfaces that meet themselves taken apart.

A half-edge is one side of a triangle, from a corner to the next; number 3 * face + corner. On a manifold every one has
at most one opposite, which runs the other way along the same edge, and the faces around a vertex are one fan.
"""

import numpy as np

from pointmap.fusion.triangles import Triangles
from pointmap.shapes import Int

APART = 0.01
"""Vertices that stood in one place are moved so far apart, in lengths of an edge: programs that read the mesh would
merge them again."""
_ROUNDS = 10


def half_edges(
    faces: Int[np.ndarray, "faces 3"],
) -> tuple[Int[np.ndarray, "half_edges"], Int[np.ndarray, "half_edges"]]:
    """The vertices where half-edges start and end."""
    return faces.ravel(), np.roll(faces, -1, axis=1).ravel()


def edge_keys(start: Int[np.ndarray, "*#n"], end: Int[np.ndarray, "*#n"]) -> Int[np.ndarray, "*n"]:
    """One number for an edge, whichever way it runs."""
    return (np.minimum(start, end).astype(np.int64) << 32) | np.maximum(start, end)


def opposites(mesh: Triangles) -> Int[np.ndarray, "half_edges"]:
    """The opposite of every half-edge; -1 at borders.

    Where more than two faces share an edge, those belong together that have matter between them, and the rest ends in
    a border; so do faces that share an edge and look to different sides.
    """
    start, end = half_edges(mesh.faces)
    order = np.argsort(edge_keys(start, end), kind="stable")
    keys = edge_keys(start, end)[order]
    first = np.flatnonzero(np.diff(keys, prepend=-1))
    count = np.diff(first, append=len(keys))
    found = np.full(len(start), -1)
    one, other = order[first[count == 2]], order[first[count == 2] + 1]
    turned = start[one] == end[other]
    found[one[turned]], found[other[turned]] = other[turned], one[turned]
    for place, number in zip(first[count > 2], count[count > 2], strict=True):
        for backward, forward in _around_edge(mesh, order[place : place + number], start, end):
            found[backward], found[forward] = forward, backward
    return found


def without_junctions(mesh: Triangles) -> Triangles:
    """Every edge belongs to at most two faces and every vertex to one fan of faces, as on a surface.

    Where surfaces touch they are taken apart, by `APART`; no face is lost and nothing that was closed is opened. Where
    one surface has the same edge twice, one of them gets a vertex in the middle.
    """
    for _ in range(_ROUNDS):
        opposite = opposites(mesh)
        mesh = _with_fans_apart(mesh, opposite)
        faces, middles = _doubled_edges_split(mesh, opposite)
        if len(middles) == 0:
            break
        mesh = _with_vertices_between(mesh, middles, faces)
    return mesh


def border_loops(mesh: Triangles) -> list[Int[np.ndarray, "_"]]:
    """The borders of a manifold: vertices in the order in which the faces beside them pass."""
    start, end = half_edges(mesh.faces)
    border = opposites(mesh) < 0
    after = np.full(len(mesh.vertices), -1)
    after[start[border]] = end[border]
    loops, following = [], after.tolist()
    for first in start[border].tolist():
        if following[first] < 0:
            continue
        loop, here = [], first
        while following[here] >= 0:
            loop.append(here)
            following[here], here = -1, following[here]
        loops.append(np.array(loop))
    return loops


def pieces(mesh: Triangles) -> Int[np.ndarray, "faces"]:
    """Which piece every face belongs to, numbered from 0: faces with a common vertex hang together."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    start, end = half_edges(mesh.faces)
    graph = coo_array((np.ones(len(start), bool), (start, end)), shape=(len(mesh.vertices),) * 2)
    _, label = connected_components(graph, directed=False)
    _, number = np.unique(label[mesh.faces[:, 0]], return_inverse=True)
    return number


def _around_edge(
    mesh: Triangles, sides: Int[np.ndarray, "_"], start: Int[np.ndarray, "_"], end: Int[np.ndarray, "_"]
) -> list[tuple[int, int]]:
    """Pairs of half-edges of one edge: matter begins behind the first of a pair and ends behind the second."""
    a, b = min(start[sides[0]], end[sides[0]]), max(start[sides[0]], end[sides[0]])
    axis = mesh.vertices[b] - mesh.vertices[a]
    away = mesh.vertices[mesh.faces[sides // 3, (sides % 3 + 2) % 3]] - mesh.vertices[a]
    right = np.cross(axis, away[0])
    angle = np.arctan2(away @ right * np.linalg.norm(axis), away @ np.cross(right, axis))
    # Turning about the axis, one meets the back of faces that run against it, and then the front of those along it.
    circle = [(int(side), bool(start[side] == a)) for side in sides[np.argsort(angle, kind="stable")]]
    pairs, misses = [], 0
    while len(circle) > 1 and misses < len(circle):
        (one, one_forward), (other, other_forward) = circle[0], circle[1]
        if other_forward and not one_forward:
            pairs.append((one, other))
            circle, misses = circle[2:], 0
        else:
            circle, misses = [*circle[1:], circle[0]], misses + 1
    return pairs


def _with_fans_apart(mesh: Triangles, opposite: Int[np.ndarray, "_"]) -> Triangles:
    """Every fan of faces, connected by opposite half-edges, has a vertex of its own."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    inner = np.flatnonzero(opposite >= 0)
    after = opposite - opposite % 3 + (opposite % 3 + 1) % 3
    # A half-edge starts at the corner of its number; where it starts, its opposite ends.
    graph = coo_array((np.ones(len(inner), bool), (inner, after[inner])), shape=(len(opposite),) * 2)
    _, fan = connected_components(graph, directed=False)
    _, first, fan = np.unique(fan, return_index=True, return_inverse=True)
    source = mesh.faces.ravel()[first]
    if len(source) == len(mesh.vertices) == len(np.unique(source)):
        return mesh
    apart = mesh.with_copies(source, fan.reshape(-1, 3))
    times = np.bincount(source, minlength=len(mesh.vertices))
    copied = times[source] > 1
    total, count = np.zeros((len(source), 3)), np.zeros(len(source))
    of_copies = copied[apart.faces].any(axis=1)
    middle = apart.vertices[apart.faces[of_copies]].mean(axis=1)
    for corner in range(3):
        np.add.at(total, apart.faces[of_copies, corner], middle)
        np.add.at(count, apart.faces[of_copies, corner], 1)
    vertices = apart.vertices.copy()
    vertices[copied] += APART * (total[copied] / count[copied, None] - vertices[copied])
    return Triangles(vertices, apart.faces, apart.colors)


def _doubled_edges_split(
    mesh: Triangles, opposite: Int[np.ndarray, "_"]
) -> tuple[Int[np.ndarray, "_ 3"], Int[np.ndarray, "_ 2"]]:
    """Faces with a new vertex in the middle of edges that more than two faces share; and the ends of those edges."""
    start, end = half_edges(mesh.faces)
    keys = edge_keys(start, end)
    values, count = np.unique(keys, return_counts=True)
    several = values[count > 2]
    touched: set[int] = set()
    kept: set[int] = set()
    dropped: list[int] = []
    added: list[tuple[int, int, int]] = []
    middles: list[tuple[int, int]] = []
    for side in np.flatnonzero(np.isin(keys, several)).tolist():
        other = int(opposite[side])
        here = [side] if other < 0 else [side, other]
        if int(keys[side]) not in kept:
            kept.add(int(keys[side]))  # the first stays as it is
            touched |= {half // 3 for half in here}
            continue
        if touched & {half // 3 for half in here}:
            continue
        touched |= {half // 3 for half in here}
        new = len(mesh.vertices) + len(middles)
        middles.append((start[side], end[side]))
        for half in here:
            a, b = start[half], end[half]
            c = mesh.faces[half // 3, (half % 3 + 2) % 3]
            dropped.append(half // 3)
            added += [(a, new, c), (new, b, c)]
    faces = np.concatenate([np.delete(mesh.faces, dropped, axis=0), np.array(added, np.int64).reshape(-1, 3)])
    return faces, np.array(middles, np.int64).reshape(-1, 2)


def _with_vertices_between(mesh: Triangles, ends: Int[np.ndarray, "_ 2"], faces: Int[np.ndarray, "_ 3"]) -> Triangles:
    """More vertices, each in the middle of two, but drawn into its faces by `APART`."""
    vertices = np.concatenate([mesh.vertices, mesh.vertices[ends].mean(axis=1)])
    for new in range(len(mesh.vertices), len(vertices)):
        around = vertices[faces[(faces == new).any(axis=1)]].mean(axis=(0, 1))
        vertices[new] += APART * (around - vertices[new])
    colors = None if mesh.colors is None else np.concatenate([mesh.colors, mesh.colors[ends].mean(axis=1)])
    return Triangles(vertices, faces, colors)
