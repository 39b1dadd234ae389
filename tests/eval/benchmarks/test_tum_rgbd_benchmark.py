import cv2
import numpy as np
import pytest
from miniature_world import World
from miniatures import tum_rgbd
from miniatures.known_camera import photograph_through
from miniatures.reprojection import worst_reprojection
from PIL import Image

from pointmap.errors import InputError
from pointmap.eval.benchmarks.tum_rgbd import SCENES, TumRgbd, tum_camera
from pointmap.eval.layouts.tum_files import nearest_in_time


@pytest.fixture
def root(tmp_path):
    tum_rgbd.write(tmp_path / "tum")
    return tmp_path / "tum"


def load(root, scene="freiburg1_desk", setting="depth"):
    return TumRgbd().load(root, scene, setting, root.parent / "scratch")


def test_cameras_as_read_see_what_the_cameras_of_the_world_saw(root):
    truth = load(root).truth

    assert worst_reprojection(tum_rgbd.world(), truth.intrinsics, truth.world_from_cam) < 1e-6


def test_a_depth_map_belongs_to_its_photo(root):
    task, made = load(root, "freiburg1_xyz"), tum_rgbd.world()

    for index in range(6):
        np.testing.assert_allclose(task.truth.depth(index), made.depths[5 - index], atol=1.1e-4)
        np.testing.assert_array_equal(np.asarray(Image.open(task.inputs.photos[index])), made.images[5 - index])


def test_every_second_photo_of_a_recording_is_a_frame_of_its_trajectory(root):
    task = load(root, setting="trajectory")

    np.testing.assert_allclose(task.truth.world_from_cam, tum_rgbd.world().world_from_cam[::2], atol=1e-9)
    assert task.inputs.intrinsics is None
    assert task.inputs.kind == "video"
    assert task.truth.depths == ()


def test_a_hundred_photos_are_spread_from_the_first_to_the_last(tmp_path):
    made = tum_rgbd.world()
    short = World(made.images[:1], made.depths[:1], made.intrinsics[:1], made.world_from_cam[:1])
    tum_rgbd.write_recording(
        tmp_path / "rgbd_dataset_freiburg1_room", short, [0] * 298, [5.0 + place / 100 for place in range(298)]
    )

    photos = load(tmp_path, "freiburg1_room", "trajectory-100").inputs.photos

    assert len(photos) == 100
    assert [photo.stem for photo in (photos[0], photos[1], photos[-1])] == ["5.000000", "5.030000", "7.970000"]


def test_a_photo_without_a_pose_within_ten_milliseconds_has_none(root):
    lines = (root / "rgbd_dataset_freiburg1_desk" / "groundtruth.txt").read_text().splitlines()
    (root / "rgbd_dataset_freiburg1_desk" / "groundtruth.txt").write_text("\n".join(lines[:3] + lines[4:]))

    known = np.isfinite(load(root).truth.world_from_cam).all(axis=(1, 2))

    assert known.tolist() == [True, True, False, True, True, True]


def test_photos_of_the_calibrated_protocol_are_those_of_the_pinhole_that_is_given(tmp_path):
    K, lens = tum_camera("freiburg1_desk", (96, 72))
    # A finer pinhole photo, from which each pixel of the distorted photo takes what its ray saw.
    fine_K = np.array([[160.0, 0, 191.5], [0, 160.0, 143.5], [0, 0, 1]])
    fine = photograph_through(fine_K, (288, 384), 2, step_deg=5.0)
    pixels = np.stack(np.meshgrid(np.arange(96.0), np.arange(72.0)), axis=-1)
    seen = cv2.undistortPoints(pixels.reshape(-1, 1, 2), K, lens, P=fine_K).reshape(72, 96, 2).astype(np.float32)
    photos = np.stack([cv2.remap(image, seen, None, cv2.INTER_LINEAR) for image in fine.images])
    world = World(photos, np.ones((2, 72, 96), np.float32), np.tile(K, (2, 1, 1)), fine.world_from_cam)
    tum_rgbd.write_recording(tmp_path / "tum" / "rgbd_dataset_freiburg1_desk", world)

    task = load(tmp_path / "tum", setting="trajectory-calibrated")

    given = task.inputs.intrinsics[0]
    undistorted = np.asarray(Image.open(task.inputs.photos[0])).astype(float)

    def difference(photo, shift):
        moved = given + np.array([[0, 0, shift], [0, 0, shift], [0, 0, 0]])
        pinhole = photograph_through(moved, (72, 96), 2, step_deg=5.0).images[0]
        return np.abs(photo - pinhole)[2:-2, 2:-2].mean()

    assert np.abs(given[:2, 2] - [47.5, 35.5]).max() < 1
    assert difference(undistorted, 0) < 0.7 * min(difference(undistorted, shift) for shift in (-0.5, 0.5))
    assert difference(undistorted, 0) < 0.5 * difference(photos[0].astype(float), 0)
    np.testing.assert_array_equal(task.truth.intrinsics[0], given)


@pytest.mark.parametrize("count", [1, 2, 40])
def test_the_nearest_time_is_the_nearest_of_all(count):
    random = np.random.default_rng(count)
    times, wanted = np.sort(random.uniform(0, 1, count)), random.uniform(-0.5, 1.5, 100)

    apart = np.abs(times - wanted[:, None])
    expected = np.where(apart.min(axis=1) <= 0.1, apart.argmin(axis=1), -1)
    assert nearest_in_time(times, wanted, 0.1).tolist() == expected.tolist()
    assert {-1, 0} <= set(expected.tolist())


def test_undistorted_photos_are_made_once(root):
    first = load(root, setting="trajectory-calibrated").inputs.photos[0]
    first.write_bytes(b"kept")

    assert load(root, setting="trajectory-calibrated").inputs.photos[0].read_bytes() == b"kept"


def test_the_list_is_that_of_slam_tables(root):
    assert len(SCENES) == 9
    assert TumRgbd().scenes(root, "depth", ("freiburg1_xyz", "freiburg1_desk")) == ("freiburg1_desk", "freiburg1_xyz")


def test_a_part_of_the_sequences_is_named(root):
    with pytest.raises(InputError, match=r"7 of 9 scenes are missing: freiburg1_360.*--scenes freiburg1_desk freib"):
        TumRgbd().scenes(root, "trajectory")


def test_another_folder_is_no_root(tmp_path):
    with pytest.raises(InputError, match="is not TUM RGB-D"):
        TumRgbd().scenes(tmp_path, "trajectory")
    with pytest.raises(InputError, match="has no scene chess"):
        TumRgbd().scenes(tmp_path, "trajectory", ("chess",))


def test_a_sequence_without_depth_has_a_trajectory_only(root):
    (root / "rgbd_dataset_freiburg1_desk" / "depth.txt").unlink()

    assert TumRgbd().scenes(root, "trajectory", ("freiburg1_desk",)) == ("freiburg1_desk",)
    with pytest.raises(InputError, match=r"depth\.txt"):
        TumRgbd().scenes(root, "depth", ("freiburg1_desk",))


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("groundtruth.txt", "1305031102.175304 1 2 3"),
        ("groundtruth.txt", "1305031102.175304 1 2 3 a b c d"),
        ("rgb.txt", "a time"),
        ("rgb.txt", "# only a comment"),
        ("rgb.txt", "1305031102.175304 rgb/missing.png"),
    ],
)
def test_a_damaged_file_is_named(root, file, content):
    (root / "rgbd_dataset_freiburg1_desk" / file).write_text(content)

    with pytest.raises(InputError, match="missing.png" if "missing" in content else file):
        load(root)


def test_a_damaged_photo_or_depth_map_is_named(root):
    photo = load(root).inputs.photos[0]
    depth_map = min((photo.parent.parent / "depth").iterdir())
    depth_map.write_bytes(b"no picture")
    with pytest.raises(InputError, match=depth_map.name):
        load(root).truth.depth(0)

    photo.write_bytes(b"no picture")
    with pytest.raises(InputError, match=photo.name):
        load(root)
