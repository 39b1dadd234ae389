"""Which photos meet: pair graphs by strategy, as the public reference draws them.

Every function returns one direction of each pair; `symmetrize` adds the other.
"""

from collections.abc import Iterable

Pair = tuple[int, int]

WINDOW_REACH = 3
"""Neighbours on each side where a window strategy names no number."""

COMPLETE_UP_TO = 11
"""So many photos have ten neighbours each in a complete graph, as many as `spread_graph` gives."""


def complete_graph(num_views: int) -> list[Pair]:
    """Every photo with every earlier one."""
    return [(i, j) for i in range(num_views) for j in range(i)]


def window_graph(num_views: int, reach: int = WINDOW_REACH, *, cyclic: bool = True) -> list[Pair]:
    """Every photo with the next `reach` ones; if cyclic, the last photos are followed by the first.

    As in the reference, a window as wide as the set reaches the photo itself; `make_pairs` leaves such pairs out.
    """
    return _offset_graph(num_views, range(1, min(reach, num_views) + 1), cyclic=cyclic)


def log_window_graph(num_views: int, reach: int = WINDOW_REACH, *, cyclic: bool = True) -> list[Pair]:
    """Every photo with those 1, 2, 4 ... 2^(reach - 1) places further on."""
    pairs = _offset_graph(num_views, [2**exponent for exponent in range(reach)], cyclic=cyclic)
    return [(i, j) for i, j in pairs if i != j]


def one_to_all_graph(num_views: int, reference: int = 0) -> list[Pair]:
    """One photo with every other."""
    return [(reference, j) for j in range(num_views) if j != reference]


def spread_graph(num_views: int) -> list[Pair]:
    """Complete for small sets; beyond, every photo with its three neighbours and two distant ones on either side.

    The distant ones tie together what neighbours alone would let drift, and find overlap where photos are in no
    order. Their distances continue the window geometrically up to half the set.
    """
    if num_views <= COMPLETE_UP_TO:
        return complete_graph(num_views)
    ratio = (num_views / 2 / WINDOW_REACH) ** (1 / 3)
    near = max(round(WINDOW_REACH * ratio), WINDOW_REACH + 1)
    far = max(round(WINDOW_REACH * ratio**2), near + 1)
    return _offset_graph(num_views, [*range(1, WINDOW_REACH + 1), near, far], cyclic=True)


def symmetrize(pairs: Iterable[Pair]) -> list[Pair]:
    """The pairs, followed by their reverses."""
    pairs = list(pairs)
    return pairs + [(j, i) for i, j in pairs]


def keep_neighbours(pairs: Iterable[Pair], num_views: int, reach: int, *, cyclic: bool = False) -> list[Pair]:
    """Leave out pairs of photos more than `reach` places apart; if cyclic, counted the shorter way round."""

    def distance(i: int, j: int) -> int:
        apart = abs(i - j)
        return min(apart, num_views - apart) if cyclic else apart

    return [(i, j) for i, j in pairs if distance(i, j) <= reach]


def connected_parts(num_views: int, pairs: Iterable[Pair]) -> list[list[int]]:
    """Indices of the photos that hang together, each part sorted, the largest part first."""
    neighbours: list[set[int]] = [set() for _ in range(num_views)]
    for i, j in pairs:
        neighbours[i].add(j)
        neighbours[j].add(i)
    parts, seen = [], set()
    for start in range(num_views):
        if start in seen:
            continue
        part, frontier = {start}, [start]
        while frontier:
            new = neighbours[frontier.pop()] - part
            part |= new
            frontier.extend(new)
        seen |= part
        parts.append(sorted(part))
    return sorted(parts, key=len, reverse=True)


def _offset_graph(num_views: int, offsets: Iterable[int], *, cyclic: bool) -> list[Pair]:
    pairs = set()
    for i in range(num_views):
        for offset in offsets:
            j = (i + offset) % num_views if cyclic else i + offset
            if j < num_views:
                pairs.add((min(i, j), max(i, j)))
    return sorted(pairs)
