import numpy as np
import pytest
from miniatures import kitti
from PIL import Image

from pointmap.errors import InputError
from pointmap.eval.benchmarks.kitti import EIGEN_SCENES, SCENES, Kitti


@pytest.fixture
def root(tmp_path):
    kitti.write(tmp_path / "kitti")
    return tmp_path / "kitti"


def load(root, setting="depth-scale", scene=kitti.DRIVE):
    return Kitti().load(root, scene, setting, root.parent / "scratch")


def test_photos_are_those_of_the_depth_maps(root):
    task, made = load(root), kitti.world()

    assert [photo.name for photo in task.inputs.photos] == [f"{number:010d}.png" for number in (5, 6, 7)]
    for index in range(3):
        np.testing.assert_array_equal(np.asarray(Image.open(task.inputs.photos[index])), made.images[index])
        np.testing.assert_allclose(task.truth.depth(index)[1::2], made.depths[index][1::2], atol=0.002)
        assert not task.truth.depth(index)[::2].any()


def test_the_calibration_beside_the_drives_is_of_the_left_colour_camera(root):
    np.testing.assert_allclose(load(root).truth.intrinsics, kitti.world().intrinsics)
    (root / "2011_09_26" / "calib_cam_to_cam.txt").unlink()
    assert np.isnan(load(root).truth.intrinsics).all()


def test_a_hundred_and_ten_photos_are_enough(root):
    maps = root / "val" / kitti.DRIVE / "proj_depth/groundtruth/image_02"
    photos = root / "2011_09_26" / kitti.DRIVE / "image_02/data"
    for number in range(8, 120):
        (maps / f"{number:010d}.png").write_bytes((maps / "0000000005.png").read_bytes())
        (photos / f"{number:010d}.png").write_bytes((photos / "0000000005.png").read_bytes())

    task = load(root)

    assert len(task) == 110
    assert task.inputs.photos[-1].stem == f"{114:010d}"


def test_drives_may_lie_in_a_folder_of_raw_data(root):
    (root / "raw").mkdir()
    (root / "2011_09_26").rename(root / "raw" / "2011_09_26")

    assert Kitti().scenes(root, "depth-scale", (kitti.DRIVE,)) == (kitti.DRIVE,)
    assert np.isfinite(load(root).truth.intrinsics).all()


def test_eigens_photos_with_a_depth_map_in_groups(root):
    task = load(root, "eigen-affine", "eigen-001")

    assert [photo.name for photo in task.inputs.photos] == [f"{kitti.DRIVE}_{n:010d}.png" for n in (5, 7)]
    assert task.inputs.kind == "single"
    np.testing.assert_allclose(task.truth.depth(1)[1::2], kitti.world().depths[2][1::2], atol=0.002)
    np.testing.assert_allclose(task.truth.intrinsics, kitti.world().intrinsics[[0, 2]])


def test_large_photos_are_cut_to_the_benchmarks_size(root):
    random = np.random.default_rng(0)
    image, steps = random.integers(0, 255, (375, 1242, 3), np.uint8), random.integers(1, 9, (375, 1242), np.uint16)
    Image.fromarray(image).save(root / "2011_09_26" / kitti.DRIVE / "image_02/data" / "0000000005.png")
    Image.fromarray(steps).save(root / "val" / kitti.DRIVE / "proj_depth/groundtruth/image_02/0000000005.png")

    task = load(root, "eigen-affine", "eigen-001")

    np.testing.assert_array_equal(np.asarray(Image.open(task.inputs.photos[0])), image[23:, 13:1229])
    np.testing.assert_allclose(task.truth.depth(0), steps[23:, 13:1229] / 256)
    moved = kitti.world().intrinsics[0, :2, 2] - task.truth.intrinsics[0, :2, 2]
    np.testing.assert_allclose(moved, [13, 23], atol=1e-6)


def test_a_part_of_the_drives_is_named(root):
    assert len(SCENES) == 13
    with pytest.raises(InputError, match=r"12 of 13 scenes are missing: 2011_09_26_drive_0005_sync \('val/2011"):
        Kitti().scenes(root, "depth-scale")
    (root / "2011_09_26" / kitti.DRIVE / "image_02").rename(root / "elsewhere")
    with pytest.raises(InputError, match=f"2011_09_26/{kitti.DRIVE}/image_02/data"):
        Kitti().scenes(root, "depth-scale", (kitti.DRIVE,))
    with pytest.raises(InputError, match="has no scene drive_0002"):
        Kitti().scenes(root, "depth-scale", ("drive_0002",))


def test_a_part_of_eigens_split_is_named(root):
    assert len(EIGEN_SCENES) == 163
    assert Kitti().scenes(root, "eigen-affine", ("eigen-001",)) == ("eigen-001",)
    with pytest.raises(InputError, match="162 of 163 scenes are missing: eigen-002"):
        Kitti().scenes(root, "eigen-affine")
    (root / "eigen_test_files_with_gt.txt").unlink()
    with pytest.raises(InputError, match=r"eigen_test_files_with_gt\.txt"):
        Kitti().scenes(root, "eigen-affine", ("eigen-001",))


def test_another_folder_is_no_root(tmp_path):
    with pytest.raises(InputError, match="is not KITTI depth"):
        Kitti().scenes(tmp_path, "depth-scale")


def test_a_damaged_file_is_named(root):
    (root / "2011_09_26" / "calib_cam_to_cam.txt").write_text("P_rect_02: 1 2 3\n")
    with pytest.raises(InputError, match="calib_cam_to_cam"):
        load(root)
    (root / "2011_09_26" / "calib_cam_to_cam.txt").unlink()
    (root / "2011_09_26" / kitti.DRIVE / "image_02/data" / "0000000006.png").unlink()
    with pytest.raises(InputError, match="0000000006"):
        load(root)
    (root / "eigen_test_files_with_gt.txt").write_text("alone\n")
    with pytest.raises(InputError, match="a line of one word"):
        load(root, "eigen-affine", "eigen-001")
