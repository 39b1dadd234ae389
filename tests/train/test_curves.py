import json
import math
from pathlib import Path

import pytest

from pointmap.train.curves import read_curves, write_curves


@pytest.fixture
def output(tmp_path) -> Path:
    """A run that went back from step 3 to step 1, and was killed while it wrote its log."""
    steps = [1, 2, 3, 2, 3]
    lines = [{"step": s, "pairs": 10 * s, "total": 5.0 - i, "rays": 0.0} for i, s in enumerate(steps)]
    lines[0]["total"] = math.nan
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, lines)) + '\n{"step": 4, "pa')
    history = [
        {"step": 2, "pairs": 20, "rotation_deg": 30.0, "match_px": math.nan, "sofa": {"rotation_deg": 60.0}},
        {"step": 3, "pairs": 30, "rotation_deg": 3.0, "match_px": 2.5, "sofa": {"rotation_deg": 50.0}},
    ]
    (tmp_path / "run.json").write_text(json.dumps({"history": history}))
    return tmp_path


def test_curves_of_training_follow_the_run_as_it_came_to_be(output):
    training = read_curves(output)["training"]

    assert training["total"] == {"pairs": [10, 20, 30], "values": [None, 2.0, 1.0]}


def test_curves_of_validation_are_those_of_worlds_and_of_each_folder(output):
    curves = read_curves(output)

    assert curves["worlds"]["rotation_deg"] == {"pairs": [20, 30], "values": [30.0, 3.0]}
    assert curves["worlds"]["match_px"] == {"pairs": [20, 30], "values": [None, 2.5]}
    assert curves["sofa"] == {"rotation_deg": {"pairs": [20, 30], "values": [60.0, 50.0]}}


def test_curves_are_written_as_plain_json_and_as_a_picture(output):
    pytest.importorskip("matplotlib")

    write_curves(output)

    assert json.loads((output / "curves.json").read_text(), parse_constant=pytest.fail) == read_curves(output)
    assert (output / "curves.png").read_bytes()[1:4] == b"PNG"


def test_without_matplotlib_there_are_the_numbers(output, monkeypatch, caplog):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)

    write_curves(output)

    assert sorted(path.name for path in output.iterdir()) == ["curves.json", "log.jsonl", "run.json"]
    assert "needs matplotlib" in caplog.text


def test_a_run_that_has_just_begun_has_no_curves(tmp_path):
    write_curves(tmp_path)

    assert json.loads((tmp_path / "curves.json").read_text()) == {}
    assert not (tmp_path / "curves.png").exists()
