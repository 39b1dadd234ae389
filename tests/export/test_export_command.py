import sys

import pytest
import trimesh
from scenes import make_scene

from pointmap import cli


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["pointmap", "export", *map(str, arguments)])
    cli.main()


def test_a_format_by_name_is_written_beside_the_scene(tmp_path, monkeypatch, capsys):
    scene = make_scene(num_photos=2)
    scene.save(tmp_path / "scene.npz")

    run(monkeypatch, tmp_path, "--format", "ply")

    assert str(tmp_path / "points.ply") in capsys.readouterr().out
    assert len(trimesh.load(tmp_path / "points.ply").vertices) == len(scene.point_cloud().vertices)


def test_an_output_chooses_the_format_by_its_ending(tmp_path, monkeypatch):
    path = make_scene(num_photos=2).save(tmp_path / "scene.npz")

    run(monkeypatch, path, "-o", tmp_path / "surface.glb", "--mesh")

    assert set(trimesh.load(tmp_path / "surface.glb").geometry) == {"mesh"}


@pytest.mark.parametrize(
    ("arguments", "message"), [((), "--format"), (("-o", "x.abc"), "glb, ply"), (("--format", "ply"), "")]
)
def test_mistakes_end_with_code_2_and_a_message(tmp_path, monkeypatch, capsys, arguments, message):
    if message:
        make_scene(num_photos=1).save(tmp_path / "scene.npz")

    with pytest.raises(SystemExit) as stop:
        run(monkeypatch, tmp_path, *arguments)

    assert stop.value.code == 2
    assert message in capsys.readouterr().err
