"""RealEstate10K: normalised cameras, frames by timestamp, and lists of sequences."""

import json
from pathlib import Path

import numpy as np
import pytest
from miniatures import realestate10k as miniature
from reprojecting import reprojection_errors

from pointmap.errors import InputError
from pointmap.eval.benchmarks.realestate10k import FROZEN, RealEstate10K

FIRST, SECOND = miniature.SCENES_THERE


@pytest.fixture
def root(tmp_path) -> Path:
    miniature.write(tmp_path)
    return tmp_path


def frames(task) -> list[int]:
    return [round(int(photo.stem) / 966_667) - 5 for photo in task.inputs.photos]


@pytest.mark.parametrize("number", [0, 1])
def test_cameras_are_those_of_the_world(root, number):
    task = RealEstate10K().load(root, miniature.SCENES_THERE[number], "pose", root)
    world = miniature.world(number)

    np.testing.assert_allclose(task.truth.world_from_cam, world.world_from_cam[frames(task)], atol=1e-9)
    assert reprojection_errors(task, world.points()[frames(task)]).max() < 1e-6
    assert task.truth.unit == ""


def test_ten_frames_are_drawn_by_the_seed(root):
    task = RealEstate10K().load(root, FIRST, "pose", root)

    assert frames(task) == sorted(np.random.default_rng(42).choice(14, 10, replace=False))
    assert task.inputs.photos == RealEstate10K().load(root, FIRST, "pose-1719", root).inputs.photos


def test_frozen_frames_are_places_in_the_camera_file(root):
    (root / FROZEN).write_text(json.dumps({FIRST: [13, 0, 5]}))

    assert frames(RealEstate10K().load(root, FIRST, "pose", root)) == [13, 0, 5]
    assert len(RealEstate10K().load(root, SECOND, "pose", root)) == 10


def test_sequences_are_those_found_unless_a_list_says_otherwise(root):
    assert RealEstate10K().scenes(root, "pose") == (FIRST, SECOND)
    assert RealEstate10K().scenes(root, "pose-1800") == (SECOND, FIRST)
    (root / "re10k_test.txt").write_text(f"{SECOND}\n")
    assert RealEstate10K().scenes(root, "pose") == (SECOND,)
    with pytest.raises(InputError, match=f"no scene {FIRST}"):
        RealEstate10K().scenes(root, "pose", (FIRST,))


def test_a_list_with_sequences_that_are_not_there_names_them(root):
    (root / "re10k_test_1719.txt").write_text(f"{FIRST}\nffffffffffffffff\n0123456789abcdef")

    with pytest.raises(InputError) as refusal:
        RealEstate10K().scenes(root, "pose-1719")
    for words in ("frames/test/ffffffffffffffff", "test/0123456789abcdef.txt", f"--scenes {FIRST}"):
        assert words in str(refusal.value)


def test_a_missing_list_and_missing_frames_are_named(root):
    (root / "re10k_test_1719.txt").unlink()
    with pytest.raises(InputError, match=r"re10k_test_1719\.txt is missing"):
        RealEstate10K().scenes(root, "pose-1719")
    (root / "frames/test").rename(root / "elsewhere")
    with pytest.raises(InputError, match="has frames"):
        RealEstate10K().scenes(root, "pose")


def test_damaged_files_are_named(root):
    name = RealEstate10K().load(root, SECOND, "pose", root).inputs.photos[3].name
    (root / "frames/test" / SECOND / name).unlink()
    with pytest.raises(InputError, match=name):
        RealEstate10K().load(root, SECOND, "pose", root)
    (root / f"test/{SECOND}.txt").write_text("https://x\n1 2 3\n")
    with pytest.raises(InputError, match=f"{SECOND}.txt.*19 numbers"):
        RealEstate10K().load(root, SECOND, "pose", root)
