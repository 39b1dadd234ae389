"""YCB objects as Berkeley's archives have them."""

import h5py
import numpy as np
import pytest
import trimesh
from miniature_world import BALL, RADIUS
from miniatures import turntable_rig, ycb
from miniatures.reprojection import worst_reprojection

from pointmap.errors import InputError
from pointmap.eval.benchmarks.ycb import OBJECTS, Ycb


@pytest.fixture
def bowl(tmp_path):
    ycb.write(tmp_path)
    return tmp_path / "024_bowl"


def load(folder, setting="mesh"):
    return Ycb().load(folder.parent, folder.name, setting, folder.parent / "scratch")


def test_cameras_move_around_the_object_as_they_were_photographed(bowl):
    made, task = turntable_rig.world(), load(bowl)

    np.testing.assert_allclose(task.truth.world_from_cam, made.world_from_cam, atol=1e-9)
    assert worst_reprojection(made, task.truth.intrinsics, task.truth.world_from_cam) < 1e-6


def test_photos_follow_the_angle_and_not_the_name(bowl):
    names = [photo.name for photo in load(bowl).inputs.photos]

    assert names[:3] == ["NP3_0.jpg", "NP3_15.jpg", "NP3_30.jpg"]
    assert len(names) == 24


def test_the_sparse_setting_takes_every_45_degrees(bowl):
    task = load(bowl, "mesh-sparse")

    assert [photo.name for photo in task.inputs.photos][1] == "NP3_45.jpg"
    np.testing.assert_allclose(task.truth.world_from_cam, turntable_rig.world().world_from_cam[::3], atol=1e-9)


def test_the_mesh_is_where_the_cameras_look(bowl):
    mesh = trimesh.load_mesh(load(bowl).truth.mesh)

    np.testing.assert_allclose(mesh.centroid, BALL, atol=1e-6)
    assert abs(mesh.extents[0] / 2 - RADIUS) < 1e-6


def test_masks_are_true_on_the_object(bowl):
    masks = load(bowl, "mesh-sparse").truth.extra["masks"]

    np.testing.assert_array_equal(np.stack([mask() for mask in masks]), turntable_rig.balls()[::3])
    assert 0.02 < turntable_rig.balls().mean() < 0.9


def test_masks_may_be_missing_and_damaged_ones_are_named(bowl):
    (bowl / "masks/NP3_0_mask.pbm").unlink()
    (bowl / "masks/NP3_45_mask.pbm").write_bytes(b"no mask")
    masks = load(bowl, "mesh-sparse").truth.extra["masks"]

    assert masks[0] is None
    with pytest.raises(InputError, match=r"NP3_45_mask\.pbm"):
        masks[1]()


def test_a_textured_mesh_stands_in_for_a_plain_one(bowl):
    trimesh.load_mesh(bowl / "poisson/nontextured.ply").export(bowl / "poisson/textured.obj")
    (bowl / "poisson/nontextured.ply").unlink()

    assert load(bowl).truth.mesh == bowl / "poisson/textured.obj"


def test_a_transform_that_scales_is_refused(bowl):
    with h5py.File(bowl / "poses/NP5_30_pose.h5", "w") as file:
        file["H_table_from_reference_camera"] = np.diag([2.0, 2.0, 2.0, 1.0])

    with pytest.raises(InputError, match=r"NP5_30_pose\.h5.* not rigid"):
        load(bowl)


def test_damaged_and_missing_files_are_named(bowl):
    (bowl / "poses/NP5_45_pose.h5").write_bytes(b"no HDF5")
    with pytest.raises(InputError, match=r"H_table_from_reference_camera.*NP5_45_pose\.h5"):
        load(bowl)
    with h5py.File(bowl / "calibration.h5", "w") as file:
        file["NP3_rgb_K"] = np.eye(3)
    with pytest.raises(InputError, match=r"H_NP3_from_NP5.*calibration\.h5"):
        load(bowl)
    (bowl / "NP3_0.jpg").unlink()
    with pytest.raises(InputError, match=r"NP3_0\.jpg"):
        Ycb().scenes(bowl.parent, "mesh", ("024_bowl",))


def test_other_folders_missing_objects_and_unknown_objects_are_refused(bowl, tmp_path_factory):
    assert Ycb().scenes(bowl.parent, "mesh", ("024_bowl",)) == ("024_bowl",)
    with pytest.raises(InputError, match=r"20 of 21 scenes are missing.*--scenes 024_bowl"):
        Ycb().scenes(bowl.parent, "mesh")
    with pytest.raises(InputError, match="has no scene 001_chips_can"):
        Ycb().scenes(bowl.parent, "mesh", ("001_chips_can",))
    with pytest.raises(InputError, match="is not YCB"):
        Ycb().scenes(tmp_path_factory.mktemp("empty"), "mesh")
    assert len(set(OBJECTS)) == 21
