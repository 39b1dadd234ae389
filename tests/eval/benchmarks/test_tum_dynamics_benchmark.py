import numpy as np
import pytest
from miniature_world import World
from miniatures import tum_dynamics
from miniatures.reprojection import worst_reprojection

from pointmap.errors import InputError
from pointmap.eval.benchmarks.tum_dynamics import SCENES, TumDynamics
from pointmap.eval.layouts.tum_files import associate

SCENE = "freiburg3_walking_xyz"


@pytest.fixture
def root(tmp_path):
    tum_dynamics.write(tmp_path)
    return tmp_path


def test_every_third_photo_with_its_pose_and_depth(root):
    task = TumDynamics().load(root, SCENE, "depth-scale", root)
    made = tum_dynamics.world()
    taken = World(made.images[::3], made.depths[::3], made.intrinsics[::3], made.world_from_cam[::3])

    assert len(task) == 3
    assert worst_reprojection(taken, task.truth.intrinsics, task.truth.world_from_cam) < 1e-6
    np.testing.assert_allclose([task.truth.depth(index) for index in range(3)], taken.depths, atol=1.1e-4)


def test_frames_are_counted_among_those_with_a_pose(root):
    path = root / f"rgbd_dataset_{SCENE}" / "groundtruth.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], *lines[2:]]))  # the first photo has none

    task = TumDynamics().load(root, SCENE, "trajectory", root)

    np.testing.assert_allclose(task.truth.world_from_cam, tum_dynamics.world().world_from_cam[[1, 4]], atol=1e-9)
    assert task.truth.depths == ()


def test_ninety_photos_are_enough(tmp_path):
    made = tum_dynamics.world()
    short = World(made.images[:1], made.depths[:1], made.intrinsics[:1], made.world_from_cam[:1])
    tum_dynamics.write_recording(
        tmp_path / f"rgbd_dataset_{SCENE}", short, [0] * 280, [5.0 + place / 30 for place in range(280)]
    )

    assert len(TumDynamics().load(tmp_path, SCENE, "trajectory", tmp_path)) == 90


def test_times_are_paired_closest_first_and_once():
    photos, poses = np.array([0.0, 0.010, 0.100, 0.200]), np.array([0.009, 0.105, 0.108, 0.2201])

    assert associate(photos, poses, 0.02) == [(1, 0), (2, 1)]  # 20.1 ms are too many


def test_frames_of_a_video_or_single_ones(root):
    kinds = {name: TumDynamics().load(root, SCENE, name, root).inputs.kind for name in TumDynamics.settings}

    assert kinds.pop("depth-single") == "single"
    assert set(kinds.values()) == {"video"}


def test_a_part_of_the_sequences_is_named(root):
    assert len(SCENES) == 8
    with pytest.raises(InputError, match=f"7 of 8 scenes are missing: freiburg3_sitting_half.*--scenes {SCENE}"):
        TumDynamics().scenes(root, "trajectory")
    with pytest.raises(InputError, match="is not TUM-dynamics"):
        TumDynamics().scenes(root / f"rgbd_dataset_{SCENE}", "trajectory")
    with pytest.raises(InputError, match="has no scene freiburg1_xyz"):
        TumDynamics().scenes(root, "trajectory", ("freiburg1_xyz",))


def test_a_missing_photo_is_named(root):
    photo = min((root / f"rgbd_dataset_{SCENE}" / "rgb").iterdir())
    photo.unlink()

    with pytest.raises(InputError, match=photo.name):
        TumDynamics().load(root, SCENE, "trajectory", root)
