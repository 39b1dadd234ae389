"""`pointmap eval`, `benchmarks`, `report` and `compare`."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from miniatures.photos import write

from pointmap.cli import USER_ERROR, main

SETS = ("attic", "cellar", "hall", "room")


def run(monkeypatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["pointmap", *map(str, arguments)])
    main()


def values(output: Path, method: str) -> dict[str, dict]:
    """Scene -> scores."""
    files = sorted(output.glob(f"photos/few/{method}/scenes/*.json"))
    return {file.stem: json.loads(file.read_text())["values"] for file in files}


def test_a_table_is_printed_and_kept(monkeypatch, capsys, tmp_path: Path):
    write(tmp_path / "data", sets=("room",))

    run(monkeypatch, "eval", "photos", "--root", tmp_path / "data", "-o", tmp_path / "out", "--method", "identity")

    shown = capsys.readouterr()
    assert "identity" in shown.out
    assert "AUC@30" in shown.out
    assert "1/1 room" in shown.err
    assert (tmp_path / "out" / "runs.csv").is_file()


def test_a_report_is_made_of_what_is_stored(monkeypatch, capsys, tmp_path: Path):
    write(tmp_path / "data", sets=("attic", "room"))
    out = tmp_path / "out"
    run(monkeypatch, "eval", "photos", "--root", tmp_path / "data", "-o", out, "-q", "--method", "identity", "two-view")

    run(monkeypatch, "report", out)
    run(monkeypatch, "report", out, "--markdown", tmp_path / "RESULTS.md")
    run(monkeypatch, "compare", out / "photos" / "few" / "identity", out / "photos" / "few" / "two-view")

    assert (out / "report" / "index.html").is_file()
    assert "two-view" in (tmp_path / "RESULTS.md").read_text()
    assert "AUC@30" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["atlantis"], "procedural, photos"),
        (["dtu"], "--root"),
        (["procedural", "--protocol", "atlantis"], "poses-depth"),
        (["procedural", "--method", "atlantis"], "two-view"),
        (["procedural", "--workers", "0"], "at least 1"),
        (["procedural", "--ray-address", "auto"], "--executor ray"),
    ],
)
def test_mistakes_end_with_code_2_and_a_message(monkeypatch, capsys, tmp_path: Path, arguments: list, message: str):
    with pytest.raises(SystemExit) as end:
        run(monkeypatch, "eval", *arguments, "-o", tmp_path)

    assert end.value.code == USER_ERROR
    assert message in capsys.readouterr().err


def test_benchmarks_are_listed_and_described(monkeypatch, capsys):
    run(monkeypatch, "benchmarks")
    run(monkeypatch, "benchmarks", "7scenes")

    shown = capsys.readouterr().out
    assert "robustmvd" in shown
    assert "licence" in shown
    assert "frame-" in shown


def test_other_programs_are_told_the_photos_and_scored_by_what_they_save(monkeypatch, capsys, tmp_path: Path):
    write(tmp_path / "data", sets=("attic", "room"))
    where = ["photos", "--root", tmp_path / "data", "-o", tmp_path / "out"]
    (tmp_path / "predictions").mkdir()

    run(monkeypatch, "benchmarks", *where, "--inputs", tmp_path / "inputs.json")
    text = (tmp_path / "inputs.json").read_text()
    for name, scene in json.loads(text)["scenes"].items():
        assert all(Path(photo).is_file() for photo in scene["photos"])
        poses = np.tile(np.eye(4), (len(scene["photos"]), 1, 1))
        np.savez(tmp_path / "predictions" / f"{name}.npz", world_from_cam=poses)
    run(monkeypatch, "eval", *where, "--method", f"saved:folder={tmp_path / 'predictions'},name=theirs")

    assert "depth" not in text
    assert "theirs" in capsys.readouterr().out
    assert len(list(tmp_path.glob("out/photos/few/theirs/scenes/*.json"))) == 2


def test_the_list_of_commands_names_files_that_are_there():
    listed = subprocess.run([sys.executable, "-m", "pointmap", "--help"], capture_output=True, text=True, check=True)

    assert "eval" in listed.stdout
    assert "benchmarks" in listed.stdout


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT], ids=["kill -9", "Ctrl-C"])
def test_an_interrupted_run_goes_on_to_the_same_numbers(ending: signal.Signals, tmp_path: Path):
    write(tmp_path / "data", sets=SETS, views=4, size=(240, 320))
    command = [sys.executable, "-m", "pointmap", "eval", "photos", "--root", tmp_path / "data", "--workers", "1"]
    command += ["--method", "two-view"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([*command, "-o", tmp_path / "whole"], env=environment, check=True, capture_output=True)

    cut = tmp_path / "cut"
    started = subprocess.Popen([*command, "-o", cut], env=environment, stderr=subprocess.PIPE, start_new_session=True)
    deadline = time.monotonic() + 60
    while not values(cut, "two-view") and time.monotonic() < deadline:
        time.sleep(0.01)
    started.send_signal(ending)
    _, told = started.communicate(timeout=30)
    before = {path: path.stat().st_mtime_ns for path in cut.glob("photos/few/two-view/scenes/*.json")}
    finished = subprocess.run([*command, "-o", cut], env=environment, check=True, capture_output=True, text=True)

    assert started.returncode != 0
    assert 1 <= len(before) < len(SETS), "the run was over before it could be ended"
    assert all(path.stat().st_mtime_ns == written for path, written in before.items())
    assert f"{len(before)} of them stored before" in finished.stderr
    assert values(cut, "two-view") == values(tmp_path / "whole", "two-view")
    if ending == signal.SIGINT:
        assert b"continues where it stopped" in told
