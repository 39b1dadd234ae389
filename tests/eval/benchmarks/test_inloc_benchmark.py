"""InLoc as its authors and hloc have it."""

import numpy as np
import pytest
from miniature_world import World
from miniatures import inloc as miniature
from miniatures.reprojection import worst_reprojection
from scipy.io import savemat

from pointmap.errors import InputError
from pointmap.eval.benchmarks.inloc import RETRIEVAL, InLoc
from pointmap.eval.estimate import Estimate

QUERY = "query/iphone7/IMG_0731.JPG"


@pytest.fixture
def root(tmp_path):
    miniature.write(tmp_path)
    return tmp_path


def load(root):
    return InLoc().load(root, "duc", "localization", root / "scratch")


def test_cameras_of_cutouts_follow_from_their_points(root):
    made, task = miniature.world(), load(root)
    cutouts = World(made.images[:3], made.depths[:3], made.intrinsics[:3], made.world_from_cam[:3])

    assert worst_reprojection(cutouts, task.truth.intrinsics[:3], task.truth.world_from_cam[:3]) < 1e-4
    np.testing.assert_allclose(task.truth.world_from_cam, made.world_from_cam, atol=1e-6)


def test_the_query_has_the_camera_of_the_phone_and_no_pose_in_the_inputs(root):
    task = load(root)

    np.testing.assert_allclose(task.inputs.intrinsics[3], miniature.world().intrinsics[3])
    assert np.isnan(task.inputs.world_from_cam[3]).all()
    assert task.inputs.queries == (3,)


def test_without_poses_of_queries_their_truth_is_unknown(root):
    (root / "query_poses.txt").unlink()

    assert np.isnan(load(root).truth.world_from_cam[3]).all()


def test_the_map_holds_what_the_retrieval_names(root):
    (root / RETRIEVAL).parent.mkdir(parents=True)
    (root / RETRIEVAL).write_text(f"{QUERY} {miniature.CUTOUTS[2]}\n{QUERY} {miniature.CUTOUTS[0]}\n")
    task = load(root)

    assert [photo.name for photo in task.inputs.photos] == [
        "DUC_cutout_000_0_0.jpg",
        "DUC_cutout_000_60_30.jpg",
        "IMG_0731.JPG",
    ]
    assert task.inputs.neighbours == ((1, 0),)


def test_cameras_are_fitted_once(root):
    first = load(root)
    for name in miniature.CUTOUTS:
        (root / f"{name}.mat").unlink()

    np.testing.assert_allclose(load(root).truth.intrinsics, first.truth.intrinsics, rtol=1e-12)


def test_points_that_were_not_seen_from_the_origin_are_refused(root):
    points = np.random.default_rng(0).normal(size=(48, 64, 3))
    savemat(root / f"{miniature.CUTOUTS[1]}.mat", {"XYZcut": points})

    with pytest.raises(InputError, match=r"DUC_cutout_001_30_-30\.jpg\.mat.* not seen from the origin"):
        load(root)


def test_files_without_points_or_transformations_are_named(root):
    transformation = root / "database/alignments/DUC2/transformations/DUC_trans_000.txt"
    transformation.write_text("Before general icp:\n1 0 0 0\n")
    with pytest.raises(InputError, match=r"DUC_trans_000\.txt.* is damaged"):
        load(root)
    savemat(root / f"{miniature.CUTOUTS[0]}.mat", {"RGBcut": np.zeros((4, 4, 3))})
    with pytest.raises(InputError, match=r"XYZcut.*DUC_cutout_000_0_0"):
        load(root)


def test_other_folders_missing_parts_and_unknown_scenes_are_refused(root, tmp_path_factory):
    assert InLoc().scenes(root, "localization") == ("duc",)
    with pytest.raises(InputError, match="has no scene DUC1"):
        InLoc().scenes(root, "localization", ("DUC1",))
    with pytest.raises(InputError, match="is not InLoc"):
        InLoc().scenes(tmp_path_factory.mktemp("empty"), "localization")


def test_without_true_poses_the_share_of_registered_queries_is_what_is_known(root):
    (root / "query_poses.txt").unlink()
    task = load(root)
    values = InLoc.settings["localization"].scoring.score(task, Estimate.still(task)).values

    assert values["registered"] == 1
    assert all(np.isnan(value) for name, value in values.items() if name != "registered")
