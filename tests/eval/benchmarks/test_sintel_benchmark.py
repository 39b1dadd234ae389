import numpy as np
import pytest
from miniatures import sintel
from miniatures.reprojection import worst_reprojection

from pointmap.errors import InputError
from pointmap.eval.benchmarks.sintel import SCENES, Sintel


@pytest.fixture
def root(tmp_path):
    sintel.write(tmp_path)
    return tmp_path


def load(root, setting="depth-scale"):
    return Sintel().load(root, "alley_2", setting, root)


def test_cameras_as_read_see_what_the_cameras_of_the_world_saw(root):
    truth = load(root).truth

    np.testing.assert_allclose(truth.intrinsics, sintel.world().intrinsics)
    assert worst_reprojection(sintel.world(), truth.intrinsics, truth.world_from_cam) < 1e-6


def test_depth_is_read_row_by_row(root):
    task = load(root)

    np.testing.assert_array_equal([task.truth.depth(index) for index in range(3)], sintel.world().depths)


def test_all_frames_of_a_sequence_in_order(root):
    assert [photo.name for photo in load(root, "trajectory").inputs.photos] == [
        "frame_0001.png",
        "frame_0002.png",
        "frame_0003.png",
    ]
    assert load(root, "trajectory").truth.depths == ()


def test_depth_is_cut_off_at_seventy_metres():
    for name in ("depth-scale", "depth-scale-shift", "depth-metric", "depth-single"):
        scoring = Sintel.settings[name].scoring
        assert (scoring.farthest, scoring.clip) == (70, (-np.inf, 70))
        assert scoring.weighted
    assert load.__defaults__ == ("depth-scale",) == (next(iter(Sintel.settings)),)


def test_frames_of_a_video_or_single_ones(root):
    assert load(root, "depth-scale-shift").inputs.kind == "video"
    assert load(root, "depth-single").inputs.kind == "single"


def test_a_part_of_the_sequences_is_named(root):
    assert len(SCENES) == 14
    with pytest.raises(InputError, match=r"12 of 14 scenes are missing: ambush_4 \('training/final/ambush_4'\)"):
        Sintel().scenes(root, "depth-scale")
    with pytest.raises(InputError, match="has no scene alley_1"):
        Sintel().scenes(root, "depth-scale", ("alley_1",))


def test_another_folder_is_no_root(root):
    with pytest.raises(InputError, match="is not MPI Sintel"):
        Sintel().scenes(root / "training", "depth-scale")


@pytest.mark.parametrize("part", ["depth/alley_2/frame_0002.dpt", "camdata_left/alley_2/frame_0002.cam"])
def test_a_damaged_file_is_named(root, part):
    path = root / "training" / part
    content = path.read_bytes()
    for damaged in (b"", content[:-4], b"abcd" + content[4:]):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=path.name):
            load(root).truth.depth(1)
    path.unlink()
    with pytest.raises(InputError, match=path.name):
        load(root)


def test_a_sequence_without_frames_is_named(root):
    for path in (root / "training" / "final" / "alley_2").iterdir():
        path.unlink()

    with pytest.raises(InputError, match="alley_2"):
        load(root)
