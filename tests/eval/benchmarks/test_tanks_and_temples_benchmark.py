"""The training set of Tanks and Temples, with its photos beside the files of the evaluation."""

from dataclasses import replace

import numpy as np
import pytest
from miniatures import tanks_and_temples as miniature

from pointmap.errors import InputError
from pointmap.eval.benchmarks.tanks_and_temples import THRESHOLDS, TanksAndTemples


@pytest.fixture
def scene(tmp_path):
    miniature.write(tmp_path)
    return tmp_path / "Truck"


def load(scene, setting="official"):
    return TanksAndTemples().load(scene.parent, scene.name, setting, scene.parent / "scratch")


def test_poses_are_in_the_frame_of_the_scan(scene):
    world_from_cam = load(scene).truth.world_from_cam
    known = np.arange(miniature.COUNT) != miniature.LOST

    np.testing.assert_allclose(world_from_cam[known], miniature.world().world_from_cam[known], atol=1e-9)
    assert np.isnan(world_from_cam[miniature.LOST]).all()


def test_the_scan_is_what_the_photos_show(scene):
    made, task = miniature.world(), load(scene)
    points = task.truth.cloud()[: made.depths[0].size]
    cam = (points - task.truth.world_from_cam[0, :3, 3]) @ task.truth.world_from_cam[0, :3, :3]
    rows, columns = np.mgrid[: made.depths.shape[1], : made.depths.shape[2]]

    seen = (cam / cam[:, 2:]) @ made.intrinsics[0, :2].T
    np.testing.assert_allclose(seen, np.stack([columns.ravel(), rows.ravel()], axis=1), atol=1e-3)


def test_the_protocol_finds_threshold_and_crop(scene):
    extra = load(scene).truth.extra

    assert extra["threshold"] == THRESHOLDS["Truck"] == 0.005
    assert extra["crop"]()["orthogonal_axis"] == "Y"
    assert extra["crop"]()["bounding_polygon"].shape == (4, 3)


@pytest.mark.parametrize("setting", ["official-tenth", "pose"])
def test_every_tenth_photo_is_taken(scene, setting):
    task = load(scene, setting)

    assert [photo.name for photo in task.inputs.photos] == ["000001.jpg", "000011.jpg", "000021.jpg"]
    np.testing.assert_allclose(task.truth.world_from_cam, miniature.world().world_from_cam[[0, 10, 20]], atol=1e-9)
    assert np.isnan(task.truth.intrinsics).all()
    assert task.inputs.intrinsics is None
    assert task.inputs.world_from_cam is None


def test_what_the_photos_show_scores_perfectly_in_any_frame_and_scale(scene):
    task = load(scene)
    scoring = TanksAndTemples.settings["official"].scoring
    perfect = miniature.perfect(task)
    poses = perfect.world_from_cam.copy()
    poses[:, :3, 3] *= 3.0
    poses = np.diag([-1.0, -1.0, 1.0, 1.0]) @ poses
    enlarged = replace(perfect, world_from_cam=poses, depths=tuple(3 * depth for depth in perfect.depths))

    assert scoring.score(task, perfect).values == pytest.approx({"f_score": 1, "precision": 1, "recall": 1}, abs=1e-3)
    assert scoring.score(task, enlarged).values["f_score"] == pytest.approx(1, abs=1e-2)
    wrong = replace(perfect, depths=tuple(0.7 * depth for depth in perfect.depths))
    assert scoring.score(task, wrong).values["f_score"] < 0.5


def test_an_incomplete_image_set_is_refused(scene):
    (scene / "images/000005.jpg").unlink()

    with pytest.raises(InputError, match=r"has 20 photos.* poses of 21"):
        load(scene)


@pytest.mark.parametrize("file", ["Truck_COLMAP_SfM.log", "Truck_trans.txt", "Truck.json", "Truck.ply"])
def test_damaged_files_are_named(scene, file):
    (scene / file).write_text("0 0 0\n1 2 3\n")

    def read_everything():
        truth = load(scene).truth
        truth.extra["crop"]()
        truth.cloud()

    with pytest.raises(InputError, match=file.replace(".", r"\.")):
        read_everything()


def test_poses_that_are_not_rigid_are_refused(scene):
    path = scene / "Truck_COLMAP_SfM.log"
    rows = ["0 0 0", "2 0 0 0", "0 2 0 0", "0 0 2 0", "0 0 0 1"]
    path.write_text("\n".join(rows * miniature.COUNT))

    with pytest.raises(InputError, match="not rigid"):
        load(scene)


def test_other_folders_missing_scenes_and_unknown_scenes_are_refused(scene, tmp_path_factory):
    benchmark = TanksAndTemples()

    assert benchmark.scenes(scene.parent, "official", ("Truck",)) == ("Truck",)
    with pytest.raises(InputError, match=r"6 of 7 scenes are missing: Barn \('Barn/Barn\.ply'\).*--scenes Truck"):
        benchmark.scenes(scene.parent, "official")
    with pytest.raises(InputError, match="has no scene Family"):
        benchmark.scenes(scene.parent, "official", ("Family",))
    with pytest.raises(InputError, match="is not Tanks and Temples"):
        benchmark.scenes(tmp_path_factory.mktemp("empty"), "official")
