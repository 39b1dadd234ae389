import numpy as np
import pytest
from miniatures import nyuv2
from PIL import Image
from scipy.io import savemat

from pointmap.errors import InputError
from pointmap.eval.benchmarks.nyuv2 import SCENES, NyuV2

CHOSEN = [number - 1 for number in sorted(nyuv2.TEST)]


@pytest.fixture
def root(tmp_path):
    nyuv2.write(tmp_path / "nyu")
    return tmp_path / "nyu"


def load(root, setting="depth-median"):
    return NyuV2().load(root, "test-001", setting, root.parent / "scratch")


def test_the_test_photos_are_unpacked_upright(root):
    photos = load(root).inputs.photos

    assert [photo.name for photo in photos] == ["0002.png", "0003.png", "0005.png", "0008.png"]
    for photo, image in zip(photos, nyuv2.world().images[CHOSEN], strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(photo)), image)


def test_depth_is_filled_or_raw_as_the_protocol_says(root):
    made = nyuv2.world().depths[CHOSEN]

    for setting in NyuV2.settings:
        truth = load(root, setting).truth
        depths = np.stack([truth.depth(index) for index in range(4)])
        np.testing.assert_array_equal(depths[:, 1::2], made[:, 1::2])
        np.testing.assert_array_equal(depths[:, ::2, ::2], 0 if setting == "depth-affine" else made[:, ::2, ::2])


def test_the_camera_counts_pixels_from_zero(root):
    K = load(root).truth.intrinsics[0]

    # A pixel of the photo is 8 of the data set's, which is 640x480; the toolbox's centre of the first one is 1.
    np.testing.assert_allclose(8 * (K[:2, 2] + 0.5) - 0.5, [325.582449 - 1, 253.736166 - 1])
    np.testing.assert_allclose(8 * np.diag(K)[:2], [518.857901, 519.469611])


def test_every_photo_stands_for_itself(root):
    task = load(root)

    assert task.inputs.kind == "single"
    assert np.isnan(task.truth.world_from_cam).all()


def test_photos_are_unpacked_once(root):
    photo = load(root).inputs.photos[0]
    photo.write_bytes(b"kept")

    assert load(root).inputs.photos[0].read_bytes() == b"kept"


def test_the_test_set_is_taken_in_groups_of_six(root):
    assert len(SCENES) * 6 == 654
    savemat(root / "splits.mat", {"testNdxs": np.arange(1, 9)[:, None]})

    assert NyuV2().scenes(root, "depth-median", ("test-001", "test-002")) == ("test-001", "test-002")
    assert len(load(root)) == 6
    assert len(NyuV2().load(root, "test-002", "depth-median", root / "scratch")) == 2
    with pytest.raises(InputError, match=r"107 of 109 scenes are missing: test-003 \('splits.mat, numbers of test-003"):
        NyuV2().scenes(root, "depth-median")


@pytest.mark.parametrize("name", ["splits.mat", "nyu_depth_v2_labeled.mat"])
def test_a_missing_file_is_named(root, name):
    (root / name).unlink()

    with pytest.raises(InputError, match=f"(?s)is not NYU Depth V2.*{name}"):
        NyuV2().scenes(root, "depth-median")


@pytest.mark.parametrize("name", ["splits.mat", "nyu_depth_v2_labeled.mat"])
def test_a_damaged_file_is_named(root, name):
    for content in (b"no such file", b"MATLAB 5.0 MAT-file" + bytes(200)):
        (root / name).write_bytes(content)
        with pytest.raises(InputError, match=name):
            load(root)


def test_a_set_without_the_photo_is_an_error(root):
    savemat(root / "splits.mat", {"testNdxs": np.array([[99]])})

    with pytest.raises(InputError, match="no images of photo 99"):
        load(root)
