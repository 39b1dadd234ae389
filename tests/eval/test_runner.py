"""Runs are stored scene by scene, go on where they were, and say what failed."""

import csv
import json
import math
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from miniatures.photos import write

from pointmap.errors import InputError
from pointmap.eval.choices import choose_methods, make_executor
from pointmap.eval.methods.method import MethodSpec
from pointmap.eval.methods.saved import save_prediction
from pointmap.eval.results import load_run, load_runs
from pointmap.eval.runner import evaluate
from pointmap.eval.scene_run import RunSettings, SceneJob
from pointmap.executor import LocalExecutor, Outcome

SETS = ("alcove", "room")
IDENTITY = MethodSpec.parse("identity")


@pytest.fixture
def settings(tmp_path: Path) -> RunSettings:
    """Two sets of photos."""
    write(tmp_path / "data", sets=SETS, views=3)
    return RunSettings("photos", "", tmp_path / "data", tmp_path / "results")


class Counting:
    """Remembers what it was asked to run."""

    def __init__(self, stop_after: int = 10**6) -> None:
        self.scenes: list[str] = []
        self.stop_after = stop_after

    def run(self, work, tasks: Sequence[SceneJob]) -> Generator[Outcome, None, None]:
        for outcome in LocalExecutor().run(work, tasks):
            if len(self.scenes) == self.stop_after:
                raise KeyboardInterrupt
            self.scenes.append(tasks[outcome.index].scene)
            yield outcome


def test_a_run_is_a_folder_with_a_file_and_a_picture_per_scene(settings: RunSettings):
    (run,) = evaluate(settings, [IDENTITY])

    folder = settings.output / "photos" / "few" / "identity"
    assert {path.name for path in (folder / "scenes").iterdir()} == {
        f"{name}.{end}" for name in SETS for end in ("json", "jpg")
    }
    assert [record.scene for record in run.scenes] == list(SETS)
    stored = json.loads((folder / "run.json").read_text())
    assert stored["summary"]["auc_30"]["value"] == run.summary["auc_30"].value == 0
    assert stored["versions"]["pointmap"]
    assert stored["seed"] == 0
    assert str(settings.root) not in (folder / "run.json").read_text()
    again = load_run(folder)
    assert again.scenes == run.scenes
    assert again.summary == run.summary


def test_there_is_one_row_per_run(settings: RunSettings):
    evaluate(settings, [IDENTITY])
    evaluate(replace(settings, protocol="many"), [IDENTITY])

    with (settings.output / "runs.csv").open() as file:
        rows = list(csv.DictReader(file))

    assert [(row["protocol"], row["method"], row["scenes"]) for row in rows] == [
        ("few", "identity", "2"),
        ("many", "identity", "2"),
    ]
    assert float(rows[0]["auc_30"]) == 0


def test_what_is_stored_is_not_computed_again(settings: RunSettings):
    evaluate(settings, [IDENTITY])
    counting = Counting()

    (run,) = evaluate(settings, [IDENTITY], counting)

    assert counting.scenes == []
    assert len(run.scenes) == 2


def test_after_an_interruption_the_rest_is_computed(settings: RunSettings):
    with pytest.raises(KeyboardInterrupt):
        evaluate(settings, [IDENTITY], Counting(stop_after=1))
    (half,) = load_runs(settings.output)
    counting = Counting()
    (run,) = evaluate(settings, [IDENTITY], counting)

    assert (len(half.scenes), half.expected) == (1, SETS)
    assert counting.scenes == ["room"]
    assert [record.scene for record in run.scenes] == list(SETS)


def test_sets_of_the_same_name_elsewhere_are_other_scenes(settings: RunSettings, tmp_path: Path):
    evaluate(settings, [IDENTITY])
    write(tmp_path / "elsewhere", sets=SETS, views=4)
    counting = Counting()

    (run,) = evaluate(replace(settings, root=tmp_path / "elsewhere"), [IDENTITY], counting)

    assert counting.scenes == list(SETS)
    assert [record.views for record in run.scenes] == [4, 4]


@pytest.mark.parametrize("change", [{"seed": 1}, {"threads": 2}])
def test_other_settings_are_other_results(settings: RunSettings, change: dict):
    evaluate(settings, [IDENTITY])
    counting = Counting()

    evaluate(replace(settings, **change), [IDENTITY], counting)

    assert counting.scenes == list(SETS)


def test_a_failed_scene_is_told_counts_as_wrong_and_is_tried_again(settings: RunSettings, tmp_path: Path):
    predictions = tmp_path / "predictions"
    save_prediction(predictions / "alcove.npz", world_from_cam=np.tile(np.eye(4), (3, 1, 1)))
    saved = MethodSpec.parse(f"saved:folder={predictions},name=theirs")
    lines: list[str] = []

    (run,) = evaluate(settings, [saved], tell=lines.append)

    assert [record.scene for record in run.failed] == ["room"]
    assert any("room.npz" in line for line in lines)
    assert run.scenes[1].values["rotation_deg"] == 180
    assert math.isnan(run.scenes[1].values["absrel"])
    save_prediction(predictions / "room.npz", world_from_cam=np.tile(np.eye(4), (3, 1, 1)))
    (run,) = evaluate(settings, [saved])
    assert run.failed == ()


def test_a_photo_that_cannot_be_read_fails_its_scene_alone(settings: RunSettings):
    (settings.root / "alcove" / "images" / "1.png").unlink()

    (run,) = evaluate(settings, [IDENTITY])

    assert [record.scene for record in run.failed] == ["alcove"]
    assert "1.png" in (run.failed[0].error or "")


def test_scenes_can_be_chosen(settings: RunSettings):
    (run,) = evaluate(replace(settings, only=("room",)), [IDENTITY])

    assert run.expected == ("room",)


def test_chosen_scenes_join_those_that_are_stored(settings: RunSettings):
    evaluate(settings, [IDENTITY])
    counting = Counting()

    (run,) = evaluate(replace(settings, only=("room",)), [IDENTITY], counting)
    (other,) = evaluate(replace(settings, only=("room",), seed=1), [IDENTITY])

    assert counting.scenes == []
    assert run.expected == SETS
    assert other.expected == ("room",)


def test_workers_find_what_one_process_finds(settings: RunSettings):
    (alone,) = evaluate(settings, [MethodSpec.parse("two-view")])
    (together,) = evaluate(
        replace(settings, output=settings.output / "again"),
        [MethodSpec.parse("two-view")],
        make_executor("local", 2, 1),
    )

    assert [record.values for record in alone.scenes] == [
        pytest.approx(record.values, nan_ok=True) for record in together.scenes
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"benchmark": "atlantis"}, "7scenes"),
        ({"protocol": "atlantis"}, "few, many, sparse"),
        ({"only": ("atlantis",)}, "alcove, room"),
    ],
)
def test_what_there_is_not_is_named_with_what_there_is(settings: RunSettings, change: dict, message: str):
    with pytest.raises(InputError, match=message):
        evaluate(replace(settings, **change), [IDENTITY])


def test_one_name_for_two_methods_is_refused(settings: RunSettings):
    with pytest.raises(InputError, match="identity, identity"):
        evaluate(settings, [IDENTITY, IDENTITY])


def test_networks_stand_side_by_side_and_only_ours_has_them(settings: RunSettings):
    specs = choose_methods(settings, ("pointmap", "identity"), ("small", "tiny"), lambda line: None)

    assert [(spec.kind, spec.options.get("network")) for spec in specs] == [
        ("pointmap", "small"),
        ("pointmap", "tiny"),
        ("identity", None),
    ]


def test_results_of_nothing_are_a_clear_error(tmp_path: Path):
    with pytest.raises(InputError, match="No folder"):
        load_runs(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"run\.json"):
        load_runs(tmp_path)


def test_a_damaged_file_is_named(settings: RunSettings):
    (run,) = evaluate(settings, [IDENTITY])
    (run.folder / "run.json").write_text('{"format": 1}')

    with pytest.raises(InputError, match=r"run\.json.*damaged"):
        load_run(run.folder)
