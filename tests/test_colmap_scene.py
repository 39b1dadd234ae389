"""Scenes as COLMAP folders: COLMAP reads them, finds our points where photos show them, and adjusts them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pointmap.colmap_scene import sparse_model, write_colmap
from pointmap.errors import InputError
from pointmap.eval.ground_truth import write_set
from pointmap.export.photos import plan_photos, write_photos
from pointmap.readers import read_posed
from pointmap.scene import Scene
from pointmap.sfm import read_model
from pointmap.train.random import Random
from pointmap.train.textures import make_textures
from pointmap.train.views import make_views

WORLDS = (3, 2)


@pytest.fixture(scope="module")
def procedural(tmp_path_factory) -> list[Scene]:
    """Worlds with true depths and poses; one in portrait format."""
    scenes = []
    for number, seed in enumerate(WORLDS):
        folder = tmp_path_factory.mktemp("worlds") / str(number)
        size = (240, 320) if number % 2 else (320, 240)
        write_set(make_views(5, size, Random(seed), make_textures(8, seed), 8), folder)
        scenes.append(read_posed(folder))
    return scenes


@pytest.fixture
def pycolmap():
    return pytest.importorskip("pycolmap", reason="needs pycolmap: pip install 'pointmap[colmap]'")


def rotation_changes_deg(reconstruction, scene: Scene) -> np.ndarray:
    """How far the rotations between all pairs of photos are from those of the scene; the common frame may turn."""
    images = sorted(reconstruction.images.values(), key=lambda image: image.name)
    found = np.stack([image.cam_from_world().rotation.matrix() for image in images])
    names = [photo.name for photo in plan_photos(scene)]
    true = scene.world_from_cam[[names.index(image.name) for image in images], :3, :3].swapaxes(1, 2)
    off = found[:, None] @ found.swapaxes(1, 2) @ true @ true.swapaxes(1, 2)[:, None]
    return np.degrees(np.arccos(np.clip((np.trace(off, axis1=2, axis2=3) - 1) / 2, -1, 1)))


@pytest.mark.parametrize("text", [False, True])
def test_colmap_reads_the_model_and_its_own_reprojection_error_is_small(tmp_path, procedural, pycolmap, text):
    for number, scene in enumerate(procedural):
        folder = write_colmap(scene, tmp_path / str(number), text=text, images=False)

        read = pycolmap.Reconstruction(folder / "sparse" / "0")

        assert read.num_reg_images() == len(scene)
        assert read.num_points3D() > 200
        assert read.compute_mean_track_length() > 2
        read.update_point_3d_errors()
        assert read.compute_mean_reprojection_error() < 0.5
        ours = read_model(folder)
        np.testing.assert_allclose(ours.mean_error, np.mean([p.error for p in read.points3D.values()]), rtol=0.3)


def test_bundle_adjustment_leaves_true_cameras_where_they_are(tmp_path, procedural, pycolmap):
    for number, scene in enumerate(procedural):
        read = pycolmap.Reconstruction(write_colmap(scene, tmp_path / str(number), images=False) / "sparse" / "0")
        options = pycolmap.BundleAdjustmentOptions()
        options.print_summary = False

        pycolmap.bundle_adjustment(read, options)

        assert rotation_changes_deg(read, scene).max() < 0.3
        for camera in read.cameras.values():
            np.testing.assert_allclose(camera.focal_length_x, scene.intrinsics[0, 0, 0], rtol=0.01)


def test_bundle_adjustment_brings_cameras_back_that_were_turned(tmp_path, procedural, pycolmap):
    """The places in the photos are the photos', not the cameras'."""
    scene = procedural[0]
    turned = scene.world_from_cam.copy()
    angle = np.radians(0.4)
    turned[2, :3, :3] = turned[2, :3, :3] @ [
        [np.cos(angle), 0, np.sin(angle)],
        [0, 1, 0],
        [-np.sin(angle), 0, np.cos(angle)],
    ]
    folder = write_colmap(replace(scene, world_from_cam=turned), tmp_path, images=False)
    read = pycolmap.Reconstruction(folder / "sparse" / "0")
    assert rotation_changes_deg(read, scene).max() > 0.35
    options = pycolmap.BundleAdjustmentOptions()
    options.print_summary, options.refine_focal_length = False, False

    pycolmap.bundle_adjustment(read, options)

    assert rotation_changes_deg(read, scene).max() < 0.25


def test_a_real_set_with_measured_depth_has_small_errors(tmp_path, shared_dir, pycolmap):
    scene = first_photos(read_posed(shared_dir / "data" / "hololens_sofa"), 8)
    read = pycolmap.Reconstruction(write_colmap(scene, tmp_path, images=False) / "sparse" / "0")
    options = pycolmap.BundleAdjustmentOptions()
    options.print_summary, options.refine_focal_length = False, False

    before = read.compute_mean_reprojection_error()
    pycolmap.bundle_adjustment(read, options)

    assert read.num_points3D() > 1500
    assert before < 0.8
    # The tracked poses are off by some tenths of a degree themselves: see the set's README.
    assert rotation_changes_deg(read, scene).max() < 0.8


def first_photos(scene: Scene, count: int) -> Scene:
    lists = ("names", "paths", "depths", "confidences", "colors")
    arrays = ("image_sizes", "intrinsics", "world_from_cam", "working_intrinsics", "registered")
    return replace(scene, **{name: getattr(scene, name)[:count] for name in (*lists, *arrays)})


def test_upright_photos_are_copied_and_cameras_are_of_the_files(tmp_path, procedural):
    scene = procedural[1]

    folder = write_colmap(scene, tmp_path / "out", max_points=50)

    model = read_model(folder)
    assert model.names == scene.names
    for view, name in enumerate(model.names):
        assert (folder / "images" / name).read_bytes() == scene.paths[view].read_bytes()
    np.testing.assert_array_equal(model.image_sizes, scene.image_sizes)
    np.testing.assert_allclose(model.intrinsics, scene.intrinsics, atol=1e-9)
    np.testing.assert_allclose(model.world_from_cam, scene.world_from_cam, atol=1e-6)
    assert len(model.points) <= 50


def test_turned_distorted_foreign_and_lost_photos_are_encoded_anew(tmp_path, procedural):
    scene = procedural[1]
    paths = [tmp_path / name for name in ("turned.jpg", "lens.png", "Löwe 1.webp", "lost.jpg", "plain.jpg")]
    for view, path in enumerate(paths):
        image = Image.fromarray(scene.colors[view])
        exif = Image.Exif()
        if view == 0:  # stored on its side
            image, exif[0x0112] = image.transpose(Image.Transpose.ROTATE_90), 6
        image.save(path, exif=exif, quality=98)
    paths[3].unlink()
    distortion = np.zeros((5, 5))
    distortion[1, 0] = -0.1
    smaller = replace(scene, names=tuple(path.name for path in paths), paths=tuple(paths), distortion=distortion)

    model = read_model(write_colmap(smaller, tmp_path / "out", max_points=100, text=True))

    assert model.names == ("turned.jpg", "lens.png", "Löwe_1.jpg", "lost.jpg", "plain.jpg")
    assert not model.distortion.any()
    for view, name in enumerate(model.names):
        with Image.open(tmp_path / "out" / "images" / name) as image:
            assert image.size == tuple(model.image_sizes[view])
            assert image.getexif().get(0x0112, 1) == 1
            close = np.abs(np.asarray(image).astype(int) - scene.colors[view]).mean()
        assert (close > 4) == (name == "lens.png"), (name, close)
    assert (tmp_path / "out" / "images" / "plain.jpg").read_bytes() == paths[4].read_bytes()


def test_names_fit_into_all_files_whatever_the_photos_are_called(tmp_path, procedural):
    names = ("a b/c.png", "../escape.png", "写真 1.png", "A.png", "a.png")
    scene = replace(procedural[1], names=names)

    folder = write_colmap(scene, tmp_path / "out", text=True, max_points=20)

    written = sorted(path.name for path in (folder / "images").iterdir())
    assert len(written) == 5
    assert sorted(read_model(folder).names) == written
    assert {path.parent for path in tmp_path.rglob("*.png")} == {folder / "images"}


def test_the_originals_are_never_overwritten(tmp_path, procedural):
    scene = procedural[1]
    Image.fromarray(scene.colors[0]).save(tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()
    one = first_photos(scene, 1)
    one = replace(one, names=("a.png",), paths=(tmp_path / "a.png",))

    assert [photo.copied for photo in plan_photos(one)] == [True]
    write_photos(one, tmp_path)
    assert (tmp_path / "a.png").read_bytes() == before
    with pytest.raises(InputError, match="original"):
        write_photos(replace(one, distortion=np.full((1, 5), 0.01)), tmp_path)
    assert (tmp_path / "a.png").read_bytes() == before


def test_masks_are_white_where_pixels_are_kept(tmp_path, procedural):
    scene = procedural[1]
    confidences = [confidence.copy() for confidence in scene.confidences]
    confidences[0][:, :100] = 0
    scene = replace(scene, confidences=confidences)

    folder = write_colmap(scene, tmp_path, masks=True, max_points=50)

    mask = np.asarray(Image.open(folder / "masks" / f"{scene.names[0]}.png"))
    np.testing.assert_array_equal(mask == 255, scene.masks()[0])
    assert not mask[:, :100].any()


def test_scenes_without_common_points_or_cameras_are_written_too(tmp_path, procedural):
    nothing = replace(procedural[0], registered=np.zeros(5, bool), world_from_cam=np.full((5, 4, 4), np.nan))

    one = read_model(write_colmap(first_photos(procedural[0], 1), tmp_path / "one"))
    none = read_model(write_colmap(nothing, tmp_path / "none", text=True))

    assert (len(one.names), len(one.points)) == (1, 0)
    assert (len(none.names), len(none.points)) == (0, 0)


def test_photos_that_are_not_registered_stay_out(tmp_path, procedural):
    scene = procedural[0]
    registered, poses = scene.registered.copy(), scene.world_from_cam.copy()
    registered[1], poses[1] = False, np.nan
    scene = replace(scene, registered=registered, world_from_cam=poses)

    photos = plan_photos(scene)
    model = sparse_model(scene, photos, scene.masks(), max_points=100)

    assert [photo.view for photo in photos] == [0, 2, 3, 4]
    assert model.names == tuple(scene.names[view] for view in (0, 2, 3, 4))
    assert len(model.points) > 20


def test_the_folder_is_a_format_of_the_registry(tmp_path: Path, procedural):
    calls = []
    settings = {"text": True, "max_points": 30, "progress": lambda *call: calls.append(call)}

    path = procedural[0].export(tmp_path / "c", format="colmap", **settings)

    assert (path / "sparse" / "0" / "points3D.txt").is_file()
    assert calls == [(stage, done, 5) for stage in ("photos", "tracks") for done in (1, 2, 3, 4, 5)]
