"""What every writer does with scenes that hold next to nothing, and where it cannot write."""

import os
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from meshes import ball, use_mesh
from scenes import make_scene, without_registration

from pointmap import InputError
from pointmap.extras import is_installed
from pointmap.formats import WRITERS

NEEDS = {"usdz": "pxr"}
SETTINGS = {"glb": {"mesh": True}, "stl": {"watertight": False}}  # a closed surface needs photos of an object


@pytest.fixture(params=WRITERS)
def name(request):
    """Each format, if what it needs is installed."""
    if not is_installed(NEEDS.get(request.param, "numpy")):
        pytest.skip(f"needs {NEEDS[request.param]}")
    return request.param


def one_point():
    scene = make_scene(num_photos=2)
    for depth in scene.depths:
        depth[:] = np.nan
    scene.depths[0][12, 16] = 2.0
    return scene


def no_depth():
    scene = make_scene(num_photos=2)
    return replace(scene, depths=[np.full_like(depth, np.nan) for depth in scene.depths])


def some_not_finite():
    scene = make_scene(num_photos=2)
    scene.depths[0][:5], scene.depths[1][:, 7], scene.depths[1][3] = np.nan, np.inf, -1
    return scene


POOR = {
    "no camera": lambda: without_registration(make_scene(num_photos=2), 0, 1),
    "one camera": lambda: without_registration(make_scene(num_photos=3), 0, 2),
    "one point": one_point,
    "nothing trusted": lambda: make_scene(num_photos=2, confidence=1e-30),
    "no depth": no_depth,
    "some depths not finite": some_not_finite,
}


@pytest.mark.parametrize("make", POOR.values(), ids=POOR)
def test_a_poor_scene_is_a_file_with_little_in_it(name, make, tmp_path):
    path = tmp_path / WRITERS[name].default_name

    assert make().export(path, format=name, **SETTINGS.get(name, {})) == path

    assert path.exists()


@pytest.mark.parametrize(
    ("name", "textured"), [("glb", True), ("glb", False), ("obj", True), ("obj", False), ("ply", False), ("stl", False)]
)
def test_broken_faces_of_a_mesh_are_left_out_by_every_writer(name, textured, tmp_path, monkeypatch):
    mesh = ball(textured=textured)
    mesh.vertices[7], mesh.vertices[20] = np.nan, mesh.vertices[21]  # of no place, and without area
    mesh.faces[30] = [3, 3, 4]
    use_mesh(monkeypatch, mesh)
    settings = {"cloud": False, "cameras": False} if name == "glb" else {"mesh": True} if name == "ply" else {}

    path = make_scene(num_photos=1).export(
        tmp_path / WRITERS[name].default_name, format=name, **SETTINGS.get(name, {}) | settings
    )

    loaded = trimesh.load(path, force="mesh", process=False)
    assert np.isfinite(loaded.vertices).all()
    assert len(loaded.faces) == len(mesh.faces) - (mesh.faces == 7).any(axis=1).sum() - 1


@contextmanager
def full_disk():
    """Files of more than a few bytes cannot be written: every writer, also one in C++, gets an error of the system.

    Nor can the log that pytest itself writes, so the end comes before the test's.
    """
    resource = pytest.importorskip("resource", reason="no limits of file size on this system")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def snapshot(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_full_disk_is_an_input_error_and_the_old_files_stay(name, tmp_path, monkeypatch):
    use_mesh(monkeypatch, ball(textured=name not in ("ply", "stl")))
    scene, path = make_scene(num_photos=2), tmp_path / WRITERS[name].default_name
    scene.export(path, format=name, **SETTINGS.get(name, {}))
    before = snapshot(tmp_path)

    with full_disk(), pytest.raises(InputError, match="Cannot write"):
        scene.export(path, format=name, **SETTINGS.get(name, {}))

    assert snapshot(tmp_path) == before


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_place_that_cannot_be_written_is_an_input_error(name, tmp_path, monkeypatch):
    use_mesh(monkeypatch, ball(textured=name not in ("ply", "stl")))
    (tmp_path / "file").write_text("mine")

    with pytest.raises(InputError, match="Cannot write"):
        make_scene(num_photos=1).export(tmp_path / "file" / WRITERS[name].default_name, format=name)

    assert [path.name for path in tmp_path.rglob("*")] == ["file"]


def test_names_of_any_language_and_new_folders_are_fine(name, tmp_path, monkeypatch):
    use_mesh(monkeypatch, ball(textured=name not in ("ply", "stl")))
    default = WRITERS[name].default_name
    path = tmp_path / "новая папка" / "ü 深" / f"模型 é {default}"

    scene = replace(make_scene(num_photos=2), names=("照片 1.jpg", "ñandú.png"))
    assert scene.export(path, format=name) == path

    assert path.exists()
