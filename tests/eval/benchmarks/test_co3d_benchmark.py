"""CO3Dv2's cameras in PyTorch3D's conventions, its depth maps of 16-bit floats, and its lists."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from miniatures import co3d as miniature
from reprojecting import agreement, reprojection_errors

from pointmap.errors import InputError
from pointmap.eval.benchmarks.co3d import CATEGORIES, FROZEN, Co3d

SCENE = "apple+110_1_2"


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("co3d")
    miniature.write(root)
    return root


def frame_numbers(task) -> list[int]:
    """Indices of the world's frames behind the photos of a task."""
    return [int(photo.stem.removeprefix("frame")) - 1 for photo in task.inputs.photos]


def test_there_are_41_categories_in_order():
    assert len(CATEGORIES) == 41
    assert sorted(CATEGORIES) == list(CATEGORIES)


def test_cameras_are_those_of_the_world_in_both_formats_of_intrinsics(root, tmp_path):
    task = Co3d().load(root, SCENE, "pose", tmp_path)
    world, numbers = miniature.world(), frame_numbers(task)

    np.testing.assert_allclose(task.truth.world_from_cam, world.world_from_cam[numbers], atol=1e-9)
    np.testing.assert_allclose(task.truth.intrinsics, world.intrinsics[numbers], atol=1e-9)


def test_points_of_a_photo_fall_on_the_others(root, tmp_path):
    task = Co3d().load(root, SCENE, "depth", tmp_path)

    assert reprojection_errors(task, miniature.world().points()[frame_numbers(task)]).max() < 1e-6
    assert agreement(task) > 0.9


def test_depths_are_16_bit_floats_within_their_mask(root, tmp_path):
    (root / FROZEN).write_text(
        json.dumps({"apple/110_1_2": [f"apple/110_1_2/images/frame{i:06d}.jpg" for i in (4, 9)]})
    )
    task = Co3d().load(root, SCENE, "depth", tmp_path)
    (root / FROZEN).unlink()

    assert frame_numbers(task) == [miniature.STILL, 8]
    world = miniature.world()
    assert (task.truth.depth(0)[0] == 0).all()
    np.testing.assert_allclose(task.truth.depth(0)[1:], world.depths[miniature.STILL][1:], rtol=1e-3)
    np.testing.assert_allclose(task.truth.depth(1), world.depths[8], rtol=1e-3)


def test_ten_frames_are_drawn_from_the_list_alike_every_time(root, tmp_path):
    first = Co3d().load(root, SCENE, "pose", tmp_path / "a")
    second = Co3d().load(root, SCENE, "depth", tmp_path / "b")

    assert first.inputs.photos == second.inputs.photos
    assert len(set(first.inputs.photos)) == 10
    assert 10 not in frame_numbers(first)  # It is not in the set list.
    # The first place that the seed draws from the 51 frames of the list, whose order is that of the miniature.
    place = np.random.default_rng(42).choice(51, 10, replace=False)[0]
    order = [(7 * i) % 52 for i in range(52) if (7 * i) % 52 != 10]
    assert order[place] in frame_numbers(first)


def test_numbers_in_a_frozen_list_are_places_in_the_set_list(root, tmp_path):
    (root / FROZEN).write_text(json.dumps({"110_1_2": [2, 0, 1]}))
    task = Co3d().load(root, SCENE, "pose", tmp_path)
    (root / FROZEN).write_text(json.dumps({"110_1_2": [0, 51]}))
    with pytest.raises(InputError, match=r"frame 51.*51 frames"):
        Co3d().load(root, SCENE, "pose", tmp_path)
    (root / FROZEN).unlink()

    assert frame_numbers(task) == [14, 0, 7]


def test_sequences_of_low_quality_or_few_frames_take_no_part(root, tmp_path):
    assert Co3d().scenes(root, "pose", ("apple",)) == (SCENE,)
    assert Co3d().scenes(root, "pose", (SCENE,)) == (SCENE,)
    with pytest.raises(InputError, match=r"no scene apple\+dull"):
        Co3d().scenes(root, "pose", ("apple+dull",))
    with pytest.raises(InputError, match="no test frames of 'rotten'"):
        Co3d().load(root, "apple+rotten", "pose", tmp_path)


def test_missing_categories_are_named_and_what_is_there_is_offered(root, tmp_path):
    with pytest.raises(InputError, match=r"backpack/frame_annotations.jgz.*--scenes apple"):
        Co3d().scenes(root, "pose")
    with pytest.raises(InputError, match="is not CO3Dv2"):
        Co3d().scenes(tmp_path, "pose")
    with pytest.raises(InputError, match="no scene keyboards"):
        Co3d().scenes(root, "pose", ("keyboards+1_2_3",))


def test_a_sequence_without_photos_is_named(tmp_path):
    miniature.write(tmp_path)
    (tmp_path / "apple/110_1_2").rename(tmp_path / "elsewhere")

    with pytest.raises(InputError, match="apple/110_1_2/images"):
        Co3d().scenes(tmp_path, "pose", ("apple",))


def test_damaged_annotations_are_named(tmp_path):
    miniature.write(tmp_path)
    file = tmp_path / "apple/frame_annotations.jgz"
    file.write_bytes(file.read_bytes()[:500])

    with pytest.raises(InputError, match=r"apple/frame_annotations\.jgz"):
        Co3d().load(tmp_path, SCENE, "pose", tmp_path / "scratch")


def test_a_failed_reconstruction_has_no_true_poses(tmp_path):
    miniature.write(tmp_path)
    file = tmp_path / "apple/frame_annotations.jgz"
    frames = json.loads(gzip.decompress(file.read_bytes()))
    next(frame for frame in frames if frame["sequence_name"] == "110_1_2")["viewpoint"]["T"] = [0.0, 2e5, 0.0]
    file.write_bytes(gzip.compress(json.dumps(frames).encode()))

    assert np.isnan(Co3d().load(tmp_path, SCENE, "pose", tmp_path / "scratch").truth.world_from_cam).all()
