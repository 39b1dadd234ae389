"""Exported scenes of ScanNet: two cameras, lost poses, clips and key frames."""

from pathlib import Path

import numpy as np
import pytest
from miniatures import scannet as miniature
from reprojecting import agreement, reprojection_errors

from pointmap.errors import InputError
from pointmap.eval.benchmarks.scannet import SCENES, WHOLE_SCENES, ScanNet


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("scannet")
    miniature.write(root)
    return root


def frames(task) -> list[int]:
    return [int(photo.stem) for photo in task.inputs.photos]


def test_there_are_100_scenes_and_94_without_lost_poses():
    assert (SCENES[0], SCENES[-1], len(SCENES)) == ("scene0707_00", "scene0806_00", 100)
    assert len(WHOLE_SCENES) == 94
    assert "scene0711_00" not in WHOLE_SCENES


def test_clips_are_strided_in_the_order_of_numbers(root, tmp_path):
    scannet = ScanNet()

    assert frames(scannet.load(root, miniature.SCENE, "trajectory", tmp_path)) == list(range(0, miniature.COUNT, 3))
    assert frames(scannet.load(root, miniature.SCENE, "depth", tmp_path)) == [0, 9, 18, 27]
    assert frames(scannet.load(root, miniature.SCENE, "pose", tmp_path)) == [0, 27]


def test_cameras_and_depths_are_those_of_the_world(root, tmp_path):
    task = ScanNet().load(root, miniature.SCENE, "depth", tmp_path)
    world = miniature.world()

    assert reprojection_errors(task, world.points()[frames(task)]).max() < 1e-6
    assert agreement(task, tolerance=0.1) > 0.9


def test_depths_are_what_the_colour_camera_sees(root, tmp_path):
    task = ScanNet().load(root, miniature.SCENE, "depth", tmp_path)
    # The colour camera at the size of the sensor's pictures: its pixels at the centres of theirs.
    world, (height, width) = miniature.world(), miniature.DEPTH_SIZE
    rows = ((np.arange(height) + 0.5) * 60 / height - 0.5).round().astype(int)
    columns = ((np.arange(width) + 0.5) * 81 / width - 0.5).round().astype(int)
    expected = world.depths[0][rows[:, None], columns]
    found = task.truth.depth(0)

    assert found.shape == (height, width)
    inside = found > 0
    assert inside.mean() > 0.9
    # Edges of the ball are off by a pixel.
    assert (np.abs(found / expected - 1)[inside] < 0.05).mean() > 0.97


def test_a_method_is_given_posed_key_frames_for_the_surface(root, tmp_path):
    task = ScanNet().load(root, miniature.SCENE, "neuralrecon", tmp_path)
    centres, axes = task.inputs.world_from_cam[:, :3, 3], task.inputs.world_from_cam[:, :3, 2]

    assert 2 < len(task) < miniature.COUNT
    moved = np.linalg.norm(np.diff(centres, axis=0), axis=-1)
    turned = np.degrees(np.arccos((axes[1:] * axes[:-1]).sum(-1)))
    assert ((moved > 0.1) | (turned > 15)).all()
    np.testing.assert_array_equal(task.inputs.world_from_cam, task.truth.world_from_cam)
    assert task.truth.mesh.name == "scene0708_00_vh_clean_2.ply"


def test_frames_with_a_lost_pose_are_no_key_frames(root, tmp_path):
    task = ScanNet().load(root, miniature.WITH_LOST_POSES, "neuralrecon", tmp_path)

    assert frames(task) == [0, 1, 3]
    with pytest.raises(InputError, match="no scene scene0711_00"):
        ScanNet().scenes(root, "trajectory", (miniature.WITH_LOST_POSES,))


def test_scenes_may_lie_in_the_root_itself(root, tmp_path):
    (tmp_path / miniature.SCENE).symlink_to(root / "scans_test" / miniature.SCENE)

    assert ScanNet().scenes(tmp_path, "pose", (miniature.SCENE,)) == (miniature.SCENE,)
    assert len(ScanNet().load(tmp_path, miniature.SCENE, "pose", tmp_path)) == 2


def test_missing_parts_are_named(root, tmp_path):
    with pytest.raises(InputError, match=r"scene0707_00/color.*--scenes scene0708_00"):
        ScanNet().scenes(root, "trajectory")
    miniature.write(tmp_path)
    folder = tmp_path / "scans_test" / miniature.SCENE
    (folder / "scene0708_00_vh_clean_2.ply").unlink()
    with pytest.raises(InputError, match=r"scans_test/scene0708_00/scene0708_00_vh_clean_2\.ply"):
        ScanNet().scenes(tmp_path, "neuralrecon", (miniature.SCENE,))
    (folder / "depth/9.png").unlink()
    with pytest.raises(InputError, match=r"depth/9\.png"):
        ScanNet().load(tmp_path, miniature.SCENE, "depth", tmp_path)
    (folder / "pose/3.txt").write_text("1 2 3")
    with pytest.raises(InputError, match=r"pose/3\.txt"):
        ScanNet().load(tmp_path, miniature.SCENE, "trajectory", tmp_path)
