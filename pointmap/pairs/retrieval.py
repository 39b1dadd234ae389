"""Pairs by content: which photos look at the same things, whatever order they come in."""

import numpy as np

from pointmap.errors import InputError
from pointmap.pairs.graphs import Pair
from pointmap.shapes import Float

NEIGHBOURS = 10
"""Similar photos that each photo meets, where a strategy names no number."""


def retrieval_graph(similarity: Float[np.ndarray, "_ _"], neighbours: int = NEIGHBOURS) -> list[Pair]:
    """Every photo with the most similar ones, and the bridges that join all photos at the least loss of similarity.

    The bridges are the edges of a maximum spanning tree: whatever the similarities, the graph is connected.

    Args:
        similarity: Symmetric; larger is more alike. The diagonal says nothing.
    """
    values = checked_similarity(similarity)
    count = len(values)
    np.fill_diagonal(values, -np.inf)
    # Ties go to the smaller index, so that the order of photos alone decides nothing else.
    nearest = np.argsort(-values, axis=1, kind="stable")[:, : min(neighbours, count - 1)]
    pairs = {(min(i, j), max(i, j)) for i, row in enumerate(nearest.tolist()) for j in row}
    return sorted(pairs | set(_spanning_tree(values)))


def similarity_order(similarity: Float[np.ndarray, "_ _"]) -> list[int]:
    """Indices of the photos in an order in which neighbours are alike: along a walk, or around an object.

    Spectral seriation (Atkins, Boman & Hendrickson, SIAM J. Computing 1998): by the eigenvector of the graph
    Laplacian's second smallest eigenvalue. It begins with the end that has the smaller index.
    """
    weights = checked_similarity(similarity)
    count = len(weights)
    if count < 3:
        return list(range(count))
    outside = ~np.eye(count, dtype=bool)
    weights -= weights[outside].min()
    weights = (weights / max(weights[outside].max(), 1e-12)) ** 2  # photos that are hardly alike should not pull
    np.fill_diagonal(weights, 0)
    _, vectors = np.linalg.eigh(np.diag(weights.sum(axis=1)) - weights)
    order = np.argsort(vectors[:, 1], kind="stable").tolist()
    return order if order[0] < order[-1] else order[::-1]


def _spanning_tree(values: Float[np.ndarray, "n n"]) -> list[Pair]:
    """Edges of the maximum spanning tree, by Prim's algorithm."""
    count = len(values)
    inside = np.zeros(count, dtype=bool)
    inside[0] = True
    best, via = values[0].copy(), np.zeros(count, dtype=int)
    edges = []
    for _ in range(count - 1):
        new = int(np.where(inside, -np.inf, best).argmax())
        if inside[new]:  # what is left is no more like the tree than -inf
            new = int((~inside).argmax())
        edges.append((min(new, int(via[new])), max(new, int(via[new]))))
        inside[new] = True
        closer = values[new] > best
        best, via = np.where(closer, values[new], best), np.where(closer, new, via)
    return edges


def checked_similarity(similarity: Float[np.ndarray, "_ _"]) -> Float[np.ndarray, "n n"]:
    """A symmetric copy; InputError where it is no square matrix of numbers. The diagonal may be anything."""
    values = np.array(similarity, dtype=float)
    if (
        values.ndim != 2
        or values.shape[0] != values.shape[1]
        or np.isnan(values[~np.eye(len(values), dtype=bool)]).any()
    ):
        raise InputError(
            f"Similarities of photos are a square matrix of numbers; this one has the shape {values.shape}"
            f"{' and holds NaN' if np.isnan(values).any() else ''}."
        )
    return (values + values.T) / 2
