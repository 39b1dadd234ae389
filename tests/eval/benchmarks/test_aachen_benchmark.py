"""Aachen Day-Night v1.1 as hloc has it."""

import numpy as np
import pytest
from miniature_world import World
from miniatures import aachen as miniature
from miniatures.reprojection import worst_reprojection

from pointmap.errors import InputError
from pointmap.eval.benchmarks.aachen import RETRIEVAL, Aachen
from pointmap.eval.estimate import Estimate
from pointmap.eval.layouts.mapped_queries import submission_lines


@pytest.fixture
def root(tmp_path):
    miniature.write(tmp_path, ("day", "night"))
    return tmp_path


def load(root, scene="day"):
    return Aachen().load(root, scene, "localization", root / "scratch")


@pytest.mark.parametrize(("scene", "query"), [("day", 3), ("night", 4)])
def test_cameras_see_the_world_that_was_photographed(root, scene, query):
    made, task = miniature.world(), load(root, scene)
    chosen = [0, 1, 2, query]
    part = World(*(array[chosen] for array in (made.images, made.depths, made.intrinsics, made.world_from_cam)))

    assert worst_reprojection(part, task.truth.intrinsics, task.truth.world_from_cam) < 1e-6
    assert task.inputs.queries == (3,)
    assert task.inputs.photos[3] == root / "images_upright" / miniature.NAMES[query]


def test_without_poses_of_queries_their_truth_is_unknown(root):
    (root / "query_poses.txt").unlink()
    task = load(root)

    assert np.isnan(task.truth.world_from_cam[3]).all()
    assert np.isfinite(task.truth.world_from_cam[:3]).all()
    assert np.isfinite(task.truth.intrinsics).all()


def test_a_submission_has_names_without_folders_and_poses_of_cameras(root):
    task = load(root)
    estimate = Estimate(task.truth.world_from_cam)

    line = submission_lines(task, estimate)

    assert line[0].split()[0] == "q.jpg"
    expected = miniature.world().cam_from_world[3, :3, 3]
    np.testing.assert_allclose([float(word) for word in line[0].split()[5:]], expected, atol=1e-9)
    assert len(line) == 1


def test_a_submission_leaves_out_queries_without_a_pose(root):
    task = load(root)

    assert submission_lines(task, Estimate(np.full((4, 4, 4), np.nan))) == []


def test_a_retrieval_list_names_photos_of_the_map(root):
    (root / RETRIEVAL).parent.mkdir(parents=True)
    (root / RETRIEVAL).write_text("query/day/nexus5x/q.jpg, sequences/nexus4/a.jpg, 0.9\n")

    assert load(root).inputs.neighbours == ((2,),)


def test_a_query_that_retrieval_left_out_is_named(root):
    (root / RETRIEVAL).parent.mkdir(parents=True)
    (root / RETRIEVAL).write_text("query/night/nexus5x/n.jpg, db/1.jpg, 0.9\n")

    with pytest.raises(InputError, match=r"says nothing of the query .query.day"):
        load(root)


def test_a_model_as_text_is_read_as_well(root):
    from pointmap.sfm.model_files import read_binary, to_text

    folder = root / "3D-models/aachen_v_1_1"
    binary = load(root)
    names = ("cameras", "images", "points3D")
    texts = to_text(read_binary(*((folder / f"{name}.bin").read_bytes() for name in names)))
    for name, text in zip(names, texts, strict=True):
        (folder / f"{name}.bin").unlink()
        (folder / f"{name}.txt").write_bytes(text)

    np.testing.assert_allclose(load(root).truth.world_from_cam, binary.truth.world_from_cam, atol=1e-12)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("3D-models/aachen_v_1_1/images.bin", b"\x03\0\0\0\0\0\0\0abc"),
        ("queries/day_time_queries_with_intrinsics.txt", b"query/day/q.jpg SIMPLE_RADIAL 64 48 50\n"),
        ("query_poses.txt", b"q.jpg 1 0 0 0 1 2\n"),
    ],
)
def test_damaged_files_are_named(root, file, content):
    (root / file).write_bytes(content)

    with pytest.raises(InputError, match=r"aachen_v_1_1|queries_with_intrinsics|query_poses"):
        load(root)


def test_other_folders_missing_lists_and_unknown_scenes_are_refused(root, tmp_path_factory):
    assert Aachen().scenes(root, "localization") == ("day", "night")
    with pytest.raises(InputError, match="has no scene dusk"):
        Aachen().scenes(root, "localization", ("dusk",))
    (root / "queries/night_time_queries_with_intrinsics.txt").unlink()
    with pytest.raises(InputError, match=r"night \(.*night_time.*--scenes day"):
        Aachen().scenes(root, "localization")
    with pytest.raises(InputError, match="is not Aachen"):
        Aachen().scenes(tmp_path_factory.mktemp("empty"), "localization")


def test_without_true_poses_the_share_of_registered_queries_is_what_is_known(root):
    (root / "query_poses.txt").unlink()
    task = load(root)
    values = Aachen.settings["localization"].scoring.score(task, Estimate.still(task)).values

    assert values["registered"] == 1
    assert all(np.isnan(value) for name, value in values.items() if name != "registered")
