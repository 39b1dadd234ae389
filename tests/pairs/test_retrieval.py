"""Pairs and orders from similarities that we chose."""

import numpy as np
import pytest

from pointmap.errors import InputError
from pointmap.pairs import connected_parts, retrieval_graph, similarity_order


def along_a_walk(places: list[float]) -> np.ndarray:
    """The nearer two photos were taken, the more alike they are."""
    positions = np.array(places, dtype=float)
    return np.exp(-np.abs(positions[:, None] - positions))


def test_every_photo_meets_the_most_similar_ones():
    pairs = retrieval_graph(along_a_walk([0, 10, 1, 11, 2, 12]), neighbours=2)

    assert {(0, 2), (0, 4), (2, 4), (1, 3), (1, 5), (3, 5)} <= set(pairs)


def test_groups_that_share_little_are_joined_by_the_best_bridge_alone():
    pairs = retrieval_graph(along_a_walk([0, 1, 2, 10, 11, 12]), neighbours=1)

    assert len(connected_parts(6, pairs)) == 1
    assert [pair for pair in pairs if (pair[0] < 3) != (pair[1] < 3)] == [(2, 3)]


def test_photos_that_are_like_nothing_are_joined_all_the_same():
    similarity = np.full((4, 4), -np.inf)
    similarity[0, 1] = similarity[1, 0] = 1.0

    assert len(connected_parts(4, retrieval_graph(similarity, neighbours=1))) == 1


def test_no_photo_meets_itself_and_few_photos_meet_all():
    similarity = along_a_walk([0, 1, 2]) + 5 * np.eye(3)

    assert retrieval_graph(similarity) == [(0, 1), (0, 2), (1, 2)]


def test_the_order_of_a_walk_is_found_from_its_first_end():
    places = [3.0, 0.5, 7.1, 1.2, 4.4, 6.0, 2.1, 5.2]

    assert similarity_order(along_a_walk(places)) == [1, 3, 6, 0, 4, 7, 5, 2]
    assert similarity_order(along_a_walk([2.0, 1.0])) == [0, 1]


@pytest.mark.parametrize("wrong", [np.zeros((2, 3)), np.array([[0, np.nan], [np.nan, 0]])])
def test_what_is_no_matrix_of_similarities_is_refused(wrong):
    with pytest.raises(InputError, match="square matrix"):
        retrieval_graph(wrong)
