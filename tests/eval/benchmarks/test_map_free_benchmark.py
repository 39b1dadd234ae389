"""Map-free relocalisation in its official layout."""

import numpy as np
import pytest
from miniatures import map_free as miniature
from miniatures.reprojection import worst_reprojection

from pointmap.errors import InputError
from pointmap.eval.benchmarks.map_free import SCENES, MapFreeRelocalisation


@pytest.fixture
def scene(tmp_path):
    miniature.write(tmp_path)
    return tmp_path / "val" / "s00460"


def load(scene, setting="single"):
    return MapFreeRelocalisation().load(scene.parents[1], scene.name, setting, scene.parents[1] / "scratch")


def test_there_are_sixty_five_scenes_between_training_and_test():
    assert len(SCENES) == 65
    assert (SCENES[0], SCENES[-1]) == ("s00460", "s00524")


def test_every_fifth_query_follows_the_reference(scene):
    task = load(scene)

    assert [photo.relative_to(scene).as_posix() for photo in task.inputs.photos] == [
        "seq0/frame_00000.jpg",
        "seq1/frame_00000.jpg",
        "seq1/frame_00010.jpg",
    ]
    assert task.inputs.queries == (1, 2)
    assert task.inputs.neighbours == ((0,), (0,))


def test_every_fiftieth_query_is_a_tenth_of_them(scene):
    assert len(load(scene, "single-sparse").inputs.queries) == 1


def test_cameras_see_the_world_that_was_photographed(scene):
    world, task = miniature.world(), load(scene)
    chosen = [0, 1, 6]
    part = type(world)(
        *(array[chosen] for array in (world.images, world.depths, world.intrinsics, world.world_from_cam))
    )

    assert worst_reprojection(part, task.truth.intrinsics, task.truth.world_from_cam) < 1e-6
    np.testing.assert_allclose(task.truth.world_from_cam[0], np.eye(4), atol=1e-12)
    assert np.isnan(task.inputs.world_from_cam[1:]).all()


def test_withheld_poses_are_refused(scene):
    poses = scene / "poses.txt"
    lines = poses.read_text().splitlines()
    poses.write_text("\n".join([lines[0], *(line.split()[0] + " 0 0 0 0 0 0 0" for line in lines[1:])]))

    with pytest.raises(InputError, match=r"poses\.txt.* is no pose"):
        load(scene)


@pytest.mark.parametrize("file", ["poses.txt", "intrinsics.txt"])
def test_a_photo_that_a_file_does_not_list_is_named(scene, file):
    path = scene / file
    path.write_text("\n".join(path.read_text().splitlines()[1:]))

    with pytest.raises(InputError, match=f"{file}.* says nothing of 'seq0/frame_00000.jpg'"):
        load(scene)


def test_damaged_intrinsics_are_named(scene):
    (scene / "intrinsics.txt").write_text("seq0/frame_00000.jpg 1 2 3\n")

    with pytest.raises(InputError, match=r"intrinsics\.txt.* is damaged"):
        load(scene)


def test_a_photo_that_is_gone_is_named(scene):
    (scene / "seq1/frame_00010.jpg").unlink()

    with pytest.raises(InputError, match="frame_00010"):
        load(scene)


def test_missing_scenes_are_named_with_those_that_are_there(scene):
    root = scene.parents[1]

    with pytest.raises(InputError, match=r"64 of 65 scenes are missing.*s00461.*--scenes s00460"):
        MapFreeRelocalisation().scenes(root, "single")
    assert MapFreeRelocalisation().scenes(root, "single", ("s00460",)) == ("s00460",)


def test_another_folder_and_another_scene_are_refused(scene):
    with pytest.raises(InputError, match="is not Map-free"):
        MapFreeRelocalisation().scenes(scene, "single")
    with pytest.raises(InputError, match="has no scene s00525"):
        MapFreeRelocalisation().scenes(scene.parents[1], "single", ("s00525",))
