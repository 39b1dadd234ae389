"""DTU in MVSNet's layout, in that of Depth Anything 3, and with the official scans."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from miniatures import dtu as miniature
from miniatures.reprojection import worst_reprojection
from PIL import Image

from pointmap.errors import InputError
from pointmap.eval.benchmarks.dtu import POSE_SCANS, SCANS, Dtu
from pointmap.eval.estimate import Estimate


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Only to be read."""
    root = tmp_path_factory.mktemp("dtu")
    miniature.write(root)
    return root


@pytest.fixture
def own(root, tmp_path):
    """To be damaged."""
    return Path(shutil.copytree(root, tmp_path / "own"))


def load(root, scene, setting):
    return Dtu().load(root, scene, setting, root / "scratch")


def test_lists_have_the_scans_of_their_sources():
    assert len(SCANS) == len(set(SCANS)) == 22
    assert len(POSE_SCANS) == len(set(POSE_SCANS)) == 13


@pytest.mark.parametrize("scan", ["scan1", "scan4"])
def test_cameras_and_depths_are_those_of_the_world_in_both_layouts(root, scan):
    task, world = load(root, scan, "official"), miniature.world()

    read = task.truth.world_from_cam.copy()
    assert worst_reprojection(world, task.truth.intrinsics, read, miniature.SCALE) < 1e-6
    points, true = Estimate.of_truth(task).points(5) / miniature.SCALE, world.points()[5]
    known = np.isfinite(points).all(axis=-1)
    assert known.sum() > 1500
    assert np.abs(points - true)[known].max() < 1e-5
    assert task.truth.unit == "mm"


def test_every_fifth_photo_is_taken(root):
    task = load(root, "scan1", "points")

    assert [photo.name for photo in task.inputs.photos] == ["00000000.jpg", "00000005.jpg", "00000010.jpg"]
    assert task.inputs.kind == "views"
    assert task.truth.depth(0).shape == (48, 64)


def test_photo_34_is_first_where_there_are_so_many(own):
    images = own / "scan24/image"
    for index in range(11, 40):
        shutil.copy(images / "00000000.png", images / f"{index:08d}.png")
        shutil.copy(own / "Cameras/00000000_cam.txt", own / "Cameras" / f"{index:08d}_cam.txt")

    names = [int(photo.stem) for photo in load(own, "scan24", "pose").inputs.photos]

    assert names == [33, *range(33), *range(34, 40)]
    assert load(own, "scan24", "pose").truth.depths == ()


def test_masks_and_their_rims_have_no_depth(own):
    mask = np.zeros((48, 64), np.uint8)
    mask[10:40, 20:60] = 255
    Image.fromarray(mask).save(own / "scan1/binary_masks/00000000.png")

    known = load(own, "scan1", "points").truth.depth(0) > 0

    assert not known[mask == 0].any()
    rows, columns = np.nonzero(known)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (15, 35, 25, 55)


def test_what_the_official_evaluation_needs_is_in_the_truth(root):
    truth = load(root, "scan1", "official").truth

    cloud = truth.cloud()
    np.testing.assert_allclose(cloud, miniature.world().points().reshape(-1, 3) * miniature.SCALE, atol=1e-4)
    mask, box, resolution = truth.extra["observation_mask"]()
    cells = np.round((cloud - box[0]) / resolution).astype(int)
    assert mask[tuple(cells.T)].all()
    assert (np.concatenate([cloud, np.ones((len(cloud), 1))], axis=1) @ truth.extra["plane"]() > 0).all()
    assert truth.extra["masks"][0]().all()
    assert truth.extra["masks"][0]().shape == (48, 64)


def test_a_tree_with_a_part_of_the_scans_says_which(root):
    benchmark = Dtu()

    assert benchmark.scenes(root, "official", ("scan1", "scan4")) == ("scan1", "scan4")
    assert benchmark.scenes(root, "pose", ("scan24",)) == ("scan24",)
    with pytest.raises(InputError, match=r"20 of 22 scenes are missing.*--scenes scan1 scan4"):
        benchmark.scenes(root, "official")
    with pytest.raises(InputError, match="has no scene scan2"):
        benchmark.scenes(root, "official", ("scan2",))


def test_another_folder_is_refused(tmp_path):
    for setting in Dtu.settings:
        with pytest.raises(InputError, match="is not DTU as it is read here"):
            Dtu().scenes(tmp_path, setting)


@pytest.mark.parametrize(
    ("setting", "file"),
    [
        ("points", "scan1/depths/00000000.npy"),
        ("points", "scan1/binary_masks/00000000.png"),
        ("official", "Points/stl/stl001_total.ply"),
        ("official", "SampleSet/MVS Data/ObsMask/Plane1.mat"),
        ("official", "scan1/cams/00000000_cam.txt"),
    ],
)
def test_a_missing_file_is_named_before_anything_is_run(own, setting, file):
    (own / file).unlink()

    with pytest.raises(InputError, match=Path(file).name):
        Dtu().scenes(own, setting, ("scan1",))


def test_a_missing_depth_map_of_a_later_photo_is_named(own):
    (own / "scan1/depths/00000010.npy").unlink()

    with pytest.raises(InputError, match=r"00000010\.npy"):
        load(own, "scan1", "points")


@pytest.mark.parametrize(
    ("file", "read"),
    [
        ("scan1/cams/00000000_cam.txt", lambda task: None),
        ("scan1/depths/00000000.npy", lambda task: task.truth.depth(0)),
        ("scan1/binary_masks/00000000.png", lambda task: task.truth.depth(0)),
        ("Points/stl/stl001_total.ply", lambda task: task.truth.cloud()),
        ("SampleSet/MVS Data/ObsMask/ObsMask1_10.mat", lambda task: task.truth.extra["observation_mask"]()),
        ("SampleSet/MVS Data/ObsMask/Plane1.mat", lambda task: task.truth.extra["plane"]()),
    ],
)
def test_damaged_files_are_named(own, file, read):
    (own / file).write_text("no longer what it was")

    with pytest.raises(InputError, match=Path(file).name):
        read(load(own, "scan1", "official"))
