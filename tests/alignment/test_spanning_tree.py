"""Which relations tie the views, and what falls apart."""

import torch

from pointmap.alignment.spanning_tree import connected_parts, spanning_forest


def forest_of(relations: list[tuple[int, int, float]], num_views: int):
    a, b, strengths = zip(*relations, strict=True)
    shown = torch.ones(num_views, dtype=torch.bool)
    return spanning_forest(shown, torch.tensor(a), torch.tensor(b), torch.tensor(strengths))


def test_the_tree_takes_the_strongest_relations_and_starts_at_the_strongest():
    forest = forest_of([(0, 1, 2.0), (1, 2, 9.0), (0, 2, 4.0), (1, 3, 3.0)], 4)

    assert forest.parts == [[1, 2, 3, 0]]
    assert forest.parents == [2, -1, 1, 1]
    assert forest.relations == [2, -1, 1, 3]
    assert forest.levels == [[2, 3], [0]]


def test_separate_trees_come_largest_first_and_what_is_not_shown_is_in_none():
    shown = torch.tensor([True] * 6 + [False])
    forest = spanning_forest(shown, torch.tensor([0, 2, 3]), torch.tensor([1, 3, 4]), torch.tensor([9.0, 2.0, 3.0]))

    assert [sorted(part) for part in forest.parts] == [[2, 3, 4], [0, 1], [5]]


def test_a_group_of_many_views_connects_all_of_them():
    assert connected_parts(torch.tensor([3, 0, 2, 1]), torch.tensor([0, 0, 0, 0])) == [[0, 1, 2, 3]]


def test_connected_parts_come_largest_first():
    views, groups = torch.tensor([0, 1, 2, 3, 3, 4, 5, 5]), torch.tensor([0, 0, 1, 1, 2, 2, 3, 3])

    assert connected_parts(views, groups) == [[2, 3, 4], [0, 1], [5]]
