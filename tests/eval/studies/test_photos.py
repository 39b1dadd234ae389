"""Scoring sets of photos with cameras.json, with stand-ins for the reconstruction."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scenes import make_scene

import pointmap
from pointmap.errors import InputError
from pointmap.eval.ground_truth import load_ground_truth
from pointmap.eval.studies.photos import cells, evaluate_photos, evaluate_set
from pointmap.export.cameras import cameras_dict
from pointmap.scene import Scene

ROOT = Path(__file__).parents[3]


@pytest.fixture
def truth_scene() -> Scene:
    return make_scene(num_photos=5)


@pytest.fixture
def folder(tmp_path: Path, truth_scene: Scene) -> Path:
    """A set whose cameras.json holds the cameras of `truth_scene`."""
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "cameras.json").write_text(json.dumps(cameras_dict(truth_scene)))
    return tmp_path / "room"


def moved(scene: Scene) -> Scene:
    """The same scene in another world frame, twice as large."""
    world_from_cam = scene.world_from_cam.copy()
    world_from_cam[:, :3, 3] = 2 * world_from_cam[:, :3, 3] + 5
    return replace(scene, world_from_cam=world_from_cam)


def test_the_truth_is_read_back_from_cameras_json(folder: Path, truth_scene: Scene):
    truth = load_ground_truth(folder)

    np.testing.assert_allclose(truth.world_from_cam, truth_scene.world_from_cam, atol=1e-9)
    np.testing.assert_allclose(truth.intrinsics, truth_scene.intrinsics)
    assert truth.files[2] == folder / "photo 2.jpg"


def test_a_null_pose_is_unknown(folder: Path, truth_scene: Scene):
    content = cameras_dict(truth_scene)
    content["images"][1]["cam_from_world"] = None
    (folder / "cameras.json").write_text(json.dumps(content))

    truth = load_ground_truth(folder)

    assert truth.posed.tolist() == [True, False, True, True, True]
    assert [file.name for file in truth.spread(3).files] == ["photo 0.jpg", "photo 3.jpg", "photo 4.jpg"]


@pytest.mark.parametrize("content", ["{", "[]", '{"images": [{"file": "a.jpg"}]}'])
def test_a_file_of_another_format_is_refused(tmp_path: Path, content: str):
    (tmp_path / "cameras.json").write_text(content)

    with pytest.raises(InputError, match=r"cam_from_world"):
        load_ground_truth(tmp_path)


def test_a_folder_without_cameras_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"cameras\.json"):
        load_ground_truth(tmp_path)


def test_photos_are_chosen_evenly_from_first_to_last(folder: Path):
    truth = load_ground_truth(folder)

    assert [file.name for file in truth.spread(3).files] == ["photo 0.jpg", "photo 2.jpg", "photo 4.jpg"]
    assert len(truth.spread(8).files) == 5


def test_the_true_scene_in_another_frame_scores_one_and_standing_still_does_not(folder: Path, truth_scene: Scene):
    ours, identity = evaluate_set(folder, lambda files: moved(truth_scene), method="small", count=8)

    assert (ours.rra_15, ours.rta_15, ours.auc_30, ours.registered) == (1, 1, 1, 5)
    assert ours.ate < 1e-6
    assert ours.focal_error < 1e-9
    assert identity.method == "identity"
    assert identity.rta_15 == identity.auc_30 == 0


def test_photos_are_compared_by_name_and_a_missing_one_counts_as_wrong(folder: Path, truth_scene: Scene):
    def reconstruct(files: list[Path]) -> Scene:
        """The last photo was skipped, the first could not be registered, and the order is another."""
        assert [file.name for file in files] == [f"photo {i}.jpg" for i in range(5)]
        order = [3, 2, 1, 0]
        lists = {name: [getattr(truth_scene, name)[i] for i in order] for name in ("depths", "confidences", "colors")}
        tuples = {name: tuple(getattr(truth_scene, name)[i] for i in order) for name in ("names", "paths")}
        arrays = {
            name: getattr(truth_scene, name)[order].copy()
            for name in ("image_sizes", "intrinsics", "world_from_cam", "working_intrinsics", "registered")
        }
        arrays["world_from_cam"][3] = np.nan
        arrays["registered"][3] = False
        return replace(truth_scene, **lists, **tuples, **arrays)

    ours, _ = evaluate_set(folder, reconstruct, method="small", count=8)

    assert ours.registered == 3
    assert ours.rra_15 == ours.rta_15 == ours.auc_30 == pytest.approx(3 / 10)


@pytest.mark.parametrize("error", [InputError("too dark"), RuntimeError("too dark")])
def test_a_failing_set_becomes_a_row_that_says_why(folder: Path, error: Exception):
    def reconstruct(files: list[Path]) -> Scene:
        raise error

    ours, identity = evaluate_set(folder, reconstruct, method="small", count=8)

    assert ours.error == f"{type(error).__name__}: too dark"
    assert cells(ours) == ["room", "small", "5", "failed", *["-"] * 6]
    assert identity.error is None


def test_a_set_without_poses_shows_dashes(folder: Path, truth_scene: Scene):
    content = cameras_dict(truth_scene)
    for entry in content["images"]:
        entry["cam_from_world"] = None
    (folder / "cameras.json").write_text(json.dumps(content))

    ours, _ = evaluate_set(folder, lambda files: truth_scene, method="small", count=8)

    assert cells(ours)[2:7] == ["5", "5", "-", "-", "-"]


def test_a_broken_set_does_not_stop_the_others_and_all_is_written(
    folder: Path, truth_scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    monkeypatch.setitem(vars(pointmap), "load_model", lambda *args, **settings: "network")
    monkeypatch.setitem(vars(pointmap), "reconstruct", lambda files, **settings: moved(truth_scene))

    evaluate_photos(("nowhere", "room"), data=folder.parent, output=tmp_path / "out")

    rows = json.loads((tmp_path / "out" / "photos.json").read_text())["rows"]
    assert [(row["set"], row["method"], row["auc_30"]) for row in rows] == [
        ("nowhere", "small", None),
        ("room", "small", 1.0),
        ("room", "identity", 0.0),
    ]
    assert "cameras.json" in rows[0]["error"]
    assert "1.000" in capsys.readouterr().out


def test_the_real_sets_have_poses_for_all_their_photos(shared_dir: Path):
    for name, count in {"fox": 25, "lund_door": 12, "buddha": 13, "hololens_sofa": 44, "motorcycle": 2}.items():
        truth = load_ground_truth(shared_dir / "data" / name)
        assert (len(truth.files), truth.posed.sum()) == (count, count)
        assert all(file.is_file() for file in truth.files)


def test_it_runs_as_a_script_and_tells_a_wrong_folder_in_one_line(tmp_path: Path):
    command = [sys.executable, "eval/studies/photos.py", "--data", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "--data" in done.stderr
    assert "Traceback" not in done.stderr
