"""What the engine claims against COLMAP, judged from rows."""

import pytest

from pointmap.eval.studies.engine import COLMAP, shortfall_table, shortfalls
from pointmap.eval.studies.rows import Row


def rows_of(auto, network, colmap, group="all"):
    """Rows of (registered, AUC@5, AUC@30, seconds) of ten photos."""
    named = {"auto": auto, "network": network, COLMAP: colmap}
    return [
        (group, Row("set", method, 10, registered, auc_5=five, auc_30=thirty, seconds=seconds, pose_seconds=seconds))
        for method, (registered, five, thirty, seconds) in named.items()
    ]


def test_nothing_falls_short_of_itself():
    same = (10, 0.5, 0.9, 10.0)

    assert shortfalls(rows_of(same, same, same)) == []
    assert "everywhere" in shortfall_table([])


@pytest.mark.parametrize(
    ("network", "colmap", "what", "method"),
    [
        ((10, 0.5, 0.95, 10.0), (9, 0.9, 0.9, 10.0), "AUC@30", "network"),
        ((10, 0.5, 0.9, 10.0), (10, 0.6, 0.9, 10.0), "AUC@5", COLMAP),
        ((10, 0.5, 0.9, 10.0), (10, 0.5, 0.9, 8.0), "seconds", COLMAP),
    ],
)
def test_what_one_method_does_better_is_named(network, colmap, what, method):
    (found,) = shortfalls(rows_of((10, 0.5, 0.9, 10.0), network, colmap))

    assert (found.what, found.method) == (what, method)
    assert what in shortfall_table([found])


def test_a_lost_photo_is_named_and_time_counts_only_where_colmap_has_all():
    found = shortfalls(rows_of((7, 0.5, 0.9, 99.0), (7, 0.5, 0.9, 1.0), (8, 0.1, 0.2, 1.0)))

    assert [fall.what for fall in found] == ["registered"]


def test_subsets_of_a_set_are_judged_by_their_mean():
    good, bad = (10, 0.5, 1.0, 1.0), (10, 0.5, 0.8, 1.0)
    rows = rows_of(good, bad, bad, "3") + rows_of(bad, good, bad, "3")

    assert shortfalls(rows) == []
