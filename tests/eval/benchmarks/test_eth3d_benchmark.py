"""ETH3D in its official layout."""

import shutil
from pathlib import Path

import numpy as np
import pycolmap
import pytest
from miniatures import eth3d as miniature
from miniatures.reprojection import worst_reprojection
from PIL import Image

from pointmap.errors import InputError
from pointmap.eval.benchmarks.eth3d import DA3_LEFT_OUT, DA3_SCENES, SCENES, Eth3d
from pointmap.eval.estimate import Estimate
from pointmap.eval.layouts.eth3d_files import LensCamera, read_scans


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Only to be read."""
    root = tmp_path_factory.mktemp("eth3d")
    miniature.write(root)
    return root


@pytest.fixture
def own(root, tmp_path):
    """To be damaged."""
    return Path(shutil.copytree(root, tmp_path / "own"))


def load(root, setting, scene="courtyard"):
    return Eth3d().load(root, scene, setting, root / "scratch")


def test_lists_have_the_scenes_of_their_sources():
    assert len(SCENES) == 13
    assert len(DA3_SCENES) == 11
    assert set(DA3_LEFT_OUT) <= set(DA3_SCENES)
    assert sum(map(len, DA3_LEFT_OUT.values())) == 39


def test_cameras_are_those_of_the_world(root):
    task = load(root, "official")

    assert [photo.name for photo in task.inputs.photos] == list(miniature.NAMES)
    assert worst_reprojection(miniature.world(), task.truth.intrinsics, task.truth.world_from_cam) < 1e-6
    np.testing.assert_array_equal(task.inputs.world_from_cam, task.truth.world_from_cam)
    assert load(root, "points").inputs.world_from_cam is None


def test_the_lens_is_that_of_colmap():
    camera = LensCamera("THIN_PRISM_FISHEYE", miniature.SIZE, np.array(miniature.LENS))
    theirs = pycolmap.Camera(model="THIN_PRISM_FISHEYE", width=44, height=34, params=miniature.LENS)
    rays = np.random.default_rng(0).uniform(-0.6, 0.6, (50, 2))

    expected = theirs.img_from_cam(np.concatenate([rays, np.ones((50, 1))], axis=1))

    np.testing.assert_allclose(camera.project(rays) + 0.5, expected, atol=1e-9)


def test_depth_of_originals_is_brought_to_the_undistorted_photos(root):
    """Away from the ball's edge it is the world's, but for half a pixel of the original."""
    task, world = load(root, "official"), miniature.world()

    for index in range(len(task)):
        depth, true = task.truth.depth(index), world.depths[index]
        assert depth.shape == true.shape
        known = depth > 0
        assert known.mean() > 0.85
        error = np.abs(depth - true)[known] / true[known]
        assert np.median(error) < 0.006
        assert (error < 0.03).mean() > 0.9
    points = Estimate.of_truth(task).points(2)
    assert np.nanmedian(np.linalg.norm(points - world.points()[2], axis=-1)) < 0.02 * miniature.SCALE


def test_unknown_depth_is_zero(root):
    mono = load(root, "mono").truth

    assert mono.depth(0)[0, :2].tolist() == [0, 0]
    np.testing.assert_array_equal(mono.depth(3)[1:], miniature.original_depths()[3][1:])


def test_single_photos_are_the_originals(root):
    task = load(root, "mono")

    assert task.inputs.kind == "single"
    assert {photo.parent.name for photo in task.inputs.photos} == {"dslr_images"}
    # fx, fy and the middle of the lens, counted from the centre of the first pixel.
    np.testing.assert_allclose(task.truth.intrinsics[0], [[40, 0, 22], [0, 41, 16.25], [0, 0, 1]])


def test_maps_are_shrunk_to_the_columns_of_the_protocol(own):
    options = {**Eth3d.settings["points"].options, "depth_width": 24}
    small = Eth3d()
    small.settings = {"points": Eth3d.settings["points"].__class__("", None, "", options=options)}

    depth = small.load(own, "courtyard", "points", own).truth.depth(0)

    assert depth.shape == (18, 24)
    # The centre of a pixel of the small map is the corner between four of the photo.
    four = miniature.world().depths[0].reshape(18, 2, 24, 2).mean(axis=(1, 3))
    assert np.median(np.abs(depth - four)[depth > 0] / four[depth > 0]) < 0.006


def test_every_fifth_photo_and_ten_drawn_ones(root, tmp_path):
    assert [photo.name for photo in load(root, "points").inputs.photos] == ["DSC_0286.JPG", "DSC_0291.JPG"]
    assert len(load(root, "points-vggt")) == 6


def test_photos_of_unusual_rotation_are_left_out(tmp_path):
    names = ["DSC_0710.JPG", "DSC_0711.JPG", "DSC_0714.JPG", "DSC_0715.JPG"]
    miniature.scene(tmp_path / "delivery_area", names)

    photos = load(tmp_path, "pose", "delivery_area").inputs.photos

    assert [photo.name for photo in photos] == ["DSC_0710.JPG", "DSC_0715.JPG"]
    assert len(load(tmp_path, "official", "delivery_area")) == 4


def test_scans_are_moved_to_the_frame_of_the_cameras(root):
    truth = load(root, "official").truth
    true = miniature.world().points().reshape(-1, 3)

    np.testing.assert_allclose(truth.cloud(), np.concatenate([true[0::2], true[1::2]]), atol=1e-5)
    (first, points), (second, _) = truth.extra["scans"]()
    np.testing.assert_allclose([first, second], miniature.SCANNERS)
    np.testing.assert_allclose(points, true[0::2], atol=1e-5)


def test_the_mesh_of_depth_anything_is_taken_where_it_is(own):
    assert load(own, "tsdf").truth.mesh is None
    assert load(own, "tsdf").truth.cloud is not None

    (own / "courtyard/combined_mesh.ply").touch()

    assert load(own, "tsdf").truth.mesh == own / "courtyard/combined_mesh.ply"
    assert load(own, "official").truth.mesh is None


def test_a_tree_with_a_part_of_the_scenes_says_which(root):
    for setting in Eth3d.settings:
        assert Eth3d().scenes(root, setting, ("courtyard",)) == ("courtyard",)
    with pytest.raises(InputError, match=r"12 of 13 scenes are missing.*--scenes courtyard"):
        Eth3d().scenes(root, "points")
    with pytest.raises(InputError, match="has no scene meadow"):
        Eth3d().scenes(root, "tsdf", ("meadow",))


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="is not ETH3D as it is read here"):
        Eth3d().scenes(tmp_path, "points")


@pytest.mark.parametrize(
    ("setting", "missing"),
    [
        ("points", "dslr_calibration_jpg"),
        ("depth", "ground_truth_depth/dslr_images"),
        ("official", "dslr_scan_eval"),
        ("mono", "images/dslr_images"),
        ("pose", "images/dslr_images_undistorted"),
    ],
)
def test_an_archive_that_was_not_unpacked_is_named_before_anything_is_run(own, setting, missing):
    shutil.rmtree(own / "courtyard" / missing)

    with pytest.raises(InputError, match=f"courtyard/{missing}"):
        Eth3d().scenes(own, setting, ("courtyard",))


def test_a_photo_without_depth_has_none(own):
    (own / "courtyard/ground_truth_depth/dslr_images/DSC_0286.JPG").unlink()

    truth = load(own, "depth").truth

    assert truth.depth(0) is None
    assert truth.depth(1) is not None


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("dslr_calibration_undistorted/cameras.txt", "7 PINHOLE 48 36 43.2 44.5 25.5"),
        ("dslr_calibration_undistorted/cameras.txt", "7 SIMPLE_RADIAL 48 36 43.2 24 18 0.1"),
        ("dslr_calibration_undistorted/images.txt", "1 1 0 0 0 0 0 nan 7 a/b.JPG\n\n"),
        ("dslr_calibration_undistorted/images.txt", "1 1 0 0 0 0 0 0 8 a/b.JPG\n\n"),
        ("dslr_scan_eval/scan_alignment.mlp", "<MeshLabProject></MeshLabProject>"),
        ("dslr_scan_eval/scan2.ply", "ply"),
        ("ground_truth_depth/dslr_images/DSC_0286.JPG", "few"),
    ],
)
def test_damaged_files_are_named(own, file, content):
    (own / "courtyard" / file).write_text(content)

    def read_all():
        truth = load(own, "official").truth
        truth.depth(0)
        truth.cloud()

    with pytest.raises(InputError, match=Path(file).name):
        read_all()


def test_a_matrix_that_is_cut_off_is_named(own):
    path = own / "courtyard/dslr_scan_eval/scan_alignment.mlp"
    path.write_text('<MLMesh filename="scan1.ply"> <MLMatrix44> 1 0 0 </MLMatrix44></MLMesh>')

    with pytest.raises(InputError, match=r"scan1\.ply.*16 numbers"):
        read_scans(path)


def test_photos_of_the_miniature_have_the_sizes_of_their_cameras(root):
    for kind, size in (("dslr_images_undistorted", (48, 36)), ("dslr_images", miniature.SIZE)):
        with Image.open(root / "courtyard/images" / kind / "DSC_0286.JPG") as image:
            assert image.size == size
