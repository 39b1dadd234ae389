"""Which photos meet: the strategies, their agreement with the reference, and what is refused."""

import json
import re

import numpy as np
import pytest

from pointmap.errors import InputError
from pointmap.pairs import connected_parts, keep_neighbours, make_pairs, symmetrize
from pointmap.pairs.graphs import complete_graph, log_window_graph, one_to_all_graph, window_graph


def reference_graph(num_views: int, name: str) -> list[tuple[int, int]]:
    kind, *number = name.removesuffix("-noncyclic").split("-")
    graph = {"complete": complete_graph, "swin": window_graph, "logwin": log_window_graph, "oneref": one_to_all_graph}
    cyclic = {"cyclic": not name.endswith("-noncyclic")} if kind in ("swin", "logwin") else {}
    return graph[kind](num_views, *map(int, number), **cyclic)


def test_graphs_agree_with_the_reference(golden_dir):
    graphs = json.loads((golden_dir / "post/pairs.json").read_text())["graphs"]

    for key, expected in graphs.items():
        num_views, name, symmetrized, prefilter = (part.split("=")[-1] for part in key.split("|"))
        pairs = reference_graph(int(num_views), name)
        if symmetrized == "True":
            pairs = symmetrize(pairs)
        if prefilter != "None":
            pairs = keep_neighbours(pairs, int(num_views), int(prefilter[3:]), cyclic=prefilter.startswith("cyc"))

        expected = [tuple(pair) for pair in expected]
        if name.startswith(("swin", "logwin")):  # The reference's order is that of a hash table.
            pairs, expected = sorted(pairs), sorted(expected)
        assert pairs == expected, key
    assert len(graphs) > 80


def test_strategies_by_name_agree_with_the_reference(golden_dir):
    graphs = json.loads((golden_dir / "post/pairs.json").read_text())["graphs"]

    for key, expected in graphs.items():
        num_views, name, symmetrized, prefilter = (part.split("=")[-1] for part in key.split("|"))
        if symmetrized == "True" and prefilter == "None":
            # A window as wide as the set makes the reference pair photos with themselves.
            without_self = {(i, j) for i, j in expected if i != j}
            assert set(make_pairs(int(num_views), name)) == without_self, key


@pytest.mark.parametrize(
    ("alias", "strategy"),
    [
        ("swin", "window"),
        ("swin-2", "window-2"),
        ("swin-2-noncyclic", "window-2-noncyclic"),
        ("logwin-3", "log-window-3"),
        ("logwin-noncyclic", "log-window-3-noncyclic"),
        ("oneref-4", "one-to-all-4"),
        ("oneref", "One-To-All-0"),
    ],
)
def test_the_names_of_the_literature_are_aliases(alias, strategy):
    assert make_pairs(9, alias) == make_pairs(9, strategy)


def test_a_window_wraps_around_unless_told_not_to():
    assert make_pairs(5, "window-1") == symmetrize([(0, 1), (0, 4), (1, 2), (2, 3), (3, 4)])
    assert make_pairs(5, "window-1-noncyclic") == symmetrize([(0, 1), (1, 2), (2, 3), (3, 4)])


def test_one_to_all_pairs_one_photo_with_every_other():
    assert make_pairs(4, "one-to-all-2") == [(2, 0), (2, 1), (2, 3), (0, 2), (1, 2), (3, 2)]


@pytest.mark.parametrize("strategy", ["auto", "complete", "window-2", "log-window", "one-to-all", [(0, 0)], []])
def test_a_single_photo_is_its_own_pair(strategy):
    assert make_pairs(1, strategy) == [(0, 0)]


@pytest.mark.parametrize("strategy", ["auto", "complete", "window-3", "log-window-3", "one-to-all-1", [(1, 0)]])
def test_two_photos_meet_in_both_directions(strategy):
    assert sorted(make_pairs(2, strategy)) == [(0, 1), (1, 0)]


@pytest.mark.parametrize("num_views", [3, 7, 12, 13, 30, 200])
@pytest.mark.parametrize(
    "strategy", ["auto", "complete", "window-2", "window-1-noncyclic", "log-window-4", "log-window-2-noncyclic"]
)
def test_every_pair_comes_once_in_either_direction_and_connects_all_photos(num_views, strategy):
    pairs = make_pairs(num_views, strategy)

    assert len(set(pairs)) == len(pairs)
    assert {(j, i) for i, j in pairs} == set(pairs)
    assert all(i != j for i, j in pairs)
    assert len(connected_parts(num_views, pairs)) == 1


@pytest.mark.parametrize("num_views", [2, 5, 10, 11])
def test_auto_is_complete_for_small_sets(num_views):
    assert make_pairs(num_views) == make_pairs(num_views, "complete")


@pytest.mark.parametrize("num_views", [12, 13, 14, 25, 60, 300, 2000])
def test_auto_gives_every_photo_of_a_large_set_ten_neighbours_near_and_far(num_views):
    neighbours = np.zeros((num_views, num_views), dtype=bool)
    for i, j in make_pairs(num_views, "auto"):
        neighbours[i, j] = True

    assert (neighbours.sum(axis=1) == 10).all()
    assert neighbours[0, [1, 2, 3]].all()
    assert neighbours[0, 4 : num_views - 3].any()


def test_given_pairs_are_taken_in_both_directions_and_once():
    assert make_pairs(3, [(0, 1), (1, 0), (2, 1)]) == [(0, 1), (1, 0), (2, 1), (1, 2)]
    assert make_pairs(3, np.array([[0, 1], [2, 1]])) == [(0, 1), (2, 1), (1, 0), (1, 2)]


@pytest.mark.parametrize(
    "strategy",
    ["everything", "", "window-", "window--2", "complete-3", "auto-noncyclic", "oneref-1-noncyclic", "swin-x"],
)
def test_an_unknown_strategy_is_refused_with_the_choices(strategy):
    with pytest.raises(InputError, match=re.escape(f"Unknown pair strategy {strategy!r}. Choose 'auto', 'complete'")):
        make_pairs(4, strategy)


def test_a_window_of_zero_is_refused():
    with pytest.raises(InputError, match="Choose a window of 1 or more"):
        make_pairs(4, "window-0")


def test_a_reference_photo_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="refers to photo 4, but the 4 photos are numbered from 0 to 3"):
        make_pairs(4, "one-to-all-4")


@pytest.mark.parametrize("pair", [(0, 3), (-1, 2)])
def test_a_pair_out_of_range_is_refused(pair):
    with pytest.raises(
        InputError, match=re.escape(f"Pair {pair} is out of range: the 3 photos are numbered from 0 to 2")
    ):
        make_pairs(3, [(0, 1), pair])


@pytest.mark.parametrize("pairs", [[0, 1], [(0, 1, 2)], [(0.0, 1.0)], ["ab"]])
def test_what_is_not_a_list_of_index_pairs_is_refused(pairs):
    with pytest.raises(InputError, match="Pairs are tuples of two photo indices"):
        make_pairs(3, pairs)


def test_a_disconnected_graph_is_refused_with_its_parts():
    with pytest.raises(InputError, match=r"2 separate parts \(photos 1, 2, 4; photos 0, 3\).*or use 'complete'"):
        make_pairs(5, [(0, 3), (1, 2), (4, 2)])


def test_no_photos_are_refused():
    with pytest.raises(InputError, match="at least one photo"):
        make_pairs(0)


def test_connected_parts_come_largest_first():
    assert connected_parts(6, [(4, 5), (3, 0), (0, 1)]) == [[0, 1, 3], [4, 5], [2]]


def test_retrieval_asks_how_alike_the_photos_are_and_auto_only_for_many():
    def walk(count):
        places = np.arange(count)
        return lambda: -np.abs(places[:, None] - places[None]).astype(float)

    def must_not_be_asked():
        raise AssertionError

    assert make_pairs(4, "retrieval-1", similarity=walk(4)) == [(0, 1), (1, 2), (2, 3), (1, 0), (2, 1), (3, 2)]
    assert make_pairs(40, "auto", similarity=walk(40)) == make_pairs(40, "retrieval", similarity=walk(40))
    assert make_pairs(15, "auto", similarity=must_not_be_asked) == make_pairs(15, "auto")
    assert make_pairs(40, "window", similarity=must_not_be_asked) == make_pairs(40, "window")
    with pytest.raises(InputError, match="similarities"):
        make_pairs(4, "retrieval")
    with pytest.raises(InputError, match="retrieval-0"):
        make_pairs(4, "retrieval-0", similarity=walk(4))
