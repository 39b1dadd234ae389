import numpy as np
import pytest
from scenes import make_scene, without_registration
from scipy.spatial.transform import Rotation

from pointmap import InputError


def rows(path):
    return np.loadtxt(path, ndmin=2)


def test_a_line_is_the_pose_of_a_photo(tmp_path):
    scene = make_scene(num_photos=4)

    found = rows(scene.export(tmp_path / "trajectory.txt", format="tum"))

    np.testing.assert_array_equal(found[:, 0], [0, 1, 2, 3])
    np.testing.assert_allclose(found[:, 1:4], scene.world_from_cam[:, :3, 3], atol=1e-8)
    rotations = Rotation.from_quat(found[:, 4:]).as_matrix()  # x, y, z, w
    np.testing.assert_allclose(rotations, scene.world_from_cam[:, :3, :3], atol=1e-8)


def test_photos_without_a_pose_have_no_line_and_the_others_keep_their_times(tmp_path):
    scene = without_registration(make_scene(num_photos=4), 0, 2)

    assert rows(scene.export(tmp_path / "a.txt", format="tum"))[:, 0].tolist() == [1, 3]
    times = [10.0, 10.5, 11.0, 1_700_000_000.25]
    assert rows(scene.export(tmp_path / "b.txt", format="tum", times=times))[:, 0].tolist() == [10.5, 1_700_000_000.25]


def test_without_any_pose_only_the_header_is_written(tmp_path):
    path = without_registration(make_scene(num_photos=1), 0).export(tmp_path / "t.txt", format="tum")

    assert path.read_text() == "# timestamp tx ty tz qx qy qz qw\n"


def test_every_photo_needs_its_time(tmp_path):
    with pytest.raises(InputError, match="one number per photo, 3 in all"):
        make_scene(num_photos=3).export(tmp_path / "t.txt", format="tum", times=[1.0, 2.0])
