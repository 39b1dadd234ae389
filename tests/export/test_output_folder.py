import json
from dataclasses import replace

import pytest
from scenes import make_scene, without_registration

from pointmap import Cancelled, InputError, Scene
from pointmap.export.folder import write_outputs

FILES = {"scene.glb", "scene.html", "points.ply", "cameras.json", "scene.npz", "preview.png", "report.json", "depth"}


def test_all_files_are_written_and_listed(tmp_path):
    scene = replace(make_scene(num_photos=2), report={"seconds": {"align": 1.5}})

    written = write_outputs(scene, tmp_path / "out")

    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES
    assert set(written) == {path for path in (tmp_path / "out").rglob("*") if path.is_file()}
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["seconds"] == {"align": 1.5}
    assert {"pointmap", "python", "torch", "numpy"} <= report["versions"].keys()


def test_what_an_earlier_run_left_is_replaced_and_other_files_stay(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    write_outputs(make_scene(num_photos=3), tmp_path, mesh=True)
    assert (tmp_path / "mesh.glb").exists()

    write_outputs(make_scene(num_photos=1), tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == FILES | {"notes.txt"}
    assert {path.name for path in (tmp_path / "depth").iterdir()} == {"photo 0.png", "photo 0.npz", "index.json"}
    assert len(Scene.load(tmp_path / "scene.npz")) == 1


def test_every_interrupted_run_leaves_whole_files_only(tmp_path):
    whole = {path.name: path.stat().st_size for path in write_outputs(make_scene(num_photos=1), tmp_path / "whole")}

    for stop in (0, 1, 4, 6):

        def interrupt(stage, done, total, stop=stop):
            if done == stop:
                raise Cancelled

        out = tmp_path / f"stopped {stop}"
        with pytest.raises(Cancelled):
            write_outputs(make_scene(num_photos=1), out, progress=interrupt)
        for path in out.rglob("*"):
            assert path.is_dir() or path.stat().st_size == whole[path.name]


def test_progress_ends_at_its_total(tmp_path):
    steps = []
    write_outputs(make_scene(num_photos=1), tmp_path, progress=lambda *step: steps.append(step))

    assert steps[0] == ("write files", 0, 8)
    assert steps[-1] == ("write files", 8, 8)


def test_a_scene_without_registered_photos_is_written_as_well(tmp_path):
    scene = without_registration(make_scene(num_photos=2), 0, 1)

    write_outputs(scene, tmp_path, mesh=True)

    assert {path.name for path in tmp_path.iterdir()} == FILES | {"mesh.glb"}


def test_an_output_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "out").write_text("mine")

    with pytest.raises(InputError, match="is a file"):
        write_outputs(make_scene(num_photos=1), tmp_path / "out")
    with pytest.raises(InputError, match="Cannot write into the output folder"):
        write_outputs(make_scene(num_photos=1), tmp_path / "out" / "below")

    assert (tmp_path / "out").read_text() == "mine"
