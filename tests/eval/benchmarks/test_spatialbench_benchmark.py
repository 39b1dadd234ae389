"""SpatialBench in the layout of its archives."""

import json

import numpy as np
import pytest
import trimesh
from miniatures import spatialbench as miniature
from miniatures.reprojection import worst_reprojection
from PIL import Image

from pointmap.errors import InputError
from pointmap.eval.benchmarks.spatialbench import DATASETS, INDEX, SpatialBench
from pointmap.eval.layouts.spatialbench_files import decode_depth

NAME = "7scenes+room_seq-05+0"


@pytest.fixture
def root(tmp_path):
    miniature.write(tmp_path)
    return tmp_path


def load(root, setting="sparse", scene=NAME):
    return SpatialBench().load(root, scene, setting, root / "scratch")


def rewrite_meta(folder, **changes):
    path = folder / "meta.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("setting", "count", "kind"), [("single", 1, "single"), ("sparse", 3, "views"), ("dense", 4, "video")]
)
def test_a_density_has_the_photos_of_its_folder(root, setting, count, kind):
    task = load(root, setting)

    assert len(task.inputs.photos) == count
    assert task.inputs.kind == kind
    assert task.inputs.intrinsics is None
    assert task.inputs.world_from_cam is None


def test_cameras_and_depths_are_those_of_the_world(root):
    made, task = miniature.world(), load(root, "medium")

    assert worst_reprojection(made, task.truth.intrinsics, task.truth.world_from_cam) < 1e-6
    for index, depth in enumerate(made.depths):
        np.testing.assert_allclose(task.truth.depth(index), depth, atol=1e-6)


def test_intrinsics_may_be_shared_and_poses_may_be_square(root):
    folder = root / "medium/7scenes/room_seq-05/0"
    rewrite_meta(folder, intrinsic_mode="shared")
    K = miniature.world().intrinsics[0] * [[1.1], [1.2], [1.0]]
    np.save(folder / "intrinsics/intrinsic.npy", K)
    np.save(folder / "poses/000001.npy", miniature.world().world_from_cam[1])

    task = load(root, "medium")
    np.testing.assert_allclose(task.truth.intrinsics, np.tile(K, (4, 1, 1)))
    np.testing.assert_allclose(task.truth.world_from_cam, miniature.world().world_from_cam)


def test_a_scene_without_poses_has_none(root):
    rewrite_meta(root / "sparse/7scenes/room_seq-05/0", pose="none")

    assert np.isnan(load(root).truth.world_from_cam).all()


def test_masks_and_far_depths_are_unknown(root):
    folder = root / "sparse/nrgbd/room_seq-05/0"
    height, width = miniature.world().depths.shape[1:]
    for kind, value in (("depth_masks", 255), ("sky_masks", 0)):
        (folder / kind).mkdir()
        for index in range(3):
            mask = np.full((height, width), value, np.uint8)
            mask[:5, :7] = 255 - value
            Image.fromarray(mask).save(folder / kind / f"{index}.png")
    far = np.full((height, width), int((DATASETS["nrgbd"].farthest + 1) / miniature.STEP), np.uint16)
    Image.fromarray(far).save(folder / "depths/000002.png")

    truth = load(root, scene="nrgbd+room_seq-05+0").truth
    assert (truth.depth(0)[:5, :7] == 0).all()
    assert (truth.depth(0)[5:] > 0).all()
    assert (truth.depth(2) == 0).all()


def test_uncertain_and_far_depths_of_ropedia_are_unknown(tmp_path):
    made = miniature.world(1)
    folder = tmp_path / "single/ropedia/slab/0"
    miniature.write_scene(folder, made)
    (folder / "conf_masks").mkdir()
    sure = np.full(made.depths.shape[1:], 65535, np.uint16)
    sure[:, :10] = 0.4 * 65535
    Image.fromarray(sure).save(folder / "conf_masks/0.png")

    depth = load(tmp_path, "single", "ropedia+slab+0").truth.depth(0)
    assert (depth[:, :10] == 0).all()
    known = np.where(sure > 60000, made.depths[0], 0)
    assert depth.max() <= np.percentile(known, 80)
    assert (depth > 0).sum() > 0.5 * depth.size


def test_mirrored_photos_are_written_as_their_cameras_have_them(tmp_path):
    made = miniature.world(2)
    folder = tmp_path / "sparse/rlbench/task/0"
    flips = [{"basename": "000001", "flip_lr": True, "flip_ud": True}]
    miniature.write_scene(folder, made, pyrep_flip=flips)
    for kind in ("images", "depths"):
        with Image.open(folder / kind / "000001.png") as image:
            pixels = np.asarray(image)[::-1, ::-1]
        Image.fromarray(np.ascontiguousarray(pixels)).save(folder / kind / "000001.png")
    K = made.intrinsics[1].copy()
    K[:2, 2] = np.array(made.depths.shape[:0:-1]) - 1 - K[:2, 2]
    np.save(folder / "intrinsics/000001.npy", K)
    task = load(tmp_path, "sparse", "rlbench+task+0")

    assert worst_reprojection(made, task.truth.intrinsics, task.truth.world_from_cam) < 1e-6
    with Image.open(task.inputs.photos[1]) as image:
        np.testing.assert_array_equal(np.asarray(image), made.images[1])
    near = np.where(made.depths[1] > DATASETS["rlbench"].farthest, 0, made.depths[1])
    np.testing.assert_allclose(task.truth.depth(1), near, atol=1e-6)
    assert task.inputs.photos[0] == folder / "images/000000.png"


def test_distorted_photos_are_undistorted_to_the_pinhole_of_the_scene(tmp_path):
    made = miniature.world(1)
    folder = tmp_path / "single/scannetpp/scan/0"
    miniature.write_scene(folder, made, image_state="distorted_original")
    K = made.intrinsics[0] + [[0, 0, 3.0], [0, 0, 2.0], [0, 0, 0]]
    np.save(folder / "intrinsics/K_distorted.npy", K)
    np.save(folder / "intrinsics/distortion_coeffs.npy", np.zeros(4))
    task = load(tmp_path, "single", "scannetpp+scan+0")

    with Image.open(task.inputs.photos[0]) as image:
        np.testing.assert_array_equal(np.asarray(image)[:40, :50], made.images[0][2:42, 3:53])
    np.testing.assert_allclose(task.truth.intrinsics[0], made.intrinsics[0])


def test_encodings_of_depth(tmp_path):
    steps = np.array([[0, 200, 65400], [32768, 65535, 65510]], np.uint16)
    Image.fromarray(steps).save(tmp_path / "d.png")
    floats = np.array([[0.5, np.nan, -1.0], [np.inf, 2.0, 3.0]], np.float32)
    np.save(tmp_path / "d.npy", floats)
    floats.tofile(tmp_path / "d.bin")
    expected = [[0.5, 0, 0], [0, 2, 3]]

    np.testing.assert_allclose(decode_depth(tmp_path / "d.png", "uint16_png_div1000")[0], [0, 0.2, 65.4], rtol=1e-6)
    np.testing.assert_allclose(
        decode_depth(tmp_path / "d.png", "uint16_png_div100"), [[0, 2, 654], [327.68, 0, 0]], rtol=1e-6
    )
    np.testing.assert_allclose(decode_depth(tmp_path / "d.npy", "npy_float32_meters"), expected)
    np.testing.assert_allclose(decode_depth(tmp_path / "d.bin", "float32_binary_2x3"), expected)
    inverse = decode_depth(tmp_path / "d.png", "uint16_png_inverse_encoded", 2.0)
    share = 32768 / 65535
    assert inverse[1, 0] == pytest.approx(2 * share / (1000 - 999 * share) / 0.004, rel=1e-4)
    assert (inverse[1, 1:] == 0).all()
    assert (inverse[0, :1] == 0).all()
    with pytest.raises(InputError, match=r"uint8_guess.* is no encoding"):
        decode_depth(tmp_path / "d.png", "uint8_guess")


def test_depth_as_exr(tmp_path):
    exr = pytest.importorskip("OpenEXR")
    depth = np.array([[1.0, 0.0], [2.5, 3.0]], np.float32)
    exr.File({"compression": exr.ZIP_COMPRESSION, "type": exr.scanlineimage}, {"Y": depth}).write(
        str(tmp_path / "d.exr")
    )

    np.testing.assert_allclose(decode_depth(tmp_path / "d.exr", "exr_float32"), depth)


def test_the_reference_is_found_above_the_scene_and_by_its_name(root):
    task = load(root, "fscore-fine")
    assert task.truth.mesh is None
    np.testing.assert_allclose(task.truth.cloud(), np.concatenate(miniature.world().points()).reshape(-1, 3), atol=1e-5)

    (root / INDEX).unlink()
    miniature.write_scene(root / "medium/hiroom/828738/cam_sampled_08", miniature.world())
    folder = root / "pointcloud/hiroom/828738"
    folder.mkdir(parents=True)
    for name in ("cam_sampled_06", "cam_sampled_08"):
        trimesh.creation.box().export(folder / f"{name}.ply")
    task = load(root, "fscore-fine", "hiroom+828738+cam_sampled_08")
    assert task.truth.mesh == folder / "cam_sampled_08.ply"


def test_names_of_scenes_are_those_of_their_folders_without_what_files_may_not_hold(tmp_path):
    miniature.write_scene(tmp_path / "sparse/droid/Fri_Jul_14_15:19:25_2023/18026681", miniature.world(2))
    names = SpatialBench().scenes(tmp_path, "sparse")

    assert names == ("droid+Fri_Jul_14_15-19-25_2023+18026681",)
    assert len(load(tmp_path, "sparse", names[0])) == 2


def test_the_index_tells_what_is_missing(root):
    with pytest.raises(InputError, match=r"7scenes\+hall-1\+0 \('sparse/7scenes/hall:1/0/meta\.json'\)"):
        SpatialBench().scenes(root, "sparse")
    (root / INDEX).unlink()
    assert SpatialBench().scenes(root, "sparse") == (NAME, "dtu+room_seq-05+0", "nrgbd+room_seq-05+0")


def test_a_surface_without_its_reference_is_missing(root):
    (root / "pointcloud/7scenes/room_seq-05/room.ply").unlink()

    with pytest.raises(InputError, match=r"pointcloud/7scenes/room_seq-05/0/\*\.ply"):
        SpatialBench().scenes(root, "fscore-fine", (NAME,))
    assert SpatialBench().scenes(root, "medium", (NAME,)) == (NAME,)


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (lambda folder: (folder / "poses/000000.npy").unlink(), r"poses.* has 2 files for 3 photos"),
        (lambda folder: (folder / "poses/000000.npy").write_bytes(b"?"), r"000000\.npy.* as 3 x 4 or 4 x 4"),
        (lambda folder: (folder / "meta.json").write_text("["), r"meta\.json"),
        (lambda folder: (folder / "depths/000000.png").write_bytes(b"?"), r"depths.000000\.png"),
        (lambda folder: np.save(folder / "intrinsics/000001.npy", np.eye(2)), r"000001\.npy.* 3 x 3"),
    ],
)
def test_damaged_files_are_named(root, damage, match):
    damage(root / "sparse/7scenes/room_seq-05/0")

    def read_everything():
        load(root).truth.depth(0)

    with pytest.raises(InputError, match=match):
        read_everything()


def test_other_folders_and_unknown_scenes_are_refused(root, tmp_path_factory):
    with pytest.raises(InputError, match="has no scene atlantis"):
        SpatialBench().scenes(root, "sparse", ("atlantis",))
    with pytest.raises(InputError, match="is not SpatialBench"):
        SpatialBench().scenes(tmp_path_factory.mktemp("empty"), "sparse")
