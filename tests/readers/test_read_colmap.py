"""COLMAP models with photos: ours, distorted ones, and dense workspaces."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from readers.posed_files import assert_same_scene, posed_scene_of_files

from pointmap.errors import InputError
from pointmap.formats import read
from pointmap.scene import Scene
from pointmap.sfm import SfmModel, write_model


def model_of(scene: Scene, points: np.ndarray | None = None, names: tuple[str, ...] | None = None) -> SfmModel:
    """Cameras of the scene; every point is in the first photo's track."""
    count = len(scene)
    points = np.zeros((0, 3)) if points is None else points
    return SfmModel(
        names=names or scene.names,
        image_sizes=scene.image_sizes,
        registered=scene.registered,
        world_from_cam=scene.world_from_cam,
        intrinsics=scene.intrinsics,
        distortion=np.zeros((count, 5)) if scene.distortion is None else scene.distortion,
        points=points,
        colors=np.zeros((len(points), 3), np.uint8),
        errors=np.zeros(len(points)),
        track_points=np.arange(len(points)),
        track_views=np.zeros(len(points), np.int64),
        track_pixels=np.zeros((len(points), 2)),
    )


def write_array(path: Path, values: np.ndarray) -> None:
    """As COLMAP's documentation describes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = values.shape
    path.write_bytes(f"{width}&{height}&1&".encode() + values.astype("<f4").tobytes())


@pytest.mark.parametrize("text", [False, True])
def test_what_we_write_comes_back(tmp_path, text):
    scene = posed_scene_of_files(tmp_path / "photos")

    found = Scene.read(scene.export(tmp_path / "out", format="colmap", text=text))

    assert found.names == scene.names
    assert_same_scene(replace(found, depths=scene.depths), scene)
    assert found.report["read"]["source"] == "COLMAP model"


@pytest.mark.parametrize("place", ["sparse/0", "sparse", "."])
def test_the_model_and_its_photos_are_found_from_either_folder(tmp_path, place):
    scene = posed_scene_of_files(tmp_path / "images")
    model = write_model(tmp_path / place, model_of(scene))

    for path in (tmp_path, model, model / "images.bin"):
        assert_same_scene(replace(Scene.read(path), depths=scene.depths), scene)


def test_sparse_points_become_single_pixels_of_depth(tmp_path):
    scene = posed_scene_of_files(tmp_path / "images")
    pixels = [(3, 4), (20, 11)]
    points = np.array([scene.pointmaps[0][row, column] for column, row in pixels])
    behind = scene.world_from_cam[0, :3, 3] - scene.world_from_cam[0, :3, 2]
    write_model(tmp_path / "sparse" / "0", model_of(scene, np.concatenate([points, [behind]])))

    found = Scene.read(tmp_path)

    assert (found.depths[0] > 0).sum() == 2
    for column, row in pixels:
        np.testing.assert_allclose(found.depths[0][row, column], scene.depths[0][row, column], rtol=1e-5)
    assert not found.depths[1].any()


def test_a_dense_workspace_brings_its_depth_maps(tmp_path):
    scene = posed_scene_of_files(tmp_path / "images")
    write_model(tmp_path / "sparse", model_of(scene))
    maps = tmp_path / "stereo" / "depth_maps"
    for name, depth in zip(scene.names, scene.depths, strict=True):
        write_array(maps / f"{name}.photometric.bin", 2 * depth)
        write_array(maps / f"{name}.geometric.bin", depth)
    (maps / f"{scene.names[3]}.geometric.bin").unlink()

    found = Scene.read(tmp_path)

    assert_same_scene(found, replace(scene, depths=[*scene.depths[:3], 2 * scene.depths[3]]))
    assert found.report["read"]["source"] == "COLMAP dense workspace"
    assert len(found.mesh(method="grid").faces) > 500


def test_a_camera_with_a_lens_gives_undistorted_images(tmp_path):
    scene = posed_scene_of_files(tmp_path / "images")
    lens = np.tile([0.02, 0.01, 0.001, -0.001, 0.0], (4, 1))
    write_model(tmp_path / "sparse" / "0", model_of(replace(scene, distortion=lens)))

    found = Scene.read(tmp_path)

    np.testing.assert_allclose(found.distortion, lens)
    np.testing.assert_allclose(found.intrinsics, scene.intrinsics, atol=1e-6)
    np.testing.assert_array_equal(found.photo(1).image, found.colors[1])
    assert (found.colors[1] != scene.colors[1]).any()


def test_names_with_folders_are_kept_apart(tmp_path):
    scene = posed_scene_of_files(tmp_path / "photos", 2)
    names = ("left/a.png", "right/a.png")
    for name, path in zip(names, scene.paths, strict=True):
        (tmp_path / "images" / name).parent.mkdir(parents=True)
        shutil.copy(path, tmp_path / "images" / name)
    write_model(tmp_path / "sparse" / "0", model_of(scene, names=names))

    found = Scene.read(tmp_path)
    written = sorted(path.name for path in (found.export(tmp_path / "o", format="colmap") / "images").iterdir())

    assert found.names == names
    assert written == ["left_a.png", "right_a.png"]


def test_working_images_have_the_size_asked_for(tmp_path):
    scene = posed_scene_of_files(tmp_path / "images", 1)
    points = scene.pointmaps[0][::5, ::5].reshape(-1, 3)
    write_model(tmp_path / "sparse" / "0", model_of(scene, points))

    found = read(tmp_path, image_size=16)

    assert found.colors[0].shape == (12, 16, 3)
    assert (found.depths[0] > 0).sum() > 20
    np.testing.assert_array_equal(found.image_sizes, scene.image_sizes)


@pytest.mark.parametrize("damage", ["photo", "size", "map", "channels", "empty"])
def test_what_is_missing_or_damaged_is_said(tmp_path, damage):
    scene = posed_scene_of_files(tmp_path / "images")
    file = tmp_path / "stereo" / "depth_maps" / f"{scene.names[0]}.geometric.bin"
    write_array(file, scene.depths[0])
    model = model_of(scene)
    if damage == "photo":
        scene.paths[1].unlink()
    elif damage == "size":
        model = replace(model, image_sizes=scene.image_sizes + 1)
    elif damage == "map":
        file.write_bytes(file.read_bytes()[:-3])
    elif damage == "channels":
        file.write_bytes(file.read_bytes().replace(b"&1&", b"&3&"))
    else:
        model = replace(model, registered=np.zeros(4, bool))
    write_model(tmp_path / "sparse" / "0", model)
    messages = {"photo": "1.png' is missing", "size": "its camera is for", "map": "is damaged", "empty": "no photos"}

    with pytest.raises(InputError, match=messages.get(damage, "3 channels")):
        Scene.read(tmp_path)
