"""Neural RGB-D in its official layout."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from miniatures import nrgbd as miniature
from miniatures.reprojection import worst_reprojection

from pointmap.errors import InputError
from pointmap.eval.benchmarks.nrgbd import NeuralRgbd
from pointmap.eval.estimate import Estimate


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Only to be read."""
    root = tmp_path_factory.mktemp("nrgbd")
    miniature.write(root)
    return root


@pytest.fixture
def own(root, tmp_path):
    """To be damaged."""
    return Path(shutil.copytree(root / "staircase", tmp_path / "staircase")).parent


def load(root, scene, setting):
    return NeuralRgbd().load(root, scene, setting, root / "scratch")


def test_cameras_and_depths_are_those_of_the_world(root):
    task, world = load(root, "staircase", "tsdf"), miniature.small_world()

    assert worst_reprojection(world, task.truth.intrinsics, task.truth.world_from_cam) < 1e-6
    assert np.abs(Estimate.of_truth(task).points(2) - world.points()[2]).max() < 0.001
    assert task.truth.mesh == root / "staircase/gt_mesh_culled.ply"


@pytest.mark.parametrize(
    ("setting", "stride"),
    [("points-spann3r", 40), ("points-dense", 100), ("points-sparse", 500), ("points-cut3r", 500)],
)
def test_strides_take_every_so_many_frames_from_the_first(root, setting, stride):
    task = load(root, "kitchen", setting)

    assert [photo.name for photo in task.inputs.photos] == [f"img{n}.png" for n in range(0, 521, stride)]
    every = miniature.world(27).world_from_cam[:: stride // 20]
    np.testing.assert_allclose(task.truth.world_from_cam, every, atol=1e-9)
    assert task.truth.depth(1).shape == (48, 64)
    assert task.inputs.world_from_cam is None


def test_a_lost_pose_is_unknown(own):
    path = own / "staircase/poses.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:4], *["nan nan nan nan"] * 4, *lines[8:]]))

    assert np.isnan(load(own, "staircase", "tsdf").truth.world_from_cam).all(axis=(1, 2)).tolist() == [0, 1, 0, 0]


def test_meshes_may_lie_in_a_folder_of_their_own(own):
    (own / "meshes/staircase").mkdir(parents=True)
    moved = (own / "staircase/gt_mesh_culled.ply").rename(own / "meshes/staircase/gt_mesh_culled.ply")

    assert NeuralRgbd().scenes(own, "tsdf", ("staircase",)) == ("staircase",)
    assert load(own, "staircase", "tsdf").truth.mesh == moved


def test_a_tree_with_a_part_of_the_scenes_says_which(root):
    assert NeuralRgbd().scenes(root, "points-dense", ("kitchen",)) == ("kitchen",)
    with pytest.raises(InputError, match=r"7 of 9 scenes are missing.*--scenes kitchen staircase"):
        NeuralRgbd().scenes(root, "points-dense")
    with pytest.raises(InputError, match=r"kitchen/gt_mesh_culled\.ply"):
        NeuralRgbd().scenes(root, "tsdf", ("kitchen",))
    with pytest.raises(InputError, match="has no scene bathroom"):
        NeuralRgbd().scenes(root, "points-dense", ("bathroom",))


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="is not Neural RGB-D as it is read here"):
        NeuralRgbd().scenes(tmp_path, "points-dense")


@pytest.mark.parametrize(
    ("file", "content"), [("focal.txt", "about 554"), ("poses.txt", "1 0 0 0"), ("images/img0.png", "no picture")]
)
def test_damaged_files_are_named(own, file, content):
    (own / "staircase" / file).write_text(content)

    with pytest.raises(InputError, match=file):
        load(own, "staircase", "points-dense")


def test_fewer_poses_than_photos_are_refused(own):
    path = own / "staircase/poses.txt"
    path.write_text("\n".join(path.read_text().splitlines()[:8]))

    with pytest.raises(InputError, match="2 poses for 4 photos"):
        load(own, "staircase", "points-dense")


def test_a_depth_map_that_is_gone_is_named_when_it_is_read(own):
    (own / "staircase/depth/depth0.png").unlink()

    with pytest.raises(InputError, match=r"depth0\.png"):
        load(own, "staircase", "points-dense").truth.depth(0)
