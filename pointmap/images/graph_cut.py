"""The best border between two labels of pixels: a minimum cut."""

import numpy as np

from pointmap.shapes import Bool, Float

_SCALE = 100
"""Costs become integers, so many to one; their sums must stay within 32 bits."""
_LEAST_CONTRAST = 256.0
"""Squared difference of colours that makes a border, at least: most of some images is plain."""


def cut(
    image: Float[np.ndarray, "h w 3"],
    cost_if_inside: Float[np.ndarray, "h w"],
    cost_if_outside: Float[np.ndarray, "h w"],
    smoothness: float,
) -> Bool[np.ndarray, "h w"]:
    """Label pixels as inside (True) or outside at the least cost, with a border where colours change.

    Boykov & Jolly, ICCV 2001: every two neighbours with different labels cost `smoothness` where they look the same,
    and the less the more their colours differ against what is usual in the image.

    Args:
        image: Colours from 0 to 255.
        cost_if_inside, cost_if_outside: Not negative; `inf` forbids.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import breadth_first_order, maximum_flow

    height, width = image.shape[:2]
    count = height * width
    index = np.arange(count).reshape(height, width)
    differences = [((image[:, 1:] - image[:, :-1]) ** 2).sum(-1), ((image[1:] - image[:-1]) ** 2).sum(-1)]
    mean = np.mean(np.concatenate([difference.ravel() for difference in differences]))
    usual = max(2 * float(mean), _LEAST_CONTRAST)
    # The constant keeps borders short where all colours differ.
    links = [(0.05 + 0.95 * np.exp(-difference / usual)).ravel() * smoothness for difference in differences]
    ends = [(index[:, :-1].ravel(), index[:, 1:].ravel()), (index[:-1].ravel(), index[1:].ravel())]
    source, sink = count, count + 1
    # Only the difference of a pixel's two costs matters.
    common = np.minimum(cost_if_inside, cost_if_outside)
    common = np.where(np.isfinite(common), common, 0)
    to_inside, to_outside = (cost_if_outside - common).ravel(), (cost_if_inside - common).ravel()
    pixels = index.ravel()
    rows = [ends[0][0], ends[0][1], ends[1][0], ends[1][1], np.full(count, source), pixels]
    columns = [ends[0][1], ends[0][0], ends[1][1], ends[1][0], pixels, np.full(count, sink)]
    values = np.concatenate([links[0], links[0], links[1], links[1], to_inside, to_outside])
    # A pixel that costs more than all its links never takes the other label.
    capacities = np.rint(np.minimum(values, 5 * smoothness + 1) * _SCALE).astype(np.int32)
    graph = coo_matrix((capacities, (np.concatenate(rows), np.concatenate(columns))), (count + 2, count + 2)).tocsr()
    left = graph - maximum_flow(graph, source, sink).flow
    left.data = np.maximum(left.data, 0)
    left.eliminate_zeros()
    reached = breadth_first_order(left, source, return_predecessors=False)
    inside = np.zeros(count + 2, bool)
    inside[reached] = True
    return inside[:count].reshape(height, width)
