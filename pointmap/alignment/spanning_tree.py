"""Which views hang together, and the order in which the most reliable groups tie them to one frame."""

import heapq
from dataclasses import dataclass
from itertools import combinations

from pointmap.alignment.problem import Problem


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
    mean = problem.mean_confidences().tolist()
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
