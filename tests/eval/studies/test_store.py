"""Results that were computed before are not computed again, unless what they depend on changed."""

import math
from pathlib import Path

from pointmap.eval.studies.store import Store


def test_a_result_is_computed_once(tmp_path: Path):
    calls = []

    def compute() -> dict:
        calls.append(1)
        return {"score": 0.5, "unknown": math.nan}

    for _ in range(2):
        assert Store(tmp_path).get("room", ["weights", 1], compute) == {"score": 0.5, "unknown": None}
    assert len(calls) == 1
    Store(tmp_path).get("room", ["weights", 2], compute)
    Store(tmp_path).get("room", ["weights", 2], compute, again=True)
    assert len(calls) == 3


def test_a_failure_and_a_damaged_file_are_computed_again(tmp_path: Path):
    store = Store(tmp_path)

    assert store.get("room", 1, lambda: {"error": "dark"}, keep=lambda row: row["error"] is None) == {"error": "dark"}
    assert store.get("room", 1, lambda: {"error": None}) == {"error": None}
    next(tmp_path.iterdir()).write_text("{")
    assert store.get("room", 1, lambda: {"error": "new"}) == {"error": "new"}
