"""From the name of a strategy, or from given pairs, to the pairs that the network is asked about."""

import operator
import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from pointmap.errors import InputError
from pointmap.pairs.graphs import (
    WINDOW_REACH,
    Pair,
    complete_graph,
    connected_parts,
    log_window_graph,
    one_to_all_graph,
    spread_graph,
    symmetrize,
    window_graph,
)
from pointmap.pairs.retrieval import NEIGHBOURS, retrieval_graph
from pointmap.shapes import Float

CHOICES = "'auto', 'complete', 'retrieval-K', 'window-K', 'log-window-K' (both also '-noncyclic') or 'one-to-all-I'"
RETRIEVAL_ABOVE = 15
"""'auto' looks at the photos themselves from more of them on."""
_ALIASES = {"swin": "window", "logwin": "log-window", "oneref": "one-to-all"}
_WINDOWS: dict[str, Callable[..., list[Pair]]] = {"window": window_graph, "log-window": log_window_graph}
_NAME = re.compile(r"(?P<kind>[a-z]+(?:-[a-z]+)*?)(?:-(?P<number>[0-9]{1,4}))?(?P<noncyclic>-noncyclic)?")


def make_pairs(
    num_views: int,
    strategy: str | Iterable[Any] = "auto",
    *,
    similarity: Callable[[], Float[np.ndarray, "n n"]] | None = None,
) -> list[Pair]:
    """Choose which photos the network compares.

    Args:
        num_views: Number of photos.
        strategy: 'complete', every photo with every other; 'window-K', with the K next ones; 'log-window-K', with
            those 1, 2, 4 ... 2^(K-1) places on (both wrap around, unless '-noncyclic' is appended; K is 3 if left
            out); 'one-to-all-I', photo I with every other (0 if left out); 'retrieval-K', with the K most similar
            ones (10 if left out) and the bridges that connect all; 'auto', complete for small sets, 'retrieval' above
            15 photos, or, without similarities, neighbours and some distant photos. 'swin', 'logwin' and 'oneref'
            mean the same as in the literature. Or the pairs themselves, as indices.
        similarity: Says how alike the photos are; called only where it is needed.

    Returns:
        Ordered pairs (i, j), each in both directions; of a single photo, [(0, 0)].

    Raises:
        InputError: The strategy is unknown, an index is out of range, or the pairs do not connect all photos.
    """
    if num_views < 1:
        raise InputError(f"Pairs need at least one photo; there are {num_views}.")
    graph = (
        _named_graph(num_views, strategy, similarity)
        if isinstance(strategy, str)
        else _given_graph(num_views, strategy)
    )
    if num_views == 1:
        return [(0, 0)]

    pairs = symmetrize((i, j) for i, j in graph if i != j)
    parts = connected_parts(num_views, pairs)
    if len(parts) > 1:
        raise InputError(
            f"The pair graph over {num_views} photos has {len(parts)} separate parts ({_listed(parts)}), so they "
            f"cannot share one world frame. Strategy was {_shown(strategy)}: add pairs between the parts, "
            f"or use 'complete' or 'auto'."
        )
    return list(dict.fromkeys(pairs))


def _named_graph(
    num_views: int, strategy: str, similarity: Callable[[], Float[np.ndarray, "n n"]] | None
) -> list[Pair]:
    unknown = InputError(
        f"Unknown pair strategy {strategy!r}. Choose {CHOICES}, such as 'window-5', or give index pairs."
    )
    name = _NAME.fullmatch(strategy.strip().lower())
    if name is None:
        raise unknown
    kind = _ALIASES.get(name["kind"], name["kind"])
    number = None if name["number"] is None else int(name["number"])

    if kind in _WINDOWS:
        if number == 0:
            raise InputError(f"Pair strategy {strategy!r} gives photos no neighbours. Choose a window of 1 or more.")
        reach = WINDOW_REACH if number is None else number
        return _WINDOWS[kind](num_views, reach, cyclic=name["noncyclic"] is None)
    if name["noncyclic"]:
        raise unknown
    if kind == "one-to-all":
        reference = number or 0
        if reference >= num_views:
            raise InputError(
                f"Pair strategy {strategy!r} refers to photo {reference}, but the {num_views} photos are numbered "
                f"from 0 to {num_views - 1}."
            )
        return one_to_all_graph(num_views, reference)
    if kind == "retrieval" and number != 0:
        if similarity is None:
            raise InputError(f"Pair strategy {strategy!r} needs the photos' similarities: pass `similarity`.")
        return retrieval_graph(similarity(), number or NEIGHBOURS)
    if kind == "complete" and number is None:
        return complete_graph(num_views)
    if kind == "auto" and number is None:
        if similarity is not None and num_views > RETRIEVAL_ABOVE:
            return retrieval_graph(similarity())
        return spread_graph(num_views)
    raise unknown


def _given_graph(num_views: int, pairs: Iterable[Any]) -> list[Pair]:
    graph = []
    try:
        for pair in pairs:
            i, j = (operator.index(index) for index in pair)
            graph.append((i, j))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"Pairs are tuples of two photo indices, such as [(0, 1), (1, 2)]. Choose {CHOICES}, or give such pairs."
        ) from error
    for i, j in graph:
        if not (0 <= i < num_views and 0 <= j < num_views):
            raise InputError(
                f"Pair ({i}, {j}) is out of range: the {num_views} photos are numbered from 0 to {num_views - 1}."
            )
    return graph


def _listed(parts: list[list[int]], most: int = 4, longest: int = 8) -> str:
    shown = ["photos " + ", ".join(map(str, part[:longest])) + " ..." * (len(part) > longest) for part in parts[:most]]
    return "; ".join(shown) + "; ..." * (len(parts) > most)


def _shown(strategy: object) -> str:
    return repr(strategy) if isinstance(strategy, str) else "a list of pairs"
