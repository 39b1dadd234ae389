"""7-Scenes in its official layout."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from miniature_world import World
from miniatures import seven_scenes as miniature
from miniatures.reprojection import worst_reprojection
from PIL import Image

from pointmap.errors import InputError
from pointmap.eval.benchmarks.seven_scenes import RETRIEVAL, SPLITS, TEST_SEQUENCES, SevenScenes
from pointmap.eval.estimate import Estimate
from pointmap.eval.layouts.frame_choice import shuffled
from pointmap.eval.layouts.seven_scenes_files import CAM_FROM_SENSOR


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Only to be read."""
    root = tmp_path_factory.mktemp("7scenes")
    miniature.write(root)
    return root


@pytest.fixture
def own(root, tmp_path):
    """To be damaged."""
    return Path(shutil.copytree(root, tmp_path / "own"))


def load(root, scene, setting):
    return SevenScenes().load(root, scene, setting, root / "scratch")


def test_splits_have_the_frames_that_the_paper_counts():
    frames = {
        role: sum(len(split[role]) * (500 if scene == "stairs" else 1000) for scene, split in SPLITS.items())
        for role in ("train", "test")
    }
    assert frames == {"train": 26_000, "test": 17_000}
    assert len(TEST_SEQUENCES) == 18


def test_cameras_and_depths_are_those_of_the_world(root):
    task = load(root, "heads+seq-01", "points-spann3r")

    every = slice(None, None, 2)
    world = miniature.world()
    world = World(world.images[every], world.depths[every], world.intrinsics[every], world.world_from_cam[every])
    assert worst_reprojection(world, task.truth.intrinsics, task.truth.world_from_cam) < 1e-4
    assert np.abs(Estimate.of_truth(task).points(3) - world.points()[3]).max() < 0.001
    assert task.inputs.kind == "video"
    assert task.inputs.intrinsics is None
    assert task.inputs.world_from_cam is None


@pytest.mark.parametrize(("setting", "frames"), [("points-spann3r", 11), ("points-dense", 6), ("points-sparse", 2)])
def test_strides_take_every_so_many_frames_from_the_first(root, setting, frames):
    photos = load(root, "heads+seq-01", setting).inputs.photos

    stride = {11: 20, 6: 40, 2: 200}[frames]
    assert [photo.name for photo in photos] == [f"frame-{stride * i:06d}.color.png" for i in range(frames)]


def test_depth_without_a_projected_file_is_projected_from_the_sensor(own):
    """A wall two metres before the sensor is seen by the colour camera where its calibration says."""
    for path in (own / "heads/seq-01").glob("*.depth.proj.png"):
        path.unlink()
    wall = np.full((48, 64), 2000, np.uint16)
    wall[:, 40:] = 65535
    Image.fromarray(wall).save(own / "heads/seq-01/frame-000000.depth.png")

    depth = load(own, "heads+seq-01", "points-sparse").truth.depth(0)

    point = CAM_FROM_SENSOR[:3, :3] @ [(20 - 31.5) / 58.5 * 2, (30 - 23.5) / 58.5 * 2, 2] + CAM_FROM_SENSOR[:3, 3]
    u, v = np.rint((miniature.K @ point)[:2] / point[2]).astype(int)
    assert depth[v, u] == pytest.approx(point[2], abs=0.0011)
    assert depth[:, 42:].max() == 0
    assert depth[depth > 0].min() > 0


def test_unknown_depths_of_the_sensor_are_unknown(own):
    path = own / "heads/seq-01/frame-000200.depth.proj.png"
    values = np.asarray(Image.open(path)).copy()
    values[3, 5] = 65535
    Image.fromarray(values).save(path)

    assert load(own, "heads+seq-01", "points-sparse").truth.depth(1)[3, 5] == 0


def test_poses_of_colmap_are_those_of_the_world(root):
    task = load(root, "heads+seq-01", "amb3r")

    assert len(task) == 6
    np.testing.assert_allclose(task.truth.world_from_cam, miniature.world().world_from_cam[::4], atol=1e-7)


def test_a_frame_that_colmap_could_not_register_is_left_out(own):
    path = own / "pgt/sfm/7scenes/heads_test.txt"
    path.write_text("".join(line for line in path.read_text().splitlines(True) if "000040" not in line))

    photos = load(own, "heads+seq-01", "amb3r").inputs.photos

    assert [photo.name[6:12] for photo in photos] == ["000000", "000080", "000120", "000160", "000200"]


def test_fused_surfaces_have_the_sensors_focal_length_and_a_mesh(root):
    task = load(root, "stairs", "tsdf")

    assert len(task) == 4
    assert task.inputs.photos[0].parent.name == "seq-02"
    world = miniature.sensor_world(4)
    assert worst_reprojection(world, task.truth.intrinsics, task.truth.world_from_cam) < 1e-4
    assert np.abs(Estimate.of_truth(task).points(1) - world.points()[1]).max() < 0.001
    assert task.truth.mesh == root / "meshes/stairs.ply"
    assert load(root, "stairs", "pose").truth.mesh is None
    assert task.inputs.world_from_cam is None
    np.testing.assert_array_equal(load(root, "stairs", "tsdf-posed").inputs.world_from_cam, task.truth.world_from_cam)


def test_a_hundred_frames_are_drawn_by_pythons_own_generator():
    frames = shuffled(1000, 100)

    assert frames == sorted(set(frames))
    assert len(frames) == 100
    # What random.seed(42), random.shuffle(list(range(1000))) and a cut after 100 leave in Python 3.11.
    assert frames[:5] == [1, 16, 18, 24, 33]
    assert shuffled(100, 100) == list(range(100))


def test_localisation_maps_training_frames_and_asks_for_test_frames(root):
    task = load(root, "heads", "localization")

    assert [photo.parent.name for photo in task.inputs.photos[:2]] == ["seq-02", "seq-02"]
    assert [int(task.inputs.photos[i].name[6:12]) for i in task.inputs.queries] == [0, 50, 100, 150, 200]
    assert np.isnan(task.inputs.world_from_cam[list(task.inputs.queries)]).all()
    # The middle of the picture, counted from the centre of the first pixel.
    np.testing.assert_allclose(task.inputs.intrinsics[0], [[52.5, 0, 31.5], [0, 52.5, 23.5], [0, 0, 1]])


def test_queries_with_poses_of_colmap_have_its_focal_length(root):
    task = load(root, "heads", "localization-sfm")

    np.testing.assert_allclose(task.truth.world_from_cam[:2], miniature.world(2).world_from_cam, atol=1e-7)
    assert task.inputs.intrinsics[-1, 0, 0] == pytest.approx(miniature.SFM_FOCAL / 10)


def test_all_frames_of_all_sequences_take_part_in_the_full_localisation(root):
    task = load(root, "stairs", "localization-full")

    assert len(task) == 4 + 2 + 1 + 1 + 1 + 1
    assert len(task.inputs.queries) == 2


@pytest.mark.parametrize("place", RETRIEVAL)
def test_what_a_retrieval_found_joins_the_map(own, place):
    lists = own / "heads" / place
    lists.parent.mkdir(parents=True)
    query = "seq-01/frame-{:06d}.color.png, seq-02/frame-000003.color.png, {}\n"
    other = "seq-01/frame-{:06d}.color.png, seq-02/frame-000010.color.png, {}\n"
    lists.write_text("".join(query.format(n, 0.9) + other.format(n, 0.3) for n in range(0, 201, 50)))
    shutil.copy(own / "heads/seq-02/frame-000000.pose.txt", own / "heads/seq-02/frame-000003.pose.txt")

    task = load(own, "heads", "localization")

    assert [photo.name[6:12] for photo in task.inputs.photos[:3]] == ["000000", "000003", "000010"]
    assert task.inputs.neighbours == ((1, 2),) * 5


def test_scenes_of_a_part_are_run_by_name(root):
    benchmark = SevenScenes()

    assert benchmark.scenes(root, "points-dense", ("heads+seq-01",)) == ("heads+seq-01",)
    assert benchmark.scenes(root, "localization", ("heads", "stairs")) == ("heads", "stairs")
    with pytest.raises(InputError, match=r"15 of 18 scenes are missing.*--scenes heads\+seq-01"):
        benchmark.scenes(root, "points-dense")
    with pytest.raises(InputError, match="has no scene kitchen"):
        benchmark.scenes(root, "tsdf", ("kitchen",))


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="is not 7-Scenes as it is read here"):
        SevenScenes().scenes(tmp_path, "points-sparse")


@pytest.mark.parametrize(
    ("setting", "scene", "file"),
    [
        ("amb3r", "heads+seq-01", "pgt/sfm/7scenes/heads_test.txt"),
        ("localization-sfm", "heads", "pgt/sfm/7scenes/heads_train.txt"),
        ("tsdf", "stairs", "meshes/stairs.ply"),
        ("localization", "stairs", "stairs/seq-06/frame-000000.color.png"),
    ],
)
def test_a_missing_file_is_named_before_anything_is_run(own, setting, scene, file):
    (own / file).unlink()

    with pytest.raises(InputError, match=file):
        SevenScenes().scenes(own, setting, (scene,))


@pytest.mark.parametrize(
    ("file", "content", "setting", "scene"),
    [
        ("heads/seq-01/frame-000200.pose.txt", "1 2 3", "points-sparse", "heads+seq-01"),
        ("heads/seq-01/frame-000200.pose.txt", "2 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1", "points-sparse", "heads+seq-01"),
        ("pgt/sfm/7scenes/heads_test.txt", "seq-01/frame-000000.color.png 1 0 0 0 nan 0 0 5", "amb3r", "heads+seq-01"),
        ("stairs/seq-02/frame-000000.color.png", "no picture", "tsdf", "stairs"),
    ],
)
def test_damaged_files_are_named(own, file, content, setting, scene):
    (own / file).write_text(content)

    with pytest.raises(InputError, match=file):
        load(own, scene, setting)


def test_a_gap_in_a_sequence_is_named(own):
    (own / "heads/seq-01/frame-000040.color.png").unlink()

    with pytest.raises(InputError, match=r"frame-000040\.color\.png"):
        load(own, "heads+seq-01", "points-dense")
