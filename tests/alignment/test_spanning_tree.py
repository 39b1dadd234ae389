"""Which groups tie the views, and what falls apart."""

import numpy as np

from pointmap.alignment.problem import make_problem
from pointmap.alignment.spanning_tree import spanning_trees
from pointmap.scene import Group


def group(views: tuple[int, ...], confidence: float) -> Group:
    return Group(
        views,
        [np.ones((3, 4, 3), np.float32) for _ in views],
        [np.full((3, 4), confidence, np.float32) for _ in views],
    )


def test_the_tree_takes_the_strongest_ties_and_starts_in_the_frame_of_the_strongest():
    problem = make_problem([group((0, 1), 2.0), group((2, 1), 9.0), group((0, 2), 4.0), group((1, 3), 3.0)])

    (tree,) = spanning_trees(problem)

    assert tree.root == 2
    assert [(edge.group, edge.known, edge.new) for edge in tree.edges] == [(1, 2, 1), (2, 2, 0), (3, 1, 3)]


def test_a_group_of_many_views_ties_all_of_them():
    (tree,) = spanning_trees(make_problem([group((3, 0, 2, 1), 2.0)]))

    assert sorted(tree.views) == [0, 1, 2, 3]
    assert {edge.group for edge in tree.edges} == {0}


def test_separate_parts_come_largest_first():
    problem = make_problem([group((0, 1), 9.0), group((2, 3), 2.0), group((3, 4), 2.0), group((5, 5), 2.0)])

    trees = spanning_trees(problem)

    assert [sorted(tree.views) for tree in trees] == [[2, 3, 4], [0, 1], [5]]
