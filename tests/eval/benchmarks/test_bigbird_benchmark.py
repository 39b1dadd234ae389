"""BigBIRD as its archives have it; what the rig's files say is tested with YCB's."""

import numpy as np
import pytest
import trimesh
from miniature_world import BALL
from miniatures import bigbird, turntable_rig

from pointmap.errors import InputError
from pointmap.eval.benchmarks.bigbird import OBJECTS, BigBird


@pytest.fixture
def can(tmp_path):
    bigbird.write(tmp_path)
    return tmp_path / "red_bull"


def load(folder, setting="mesh"):
    return BigBird().load(folder.parent, folder.name, setting, folder.parent / "scratch")


@pytest.mark.parametrize(("setting", "every"), [("mesh", 1), ("mesh-sparse", 3)])
def test_cameras_move_around_the_object_as_they_were_photographed(can, setting, every):
    task = load(can, setting)

    np.testing.assert_allclose(task.truth.world_from_cam, turntable_rig.world().world_from_cam[::every], atol=1e-9)
    np.testing.assert_allclose(task.truth.intrinsics, turntable_rig.world().intrinsics[::every], atol=1e-9)
    assert task.truth.unit == "m"


def test_the_mesh_is_where_the_cameras_look(can):
    np.testing.assert_allclose(trimesh.load_mesh(load(can).truth.mesh).centroid, BALL, atol=1e-6)


def test_an_object_without_a_mesh_is_incomplete(can):
    mesh = can / "textured_meshes/optimized_poisson_texture_mapped_mesh.obj"
    mesh.unlink()

    with pytest.raises(InputError, match=r"optimized_poisson_texture_mapped_mesh"):
        BigBird().scenes(can.parent, "mesh", ("red_bull",))
    with pytest.raises(InputError, match=r"has no textured_meshes.* and no meshes/poisson\.ply"):
        load(can)


def test_other_folders_missing_objects_and_unknown_objects_are_refused(can, tmp_path_factory):
    assert BigBird().scenes(can.parent, "mesh", ("red_bull",)) == ("red_bull",)
    with pytest.raises(InputError, match=rf"{len(OBJECTS) - 1} of {len(OBJECTS)} scenes.*--scenes red_bull"):
        BigBird().scenes(can.parent, "mesh")
    with pytest.raises(InputError, match="has no scene coca_cola"):
        BigBird().scenes(can.parent, "mesh", ("coca_cola",))
    with pytest.raises(InputError, match="is not BigBIRD"):
        BigBird().scenes(tmp_path_factory.mktemp("empty"), "mesh")
