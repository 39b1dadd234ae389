import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from scenes import make_scene, without_registration

from pointmap import Scene
from pointmap.export.depth import write_depths
from pointmap.scene import PhotoMaps


@pytest.mark.parametrize("metric", [True, False])
def test_the_png_times_its_scale_is_the_depth(tmp_path, metric):
    scene = replace(make_scene(num_photos=3), metric=metric)
    write_depths(scene, tmp_path)

    for entry, depth, mask in zip(
        json.loads((tmp_path / "index.json").read_text())["images"], scene.depths, scene.masks(), strict=True
    ):
        levels = cv2.imread(str(tmp_path / entry["png"]), cv2.IMREAD_UNCHANGED)
        assert levels.dtype == np.uint16
        assert (levels[~mask] == 0).all()
        np.testing.assert_allclose(entry["depth_scale"] * levels[mask], depth[mask], atol=0.51 * entry["depth_scale"])
        assert entry["depth_scale"] == 0.001 or not metric


def test_metric_depths_beyond_65_metres_get_a_coarser_scale(tmp_path):
    scene = make_scene(num_photos=1)
    scene = replace(scene, depths=[100 * scene.depths[0]], metric=True)
    write_depths(scene, tmp_path)

    (entry,) = json.loads((tmp_path / "index.json").read_text())["images"]
    assert entry["depth_scale"] > 0.001


def test_the_npz_lifts_to_the_pointmap(tmp_path):
    scene = make_scene(num_photos=1)  # its camera has the axes of the world
    write_depths(scene, tmp_path)

    with np.load(tmp_path / "photo 0.npz") as maps:
        K, depth = maps["intrinsics"], maps["depth"]
        row, column = 9, 26
        point = np.linalg.inv(K) @ [column, row, 1] * depth[row, column] + scene.world_from_cam[0, :3, 3]
        np.testing.assert_allclose(point, scene.pointmaps[0][row, column], atol=1e-5)
        np.testing.assert_array_equal(maps["confidence"], scene.confidences[0])
        np.testing.assert_array_equal(maps["mask"], scene.masks()[0])


def test_maps_of_an_earlier_run_go_and_other_files_stay(tmp_path):
    write_depths(make_scene(num_photos=4), tmp_path)
    (tmp_path / "index.json").unlink()  # as if that run had been interrupted
    (tmp_path / "mine.png").write_bytes(b"a picture")
    np.savez(tmp_path / "mine.npz", numbers=np.arange(3))
    (tmp_path / "broken.npz").write_bytes(b"no archive")

    write_depths(without_registration(make_scene(num_photos=3), 1), tmp_path)

    expected = {"photo 0.npz", "photo 0.png", "photo 2.npz", "photo 2.png", "index.json"}
    assert {path.name for path in tmp_path.iterdir()} == expected | {"mine.png", "mine.npz", "broken.npz"}


def test_photos_that_differ_only_in_folder_or_ending_get_files_of_their_own(tmp_path):
    scene = replace(make_scene(num_photos=4), names=("a.jpg", "A.png", "sub/a.jpg", "../ä ö?.jpg"))

    names = {path.name for path in write_depths(scene, tmp_path) if path.suffix == ".png"}

    assert names == {"a.png", "A_png.png", "sub_a.png", "ä ö_.png"}


def test_the_exr_has_depth_in_scene_units_and_confidence(tmp_path):
    OpenEXR = pytest.importorskip("OpenEXR", reason="needs OpenEXR: pip install 'pointmap[exr]'")
    scene = make_scene(num_photos=2, confidence=2.5)
    scene.depths[1][3, 4] = np.nan

    folder = scene.export(tmp_path / "maps", format="depth", exr=True)

    for entry, depth, mask in zip(
        json.loads((folder / "index.json").read_text())["images"], scene.depths, scene.masks(), strict=True
    ):
        with OpenEXR.File(str(folder / entry["exr"])) as file:
            channels = {name: channel.pixels for name, channel in file.channels().items()}
        assert channels.keys() == {"Z", "confidence"}
        assert channels["Z"].dtype == np.float32
        np.testing.assert_array_equal(channels["Z"], np.where(mask, depth, 0))
        assert (channels["confidence"] == 2.5).all()


def test_without_exr_those_of_an_earlier_run_go(tmp_path):
    pytest.importorskip("OpenEXR", reason="needs OpenEXR: pip install 'pointmap[exr]'")
    write_depths(make_scene(num_photos=3), tmp_path, exr=True)
    (tmp_path / "mine.exr").write_bytes(b"a picture")

    write_depths(make_scene(num_photos=2), tmp_path)

    assert [path.name for path in tmp_path.glob("*.exr")] == ["mine.exr"]


def test_maps_as_large_as_the_photos(tmp_path, monkeypatch):
    scene = without_registration(make_scene(num_photos=3), 1)
    asked = []

    def upsampled(scene, index, **settings):
        assert len(settings.pop("masks")) == 3
        asked.append((index, settings))
        maps = np.full((60, 50), 2.0 + index, np.float32)
        return PhotoMaps(np.zeros((60, 50, 3), np.uint8), np.diag([7.0, 8.0, 1.0]), maps, maps, maps > 0)

    monkeypatch.setattr(Scene, "photo_maps", upsampled)
    folder = scene.export(tmp_path, format="depth", full_resolution=True, max_size=60, min_confidence=1.5)

    assert asked == [(photo, {"max_size": 60, "min_confidence": 1.5}) for photo in (0, 2)]
    _, last = json.loads((folder / "index.json").read_text())["images"]
    assert (last["width"], last["height"], last["fx"], last["fy"]) == (50, 60, 7, 8)
    levels = cv2.imread(str(folder / last["png"]), cv2.IMREAD_UNCHANGED)
    np.testing.assert_allclose(levels * last["depth_scale"], 4.0, rtol=1e-6)
