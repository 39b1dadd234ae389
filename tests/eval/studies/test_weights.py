"""The whole table, on a tiny set, with stand-ins for network and reconstruction."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from scenes import make_scene

import pointmap
from pointmap.eval.studies import real_sets, weights
from pointmap.eval.studies.real_sets import SetSettings
from pointmap.export.cameras import cameras_dict
from pointmap.scene import Scene

ROOT = Path(__file__).parents[3]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two sets, of which one fails; weights "good" find the true cameras."""
    scene = make_scene(num_photos=5)
    for name in ("room", "dark"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cameras.json").write_text(json.dumps(cameras_dict(scene)))

    def reconstruct(files: list[Path], **settings: object) -> Scene:
        if files[0].parent.name == "dark":
            raise RuntimeError("too dark")
        return scene

    monkeypatch.setitem(vars(pointmap), "load_model", lambda *args, **settings: torch.nn.Identity())
    monkeypatch.setattr(weights, "network_fingerprint", lambda network: "good")
    monkeypatch.setattr(real_sets, "network_fingerprint", lambda network: "good")
    monkeypatch.setattr(real_sets.evaluate_network, "__kwdefaults__", {"preview": None, "reconstruct": reconstruct})
    return tmp_path


def evaluate(data: Path) -> weights.Report:
    settings = SetSettings(sizes=(3,), subsets=2)
    return weights.evaluate_weights(
        data, output=data / "out", model="good", settings=settings, pairs=0, scenes=0, colmap=False, previews=True
    )


def test_a_failing_set_counts_as_wrong_and_the_rest_goes_on(data: Path, capsys: pytest.CaptureFixture):
    report = evaluate(data)

    found = {(row.set, row.method, group): row for group, row in report.sets}
    assert found["room", "good", "all"].auc_30 == found["room", "good", "3"].auc_30 == 1
    assert found["room", "identity", "all"].auc_30 == 0
    assert found["dark", "good", "all"].error == "RuntimeError: too dark"
    assert found["dark", "good", "all"].auc_30 == 0
    means = [
        line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines() if line.startswith("| mean of sets")
    ]
    assert [[text.strip() for text in line] for line in means] == [
        ["mean of sets", "good", "50.0", "50.0"],
        ["mean of sets", "identity", "0.0", "0.0"],
    ]


def test_table_previews_and_results_are_files_and_a_second_run_computes_nothing(
    data: Path, monkeypatch: pytest.MonkeyPatch
):
    evaluate(data)
    (data / "dark" / "cameras.json").unlink()
    monkeypatch.setattr(real_sets, "reconstruct_and_score", None)  # may not be called

    evaluate(data)

    content = json.loads((data / "out" / "weights.json").read_text())
    assert {row["set"] for row in content["sets"]} == {"room"}
    assert (data / "out" / "weights.md").read_text().startswith("| set ")
    assert (data / "out" / "previews" / "room-good.png").is_file()


def test_it_runs_as_a_script_and_tells_a_wrong_folder_in_one_line(tmp_path: Path):
    command = [
        sys.executable,
        "eval/studies/weights.py",
        str(tmp_path),
        "--no-colmap",
        "--sets",
        "nowhere",
        "--pairs",
        "0",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "nowhere" in done.stderr
    assert "Traceback" not in done.stderr
