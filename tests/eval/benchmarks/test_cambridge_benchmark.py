"""Cambridge Landmarks in its official layout."""

from pathlib import Path

import numpy as np
import pytest
from miniatures import cambridge as miniature
from miniatures.reprojection import worst_reprojection

from pointmap.errors import InputError
from pointmap.eval.benchmarks.cambridge import RETRIEVAL, Cambridge


@pytest.fixture
def scene(tmp_path):
    miniature.write(tmp_path)
    return tmp_path / "ShopFacade"


def load(scene: Path, setting: str = "localization"):
    return Cambridge().load(scene.parent, scene.name, setting, scene.parent / "scratch")


def test_cameras_see_the_world_that_was_photographed(scene):
    task = load(scene)

    assert worst_reprojection(miniature.world(), task.truth.intrinsics, task.truth.world_from_cam) < 1e-6
    np.testing.assert_allclose(task.truth.world_from_cam, miniature.world().world_from_cam, atol=1e-9)


def test_poses_of_queries_are_in_the_truth_alone(scene):
    task = load(scene)

    assert task.inputs.queries == (3,)
    assert np.isnan(task.inputs.world_from_cam[3]).all()
    np.testing.assert_array_equal(task.inputs.world_from_cam[:3], task.truth.world_from_cam[:3])
    assert np.isfinite(task.inputs.intrinsics).all()
    assert task.inputs.neighbours == ()
    assert [photo.parent.name for photo in task.inputs.photos] == ["seq1", "seq1", "seq2", "seq3"]


@pytest.mark.parametrize(
    "lines",
    [
        "seq3/frame00001.png seq2/frame00001.png\nseq3/frame00001.png seq1/frame00001.png\n",
        "# kapture format: 1.0\n# query_image, map_image, score\n"
        "seq3/frame00001.png, seq1/frame00001.png, 0.25\nseq3/frame00001.png, seq2/frame00001.png, 0.75\n",
    ],
    ids=["hloc", "kapture"],
)
def test_a_retrieval_list_names_photos_of_the_map_best_first(scene, lines):
    (scene / RETRIEVAL).parent.mkdir(parents=True)
    (scene / RETRIEVAL).write_text(lines)

    assert load(scene).inputs.neighbours == ((2, 0),)


def test_a_retrieval_list_that_names_a_photo_outside_of_the_map_is_refused(scene):
    (scene / RETRIEVAL).parent.mkdir(parents=True)
    (scene / RETRIEVAL).write_text("seq3/frame00001.png seq9/frame00001.png\n")

    with pytest.raises(InputError, match=r"seq9/frame00001\.png.* not in the map"):
        load(scene)


def test_every_tenth_query_is_taken(scene):
    lists = scene / "dataset_test.txt"
    *head, row = lists.read_text().splitlines()
    lists.write_text("\n".join([*head, *[row] * 21]))

    assert len(load(scene).inputs.queries) == 21
    assert len(load(scene, "localization-tenth").inputs.queries) == 3


def test_a_photo_that_the_model_misses_has_no_intrinsics(scene):
    model = scene / "reconstruction.nvm"
    model.write_text(model.read_text().replace("seq3/frame00001.jpg", "seq8/frame00001.jpg"))

    assert np.isnan(load(scene).truth.intrinsics[3]).all()


def test_a_pose_beyond_ten_kilometres_is_left_out(scene):
    lists = scene / "dataset_train.txt"
    *head, row = lists.read_text().splitlines()
    name, _, *rest = row.split()
    lists.write_text("\n".join([*head, " ".join([name, "123456.0", *rest])]))

    assert len(load(scene).inputs.photos) == 3


def test_a_folder_without_scenes_is_refused(tmp_path):
    with pytest.raises(InputError, match="is not Cambridge Landmarks"):
        Cambridge().scenes(tmp_path, "localization")


def test_missing_scenes_are_named_with_those_that_are_there(scene):
    with pytest.raises(InputError, match=r"GreatCourt.*--scenes ShopFacade"):
        Cambridge().scenes(scene.parent, "localization")
    assert Cambridge().scenes(scene.parent, "localization", ("ShopFacade",)) == ("ShopFacade",)


def test_a_scene_that_does_not_exist_is_refused(scene):
    with pytest.raises(InputError, match="has no scene Street"):
        Cambridge().scenes(scene.parent, "localization", ("Street",))


@pytest.mark.parametrize(
    ("name", "content"),
    [("dataset_test.txt", "a\nb\n\nseq3/frame00001.png 1 2 3 nan 0 0 0"), ("reconstruction.nvm", "NVM_V3\n\n7\n\n0")],
)
def test_damaged_files_are_named(scene, name, content):
    (scene / name).write_text(content)

    with pytest.raises(InputError, match=name):
        load(scene)


def test_a_listed_photo_that_is_gone_is_named(scene):
    (scene / miniature.NAMES[1]).unlink()

    with pytest.raises(InputError, match=r"seq1.frame00002\.png"):
        load(scene)
