"""Which views hang together, and by which of their relations."""

from dataclasses import dataclass

from torch import Tensor

from pointmap.shapes import Bool, Float, Int


@dataclass(frozen=True)
class Forest:
    """How views hang together: one tree per connected part."""

    parts: list[list[int]]
    """Views of each part, the root first; the largest part first."""

    parents: list[int]
    """Per view the one it hangs on, -1 for roots."""

    relations: list[int]
    """Per view the relation to its parent, -1 for roots."""

    levels: list[list[int]]
    """Views by their distance from a root, roots left out."""


def spanning_forest(
    shown: Bool[Tensor, "views"],
    a: Int[Tensor, "relations"],
    b: Int[Tensor, "relations"],
    strengths: Float[Tensor, "relations"],
) -> Forest:
    """Maximum spanning trees of the views that are shown (Kruskal's algorithm), the root at the strongest relation."""
    ends_a, ends_b = a.tolist(), b.tolist()
    count = len(shown)
    leader = list(range(count))

    def find(view: int) -> int:
        while leader[view] != view:
            leader[view] = leader[leader[view]]
            view = leader[view]
        return view

    ties: list[list[tuple[int, int]]] = [[] for _ in range(count)]
    begins: list[int] = []
    for relation in strengths.argsort(descending=True, stable=True).tolist():
        one, two = ends_a[relation], ends_b[relation]
        if find(one) == find(two):
            continue
        leader[find(one)] = find(two)
        ties[one].append((two, relation))
        ties[two].append((one, relation))
        begins.append(one)
    parents, relations = [-1] * count, [-1] * count
    parts: list[list[int]] = []
    levels: list[list[int]] = []
    done = [False] * count
    for root in [*begins, *shown.nonzero()[:, 0].tolist()]:
        if done[root]:
            continue
        done[root] = True
        part, level, depth = [root], [root], 0
        while level:
            following = []
            for view in level:
                for new, relation in ties[view]:
                    if not done[new]:
                        done[new], parents[new], relations[new] = True, view, relation
                        following.append(new)
            if following:
                if depth == len(levels):
                    levels.append([])
                levels[depth].extend(following)
            part += following
            level, depth = following, depth + 1
        parts.append(part)
    return Forest(sorted(parts, key=lambda part: -len(part)), parents, relations, levels)


def connected_parts(view_of: Int[Tensor, "obs"], group_of: Int[Tensor, "obs"]) -> list[list[int]]:
    """Views that groups tie to each other, in order; the part of most views first."""
    leader: dict[int, int] = {}

    def find(node: int) -> int:
        while leader.setdefault(node, node) != node:
            leader[node] = leader[leader[node]]
            node = leader[node]
        return node

    # Groups are numbered below 0.
    for view, group in zip(view_of.tolist(), group_of.tolist(), strict=True):
        leader[find(-1 - group)] = find(view)
    parts: dict[int, list[int]] = {}
    for view in sorted(node for node in leader if node >= 0):
        parts.setdefault(find(view), []).append(view)
    return sorted(parts.values(), key=lambda part: -len(part))
