"""Closed lines in space cut into triangles."""

from collections.abc import Callable

import numpy as np

from pointmap.shapes import Bool, Float, Int

_LONGEST = 96
"""Corners of a polygon whose cuts are all compared; of a longer one so many are chosen, and what lies between them are
polygons again."""


def triangulated(
    points: Float[np.ndarray, "n 3"], forbidden: Callable[[Int[np.ndarray, "k"]], Bool[np.ndarray, "k k"]]
) -> Int[np.ndarray, "faces 3"] | None:
    """The n - 2 triangles of least area that fill a closed line (Barequet & Sharir, CAGD 1995).

    Args:
        points: Corners, in order; the triangles run the same way round.
        forbidden: For chosen corners, which pairs must not be joined because the line's surroundings join them already.
            Neighbours on the line do not count.

    Returns:
        Corners of triangles; None where every way to cut joins what is forbidden.
    """
    faces, todo = [], [np.arange(len(points))]
    while todo:
        polygon = todo.pop()
        chosen = polygon
        if len(polygon) > _LONGEST:
            chosen = polygon[np.linspace(0, len(polygon), _LONGEST, endpoint=False).astype(int)]
        never = forbidden(chosen)
        cut = _least_area(points[chosen], never)
        if cut is None:
            return None
        faces.append(chosen[cut])
        if len(chosen) < len(polygon):
            places = np.searchsorted(polygon, chosen)
            for first, last in zip(places, np.append(places[1:], len(polygon)), strict=True):
                between = np.append(polygon[first:last], polygon[last % len(polygon)])
                if len(between) > 2:
                    todo.append(between)
    return np.concatenate(faces)


def _least_area(points: Float[np.ndarray, "n 3"], never: Bool[np.ndarray, "n n"]) -> Int[np.ndarray, "faces 3"] | None:
    """By dynamic programming over the part of a polygon from corner i to corner i + gap."""
    count = len(points)
    best = np.full((count, count), np.inf)
    apex = np.zeros((count, count), int)
    index = np.arange(count)
    best[index[:-1], index[1:]] = 0
    for gap in range(2, count):
        i = index[: count - gap, None]
        j, k = i + gap, i + np.arange(1, gap)
        corners = points[i[:, 0]][:, None]
        area = np.linalg.norm(np.cross(points[k] - corners, points[j] - corners), axis=-1)
        total = best[i, k] + best[k, j] + area
        if gap < count - 1:
            total = np.where(never[i, j], np.inf, total)
        apex[i[:, 0], j[:, 0]] = k[np.arange(len(k)), total.argmin(axis=1)]
        best[i[:, 0], j[:, 0]] = total.min(axis=1)
    if not np.isfinite(best[0, -1]):
        return None
    faces, parts = [], [(0, count - 1)]
    while parts:
        first, last = parts.pop()
        if last - first > 1:
            middle = int(apex[first, last])
            faces.append((first, middle, last))
            parts += [(first, middle), (middle, last)]
    return np.array(faces)
