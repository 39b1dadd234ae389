"""Which views hang together, and the order in which the most reliable groups tie them to one frame."""

import heapq
from dataclasses import dataclass
from itertools import combinations

from torch import Tensor

from pointmap.alignment.problem import Problem
from pointmap.shapes import Bool, Float, Int


@dataclass(frozen=True)
class TreeEdge:
    """Group `group` takes view `new` into the world by way of view `known`, which is there already."""

    group: int
    known: int
    new: int


@dataclass(frozen=True)
class Tree:
    """One connected part of the views."""

    root: int
    edges: list[TreeEdge]
    """In order of use."""

    @property
    def views(self) -> list[int]:
        """All views of the part, the root first."""
        return [self.root, *(edge.new for edge in self.edges)]


def spanning_trees(problem: Problem) -> list[Tree]:
    """Maximum spanning tree of every connected part, the largest part first (Prim's algorithm).

    Two views are tied by every group that shows both; the strength is the product of their mean confidences there.
    """
    mean = problem.mean_confidences.tolist()
    views, groups, first = problem.view_of.tolist(), problem.group_of.tolist(), problem.first.tolist()
    members: list[list[int]] = [[] for _ in range(problem.num_groups)]
    for obs, group in enumerate(groups):
        members[group].append(obs)
    ties: dict[int, list[tuple[float, int, int, int]]] = {view: [] for view in views}
    for group, of_group in enumerate(members):
        for a, b in combinations(of_group, 2):
            if views[a] != views[b]:
                strength = mean[a] * mean[b]
                ties[views[a]].append((-strength, group, views[a], views[b]))
                ties[views[b]].append((-strength, group, views[b], views[a]))
    # The strongest tie's view comes first; of its two, the one whose frame the group has.
    framed = {(groups[o], views[o]) for o in range(len(views)) if first[o]}
    order = sorted(ties, key=lambda v: min(((s, (g, v) not in framed) for s, g, *_ in ties[v]), default=(0.0, True)))
    trees, done = [], set()
    for root in order:
        if root in done:
            continue
        done.add(root)
        edges, heap = [], list(ties[root])
        heapq.heapify(heap)
        while heap:
            _, group, known, new = heapq.heappop(heap)
            if new in done:
                continue
            done.add(new)
            edges.append(TreeEdge(group, known, new))
            for tie in ties[new]:
                heapq.heappush(heap, tie)
        trees.append(Tree(root, edges))
    return sorted(trees, key=lambda tree: -len(tree.edges))


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
