import numpy as np
import pytest
from miniatures import bonn
from miniatures.reprojection import worst_reprojection
from PIL import Image

from pointmap.errors import InputError
from pointmap.eval.benchmarks.bonn import Bonn


@pytest.fixture
def root(tmp_path):
    bonn.write(tmp_path)
    return tmp_path


def load(root, setting="depth-scale"):
    return Bonn().load(root, "balloon2", setting, root)


def test_poses_of_the_markers_become_poses_of_the_camera(root):
    truth = load(root, "trajectory").truth

    assert worst_reprojection(bonn.world(), truth.intrinsics, truth.world_from_cam) < 1e-4
    assert truth.depths == ()


def test_the_first_thirty_frames_take_no_part(root):
    task, made = load(root), bonn.world()

    assert len(task) == 4
    for index in range(4):
        np.testing.assert_array_equal(np.asarray(Image.open(task.inputs.photos[index])), made.images[index])
        np.testing.assert_allclose(task.truth.depth(index), made.depths[index], atol=1.1e-4)


def test_a_hundred_and_ten_frames_are_enough(root):
    folder = root / "rgbd_bonn_balloon2"
    for name in ("rgb", "depth"):
        content = min((folder / name).iterdir()).read_bytes()
        for index in range(110):
            (folder / name / f"{3000 + index}.png").write_bytes(content)

    assert len(load(root)) == 110


def test_a_photo_far_in_time_from_all_poses_has_none(root):
    (root / "rgbd_bonn_balloon2" / "rgb" / "2500.0.png").write_bytes(b"")
    known = np.isfinite(load(root, "trajectory").truth.world_from_cam).all(axis=(1, 2))

    assert known.tolist() == [True, True, True, True, False]


def test_frames_of_a_video_or_single_ones(root):
    assert load(root, "depth-metric").inputs.kind == "video"
    assert load(root, "depth-single").inputs.kind == "single"


def test_a_part_of_the_sequences_is_named(root):
    with pytest.raises(InputError, match=r"4 of 5 scenes are missing: crowd2 \('rgbd_bonn_crowd2.*--scenes balloon2"):
        Bonn().scenes(root, "depth-scale")
    with pytest.raises(InputError, match="has no scene balloon,"):
        Bonn().scenes(root, "depth-scale", ("balloon", "crowd"))


def test_another_folder_is_no_root(tmp_path):
    with pytest.raises(InputError, match="is not Bonn RGB-D Dynamic"):
        Bonn().scenes(tmp_path, "depth-scale")


def test_folders_of_different_length_and_short_ones_are_errors(root):
    depth_maps = sorted((root / "rgbd_bonn_balloon2" / "depth").iterdir())
    depth_maps[-1].unlink()
    with pytest.raises(InputError, match="4 photos and 3 depth maps"):
        load(root)
    for path in depth_maps[:-1]:
        path.unlink()
    with pytest.raises(InputError, match=r"depth' has no \*.png"):
        load(root)


def test_a_photo_named_otherwise_is_an_error(root):
    (root / "rgbd_bonn_balloon2" / "rgb" / "photo.png").write_bytes(b"")

    with pytest.raises(InputError, match="not named by its time"):
        load(root)
