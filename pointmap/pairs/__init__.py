"""Which photos the network compares: pair graphs and their connectivity."""

from pointmap.pairs.graphs import connected_parts, keep_neighbours, symmetrize
from pointmap.pairs.make import make_pairs
from pointmap.pairs.retrieval import retrieval_graph, similarity_order

__all__ = [
    "connected_parts",
    "keep_neighbours",
    "make_pairs",
    "retrieval_graph",
    "similarity_order",
    "symmetrize",
]
