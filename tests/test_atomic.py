import pytest

from pointmap import InputError
from pointmap.atomic import atomic_path, write_bytes, write_together


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = write_bytes(tmp_path / "points.ply", b"old")

    def write_until_interrupted():
        with atomic_path(path) as temporary:
            temporary.write_bytes(b"half of the ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_until_interrupted()

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_missing_folders_are_created(tmp_path):
    assert write_bytes(tmp_path / "a" / "b" / "c.bin", b"new").read_bytes() == b"new"


def test_the_longest_allowed_name_can_be_written(tmp_path):
    assert write_bytes(tmp_path / ("x" * 251 + ".png"), b"new").exists()


@pytest.mark.parametrize("target", ["a file/points.ply", "a folder"])
def test_what_the_system_refuses_is_an_input_error(tmp_path, target):
    (tmp_path / "a file").touch()
    (tmp_path / "a folder").mkdir()

    with pytest.raises(InputError, match=f"Cannot write .*{target}"):
        write_bytes(tmp_path / target, b"new")

    assert {path.name for path in tmp_path.iterdir()} == {"a file", "a folder"}


def test_files_that_need_each_other_stay_the_old_ones_until_all_are_written(tmp_path):
    old = {tmp_path / name: b"old" for name in ("mesh.obj", "mesh.mtl")}
    write_together(old)

    (tmp_path / "a file").touch()
    with pytest.raises(InputError, match="Cannot write"):
        write_together({**dict.fromkeys(old, b"new"), tmp_path / "a file" / "mesh.png": b"new"})

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "mesh.obj": b"old",
        "mesh.mtl": b"old",
        "a file": b"",
    }


def test_the_file_that_refers_to_the_others_takes_its_place_last(tmp_path, monkeypatch):
    places = []
    monkeypatch.setattr("os.replace", lambda source, target: places.append(target.name))

    write_together({tmp_path / name: b"" for name in ("mesh.obj", "mesh.mtl", "mesh.png")})

    assert places[-1] == "mesh.obj"
