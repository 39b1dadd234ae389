import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scenes import make_scene, without_registration

from pointmap.demo.page.pictures import KINDS, Scales, picture
from pointmap.export.palette import colorize

GREY = (222, 222, 222)


def pixels(content: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(content))
    assert image.format == "JPEG"
    return np.asarray(image).astype(int)


@pytest.mark.parametrize("index", [0, 2])  # landscape, portrait
def test_all_kinds_of_pictures_have_one_size(index):
    scene = make_scene(scale=4, num_photos=3)

    sizes = {pixels(picture(scene, index, kind)).shape for kind in KINDS}

    assert sizes == {(*scene.colors[index].shape[:2], 3)}  # there are no originals


def test_colours_of_depth_mean_the_same_in_all_photos():
    scene = make_scene(scale=4, num_photos=2)
    near, far = Scales.of(scene).depth_range

    for index in range(2):
        shown = pixels(picture(scene, index, "depth"))
        height, width = scene.depths[index].shape
        y, x = height // 2, width // 4  # on a wall, away from edges
        expected = colorize(-np.log(scene.depths[index][y, x, None]), float(-np.log(far)), float(-np.log(near)))
        assert np.abs(shown[y, x] - expected).max() < 16


def test_what_is_not_kept_is_grey():
    scene = make_scene(scale=4, num_photos=2)
    confidence = [values.copy() for values in scene.confidences]
    confidence[0][:, :40] = 1.0
    scene = replace(scene, confidences=confidence)

    for kind in ("depth", "normals"):
        shown = pixels(picture(scene, 0, kind, min_confidence=2.0))
        assert np.abs(shown[:, :36] - GREY).max() < 12
        assert np.abs(shown[40, 80] - GREY).max() > 40


def test_a_photo_that_is_not_placed_has_a_grey_map():
    scene = without_registration(make_scene(num_photos=3), 1)

    for kind in ("depth", "confidence", "normals"):
        assert (pixels(picture(scene, 1, kind)) == GREY).all()


def test_confidence_is_shown_by_its_rank():
    scene = make_scene(scale=4, num_photos=1)
    rising = np.linspace(2, 200, scene.depths[0].size, dtype=np.float32).reshape(scene.depths[0].shape)
    scene = replace(scene, confidences=[rising])

    assert Scales.of(scene).percentiles(np.array([1.0, 2.0, 101.0, 300.0])) == pytest.approx([0, 0, 50, 100], abs=0.1)
    shown = pixels(picture(scene, 0, "confidence"))
    assert np.abs(shown[0, 0] - colorize(np.array([0.0]), 0.0, 1.0)).max() < 16
    assert np.abs(shown[-1, -1] - colorize(np.array([1.0]), 0.0, 1.0)).max() < 16


def test_a_wall_before_the_camera_is_light_blue():
    scene = make_scene(scale=8, num_photos=1)  # the first camera looks straight at the far wall

    shown = pixels(picture(scene, 0, "normals"))

    top_middle = shown[60, 20]
    assert np.abs(top_middle - [128, 128, 255]).max() < 16


def test_the_masks_are_worked_out_once(monkeypatch):
    scene = make_scene(num_photos=2)
    calls = []
    monkeypatch.setattr("pointmap.fusion.masks.scene_masks", lambda *args, **keep: calls.append(1) or MASKS)
    MASKS = [np.ones(depth.shape, bool) for depth in scene.depths]

    for index in range(2):
        picture(scene, index, "depth")
        picture(scene, index, "normals")

    assert calls == [1]


def test_there_is_no_such_picture():
    scene = make_scene(num_photos=2)

    with pytest.raises(IndexError, match="no photo 2"):
        picture(scene, 2, "depth")
    with pytest.raises(IndexError, match="no photo -1"):
        picture(scene, -1, "depth")
    with pytest.raises(ValueError, match="photo, depth, confidence, normals"):
        picture(scene, 0, "../secret")
