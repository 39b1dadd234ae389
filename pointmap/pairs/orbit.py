"""Pairs of photos that go around an object and come back to where they began."""

import numpy as np

from pointmap.pairs.graphs import Pair, complete_graph
from pointmap.pairs.retrieval import checked_similarity, retrieval_graph
from pointmap.shapes import Float

COMPLETE_UP_TO = 6
_NEAR = 2
"""Neighbours on each side that each photo meets in any case."""
_FARTHEST = 0.15
"""Of a turn: photos further apart show no common surface, but perhaps a similar one."""
_LIKE = 4
"""Most similar photos that each photo meets besides, wherever they are in the order."""
_AS_LIKE = 0.7
_OPEN = 0.4
"""The two ends of an orbit that is not closed are less alike than this part of what neighbours usually are."""


def orbit_order(similarity: Float[np.ndarray, "_ _"]) -> list[int]:
    """Indices of the photos in an order in which neighbours are alike, the last and the first too.

    As given where the photos come in such an order; otherwise by the angle in the plane of the graph Laplacian's second
    and third eigenvectors, in which a ring is a circle, improved by reversing stretches of it (2-opt). It begins with
    photo 0 and goes on to the one of its two neighbours with the smaller index.
    """
    values = checked_similarity(similarity)
    count = len(values)
    given = list(range(count))
    if count < 4:
        return given
    # Of wrong orders the best still joins mostly like photos; a given order is only left for a clearly better one.
    found = _improved(_spectral(values), values)
    found = found if _length(found, values) > 1.05 * _length(given, values) else given
    start = found.index(0)
    found = found[start:] + found[:start]
    return found if found[1] <= found[-1] else [found[0], *found[:0:-1]]


def is_closed(order: list[int], similarity: Float[np.ndarray, "_ _"]) -> bool:
    """Whether the two least alike neighbours of an orbit are alike, too: the photos go all around."""
    links = _links(order, checked_similarity(similarity))
    return bool(links.min() > _OPEN * np.median(links))


def orbit_pairs(similarity: Float[np.ndarray, "_ _"]) -> list[Pair]:
    """Photos around an object: each with those before and after it in the orbit, also across its seam, one direction.

    Distances in the orbit grow geometrically up to about a seventh of a turn. Where the orbit is open (`is_closed`), no
    pair leads across the gap. The most similar photos meet besides, for orbits at several heights.

    Args:
        similarity: Symmetric; larger is more alike. Of photos without their background if that stands still.
    """
    values = checked_similarity(similarity)
    count = len(values)
    if count <= COMPLETE_UP_TO:
        return complete_graph(count)
    order = orbit_order(values)
    # Of the most similar photos those that are hardly less alike than neighbours; others only look similar.
    least = _AS_LIKE * np.median(_links(order, values))
    pairs = {(min(i, j), max(i, j)) for i, j in retrieval_graph(values, _LIKE) if values[i, j] > least}
    seam = None if is_closed(order, values) else int(np.argmin(_links(order, values)))
    for place in range(count):
        for distance in _distances(count):
            across = seam is not None and (seam - place) % count < distance
            if not across:
                i, j = order[place], order[(place + distance) % count]
                pairs.add((min(i, j), max(i, j)))
    return sorted(pairs)


def _distances(count: int) -> list[int]:
    """1, 2, 3, 4, 6, 8, 12 ... up to a seventh of the orbit."""
    farthest = max(_NEAR, int(_FARTHEST * count))
    return sorted({d for step in range(10) for d in (2**step, 3 * 2**step) if d <= farthest} | {1, 2})


def _spectral(values: Float[np.ndarray, "n n"]) -> list[int]:
    weights = values - values.min()
    weights = (weights / max(weights.max(), 1e-12)) ** 2
    np.fill_diagonal(weights, 0)
    root = 1 / np.sqrt(np.maximum(weights.sum(axis=1), 1e-12))
    # Normalised, so that photos that are like few others do not take a dimension for themselves.
    _, vectors = np.linalg.eigh(np.eye(len(weights)) - root[:, None] * weights * root)
    x, y = (root[:, None] * vectors[:, 1:3]).T
    return np.argsort(np.arctan2(y, x), kind="stable").tolist()


def _improved(order: list[int], values: Float[np.ndarray, "n n"]) -> list[int]:
    """The order with stretches reversed as long as neighbours become more alike."""
    count = len(order)
    better = True
    while better:
        better = False
        for start in range(count - 1):
            for end in range(start + 2, count if start else count - 1):
                a, b, c, d = order[start], order[start + 1], order[end], order[(end + 1) % count]
                if values[a, c] + values[b, d] > values[a, b] + values[c, d] + 1e-9:
                    order[start + 1 : end + 1] = order[end:start:-1]
                    better = True
    return order


def _links(order: list[int], values: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n"]:
    """Similarity of each photo of an order to the next, of the last to the first."""
    return values[order, np.roll(order, -1)]


def _length(order: list[int], values: Float[np.ndarray, "n n"]) -> float:
    return float(_links(order, values).sum())
