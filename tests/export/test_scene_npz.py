import pickle
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from scenes import make_scene, without_registration

from pointmap import InputError, Scene


def test_a_loaded_scene_equals_the_saved_one(tmp_path):
    scene = without_registration(make_scene(num_photos=3), 1)
    scene = replace(
        scene,
        names=("ä b.jpg", "sub/2.png", "照片.heic"),
        paths=(None, Path("sub/2.png"), None),
        metric=True,
        report={"seconds": {"align": 1.5}, "skipped": ["x.txt"]},
    )

    loaded = Scene.load(scene.save(tmp_path / "scene.npz"))

    for field in fields(Scene):
        before, after = getattr(scene, field.name), getattr(loaded, field.name)
        if isinstance(before, np.ndarray):
            before, after = [before], [after]
        if isinstance(before, list):
            for one, other in zip(before, after, strict=True):
                np.testing.assert_array_equal(one, other)
                assert one.dtype == other.dtype
        else:
            assert before == after


def test_a_truncated_file_is_an_input_error(tmp_path):
    path = make_scene(num_photos=2).save(tmp_path / "scene.npz")
    content = path.read_bytes()

    for length in (0, 10, len(content) // 2, len(content) - 30):
        path.write_bytes(content[:length])
        with pytest.raises(InputError, match="damaged"):
            Scene.load(path)


def test_a_damaged_file_is_an_input_error_or_read(tmp_path):
    path = make_scene(num_photos=1).save(tmp_path / "scene.npz")
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0

    for _ in range(200):
        damaged = bytearray(content)
        damaged[-rng.integers(1, 2000)] ^= rng.integers(1, 256)  # in the archive's directory
        path.write_bytes(damaged)
        try:
            Scene.load(path)
        except InputError:
            refused += 1

    assert refused > 50


class Trap:
    def __reduce__(self):
        return (Path.touch, (Path("sprung"),))


@pytest.mark.parametrize("field", ["names", "report", "depth_0"])
def test_a_pickle_inside_is_refused_and_does_not_run(tmp_path, monkeypatch, field):
    monkeypatch.chdir(tmp_path)
    path = make_scene(num_photos=1).save(tmp_path / "scene.npz")
    with np.load(path) as arrays:
        content = dict(arrays)
    np.savez(path, **content | {field: np.array([Trap()], dtype=object)})

    with pytest.raises(InputError):
        Scene.load(path)

    assert not Path("sprung").exists()
    pickle.loads(pickle.dumps(Trap()))
    assert Path("sprung").exists()  # it would have


def test_what_is_no_scene_is_refused_with_a_reason(tmp_path):
    np.savez(tmp_path / "numbers.npz", numbers=np.arange(3))
    (tmp_path / "text.npz").write_text("hello")

    with pytest.raises(InputError, match="not a scene of pointmap"):
        Scene.load(tmp_path / "numbers.npz")
    with pytest.raises(InputError, match="cannot be read"):
        Scene.load(tmp_path / "text.npz")
    with pytest.raises(InputError, match="no file"):
        Scene.load(tmp_path / "absent.npz")
    with pytest.raises(InputError):
        Scene.load(tmp_path)


def test_a_newer_version_asks_for_an_upgrade(tmp_path):
    path = make_scene(num_photos=1).save(tmp_path / "scene.npz")
    with np.load(path) as arrays:
        content = dict(arrays)
    np.savez(path, **content | {"version": np.array(99)})

    with pytest.raises(InputError, match=r"version 99.*Upgrade"):
        Scene.load(path)
