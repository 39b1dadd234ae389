import numpy as np
import pytest
from miniatures import robustmvd
from miniatures.reprojection import worst_reprojection

from pointmap.errors import InputError
from pointmap.eval.benchmarks.robustmvd import COUNTS, RobustMvd

SHORT = [name.split("_")[0] for name in robustmvd.SETS]


@pytest.fixture
def root(tmp_path):
    robustmvd.write(tmp_path)
    return tmp_path


def load(root, setting="eth3d"):
    return RobustMvd().load(root, robustmvd.SCENES[setting][0], setting, root)


@pytest.mark.parametrize("setting", SHORT)
def test_the_key_view_alone_has_a_true_depth_in_metres(root, setting):
    truth = load(root, setting).truth

    assert [truth.depth(index) is None for index in range(3)] == [True, False, True]
    assert not truth.depth(1)[:4].any()
    np.testing.assert_allclose(truth.depth(1)[4:], robustmvd.world().depths[1, 4:], atol=0.0021)


@pytest.mark.parametrize("setting", SHORT)
def test_cameras_as_read_see_what_the_cameras_of_the_world_saw(root, setting):
    truth = load(root, setting).truth

    assert worst_reprojection(robustmvd.world(), truth.intrinsics, truth.world_from_cam) < 1e-6
    np.testing.assert_allclose(truth.world_from_cam[robustmvd.KEY], np.eye(4), atol=1e-9)


def test_cameras_are_given_where_the_protocol_says_so(root):
    given, hidden = load(root, "dtu-posed"), load(root, "dtu")

    np.testing.assert_array_equal(given.inputs.world_from_cam, given.truth.world_from_cam)
    np.testing.assert_array_equal(given.inputs.intrinsics, given.truth.intrinsics)
    assert hidden.inputs.world_from_cam is None
    assert hidden.inputs.intrinsics is None
    assert [RobustMvd.settings[name].scoring.align for name in ("dtu-posed", "dtu")] == ["none", "median"]


def test_a_scene_is_a_sample_of_the_list(root):
    assert sum(COUNTS.values()) == 576
    assert RobustMvd().scenes(root, "kitti", ("kitti+000",)) == ("kitti+000",)
    with pytest.raises(
        InputError, match=r"(?s)103 of 104 scenes are missing: eth3d\+001 \('eth3d.robustmvd.json, samp"
    ):
        RobustMvd().scenes(root, "eth3d")
    with pytest.raises(InputError, match=r"has no scene eth3d\+104"):
        RobustMvd().scenes(root, "eth3d", ("eth3d+104",))
    with pytest.raises(InputError, match=r"has no scene kitti\+000"):
        RobustMvd().scenes(root, "eth3d", ("kitti+000",))


def test_a_missing_file_is_named(root):
    (root / "dtu" / "base" / "2.png").unlink()
    with pytest.raises(InputError, match=r"dtu/base/2\.png"):
        RobustMvd().scenes(root, "dtu", ("dtu+000",))
    (root / "dtu.robustmvd.json").unlink()
    with pytest.raises(InputError, match=r"dtu\.robustmvd\.json"):
        RobustMvd().scenes(root, "dtu")


@pytest.mark.parametrize(
    "damage",
    [{"key": 3}, {"intrinsics": [[1, 2], [3, 4]]}, {"cam_from_ref": "none"}, {"images": 5}, {"size": [3]}],
)
def test_a_damaged_sample_is_named(root, damage):
    robustmvd.write_list(root / "eth3d.robustmvd.json", [robustmvd.row(robustmvd.world()) | damage])

    with pytest.raises(InputError, match=r"Sample 0 of .*eth3d\.robustmvd\.json"):
        load(root)


@pytest.mark.parametrize("content", ["no JSON", "[]", "{}", '{"samples": 3}'])
def test_a_list_of_another_form_is_named(root, content):
    (root / "eth3d.robustmvd.json").write_text(content)

    with pytest.raises(InputError, match=r"eth3d\.robustmvd\.json.* is no list of samples"):
        RobustMvd().scenes(root, "eth3d")


@pytest.mark.parametrize("setting", SHORT)
def test_a_damaged_depth_map_is_named(root, setting):
    path = root / robustmvd.SCENES[setting][0].split("+")[0] / "base" / "depth"
    path.write_bytes(path.read_bytes()[:90])

    with pytest.raises(InputError, match="base/depth"):
        load(root, setting).truth.depth(1)
