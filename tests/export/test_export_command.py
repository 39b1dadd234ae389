import sys

import numpy as np
import pytest
import trimesh
from meshes import ball, use_mesh
from scenes import make_scene

from pointmap import InputError, cli
from pointmap.formats import WRITERS


@pytest.fixture
def folder(tmp_path):
    """A finished scene."""
    make_scene(num_photos=2).save(tmp_path / "scene.npz")
    return tmp_path


@pytest.fixture
def run(monkeypatch):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["pointmap", "export", *map(str, arguments)])
        cli.main()

    return run


def fails(run, capsys, *arguments):
    """The message of a call that ends with code 2."""
    with pytest.raises(SystemExit) as stop:
        run(*arguments)
    assert stop.value.code == 2
    return capsys.readouterr().err


def test_a_format_by_name_is_written_beside_the_scene(folder, run, capsys):
    run(folder, "--format", "ply")

    assert str(folder / "points.ply") in capsys.readouterr().out
    assert len(trimesh.load(folder / "points.ply").vertices) == len(make_scene(num_photos=2).point_cloud().vertices)


def test_an_output_chooses_the_format_by_its_ending(folder, run, monkeypatch):
    use_mesh(monkeypatch, ball(textured=True))

    run(folder / "scene.npz", "-o", folder / "surface.glb", "--mesh")

    assert set(trimesh.load(folder / "surface.glb").geometry) == {"mesh"}


def test_a_glb_holds_what_is_named(folder, run, monkeypatch):
    use_mesh(monkeypatch, ball(textured=True))

    run(folder, "-o", folder / "new" / "all.glb", "--mesh", "--cloud", "--cameras")
    run(folder, "--format", "glb", "--mesh")

    assert set(trimesh.load(folder / "new" / "all.glb").geometry) == {"mesh", "cloud", "cameras", "photos"}
    assert set(trimesh.load(folder / "mesh.glb").geometry) == {"mesh"}


def test_several_formats_are_written_at_once_each_with_the_settings_it_knows(folder, run, capsys):
    run(folder, "--format", "ply", "tum", "depth", "--max-points", 50, "-o", folder / "out")

    assert {path.name for path in (folder / "out").iterdir()} == {"points.ply", "trajectory.txt", "depth"}
    assert len(trimesh.load(folder / "out" / "points.ply").vertices) == 50
    assert capsys.readouterr().out.count("Wrote") == 3


def test_settings_reach_the_writer(folder, run, monkeypatch):
    seen = {}
    monkeypatch.setattr("pointmap.export.glb.write_glb", lambda scene, path, **settings: seen.update(settings) or path)
    monkeypatch.setattr(type(WRITERS["glb"]), "settings", ["watertight", "target_faces", "consistency", "mask_sky"])

    run(folder, "-o", "x.glb", "--watertight", "--target-faces", 9, "--consistency", 0.02, "--mask-sky")

    assert seen == {"watertight": True, "target_faces": 9, "consistency": 0.02, "mask_sky": True}


def test_an_existing_output_asks_for_overwrite_and_stays(folder, run, capsys):
    (folder / "points.ply").write_text("mine")
    (folder / "depth").mkdir()
    (folder / "depth" / "a.txt").write_text("mine")

    message = fails(run, capsys, folder, "--format", "tum", "ply", "depth")

    assert "--overwrite" in message
    assert str(folder / "points.ply") in message
    assert str(folder / "depth") in message
    assert (folder / "points.ply").read_text() == "mine"
    assert not (folder / "trajectory.txt").exists()
    run(folder, "--format", "tum", "ply", "depth", "--overwrite")
    assert (folder / "points.ply").read_bytes().startswith(b"ply")
    assert (folder / "depth" / "a.txt").read_text() == "mine"


def test_a_picture_that_an_obj_would_replace_counts_as_its_output(folder, run, capsys):
    (folder / "mesh.png").write_text("mine")

    assert "mesh.png" in fails(run, capsys, folder, "--format", "obj")


def test_one_format_that_fails_does_not_stop_the_others(folder, run, capsys, monkeypatch):
    def refuse(*arguments, **settings):
        raise InputError("The disk is tired.")

    monkeypatch.setattr("pointmap.export.tum.write_tum", refuse)

    message = fails(run, capsys, folder, "--format", "tum", "ply")

    assert "tum: The disk is tired." in message
    assert "1 of 2 formats" in message
    assert (folder / "points.ply").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--format"),
        (("-o", "x.abc"), "glb, ply"),
        (("-o", "folder"), "glb, ply"),
        (("--format", "plyx"), "no format 'plyx'"),
        (("--format", "tum", "--max-points", "5"), "--max-points means nothing to tum"),
        (("--format", "tum", "ply", "-o", "x.ply"), "names a folder"),
        (("--format", "ply", "--max-points", "0"), "max_points is 0"),
        (("--format", "ply", "-o", "scene.npz/x.ply"), "Cannot write"),
    ],
)
def test_mistakes_end_with_code_2_and_a_message(folder, run, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(folder)

    assert message in fails(run, capsys, folder, *arguments)
    assert [path.name for path in folder.iterdir()] == ["scene.npz"]


def test_no_scene_is_a_mistake_too(tmp_path, run, capsys):
    assert str(tmp_path / "absent") in fails(run, capsys, tmp_path / "absent", "--format", "ply")


def test_the_help_names_every_format(run, capsys):
    with pytest.raises(SystemExit) as stop:
        run("--help")

    text = capsys.readouterr().out
    assert stop.value.code == 0
    words = set("".join(c if c.isalnum() else " " for c in text).split())
    assert set(WRITERS) <= words


def test_depth_takes_its_own_settings(folder, run):
    pytest.importorskip("OpenEXR", reason="needs OpenEXR: pip install 'pointmap[exr]'")

    run(folder, "--format", "depth", "--exr", "-q")

    assert len(list((folder / "depth").glob("*.exr"))) == 2
    assert np.load(next((folder / "depth").glob("*.npz")))["depth"].shape == (24, 32)


@pytest.mark.parametrize("other", ["colmap", "nerfstudio"])
def test_what_other_tools_wrote_is_a_scene_too(tmp_path, run, other):
    scene = make_scene(scale=4, num_photos=3)
    scene.export(tmp_path / other, format=other)

    run(tmp_path / other, "--format", "tum", "-q")

    poses = np.loadtxt(tmp_path / other / "trajectory.txt")
    np.testing.assert_allclose(poses[:, 1:4], scene.world_from_cam[:, :3, 3], atol=1e-4)
