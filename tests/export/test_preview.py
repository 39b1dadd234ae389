from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scenes import make_scene, without_registration

from pointmap.export.frusta import make_frusta
from pointmap.export.palette import colorize
from pointmap.export.preview import render_preview


def draw(scene, tmp_path):
    with Image.open(render_preview(scene, tmp_path / "preview.png")) as image:
        return np.asarray(image)


def count(image, color):
    """Pixels of about this colour."""
    return int((np.abs(image.astype(int) - color).max(axis=-1) < 12).sum())


def test_the_sheet_shows_cloud_and_every_camera(tmp_path):
    scene = make_scene(scale=4, num_photos=4)
    views = draw(scene, tmp_path)[:, :984]

    for color in np.unique(scene.colors[0].reshape(-1, 3), axis=0):
        assert count(views, color) > 100
    for color in make_frusta(scene).colors:
        assert count(views, color) > 50


def test_nearer_is_brighter_and_what_is_left_out_is_grey(tmp_path):
    scene = make_scene(scale=4, num_photos=2)
    maps = draw(scene, tmp_path)[:, 1000:]

    assert count(maps, [222, 222, 222]) > 100
    assert count(maps, [255, 233, 77]) > 100
    assert count(maps, [59, 15, 103]) > 100


@pytest.mark.parametrize("num_photos", [1, 3, 11])
def test_any_number_of_photos_fits_on_a_sheet(tmp_path, num_photos):
    height, width, _ = draw(make_scene(num_photos=num_photos), tmp_path).shape

    assert 800 < height < 1700
    assert 1400 < width < 2600


def test_headers_of_columns_stand_apart_above_narrow_photos_and_long_numbers(tmp_path):
    scene = make_scene(num_photos=100)
    narrow = {
        "depths": [1e-7 * depth[:, :10] for depth in scene.depths],
        "colors": [color[:, :10] for color in scene.colors],
        "confidences": [np.geomspace(1e6, 1e9, len(depth) * 10).reshape(-1, 10) for depth in scene.depths],
    }
    header = draw(replace(scene, **narrow), tmp_path)[24:88, 984:]

    inked = np.flatnonzero((header < 200).any(axis=(0, 2)))
    assert (np.diff(inked) > 10).sum() == 2
    assert header.shape[1] - inked.max() > 20


def test_unregistered_photos_nan_and_odd_names_do_not_stop_it(tmp_path):
    scene = without_registration(make_scene(num_photos=3), 0)
    scene.depths[1][:5] = np.nan
    scene.confidences[2][:, 4] = np.nan
    scene = replace(scene, names=("照片.jpg", "a" * 300 + ".png", "\udcff.jpg"))

    draw(scene, tmp_path)
    draw(without_registration(scene, 1, 2), tmp_path)


def test_colours_grow_lighter_evenly():
    colors = colorize(np.linspace(2, 5, 7), 2.0, 5.0).astype(float)

    luminance = colors @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(luminance) > 10).all()


def test_values_outside_the_range_get_its_end_colours_and_invalid_ones_grey():
    values = np.array([-9.0, 1.0, 2.0, 9.0, np.nan, 1.5])

    colors = colorize(values, 1.0, 2.0, np.array([True, True, True, True, True, False]))

    assert colors[0].tolist() == colors[1].tolist() == [59, 15, 103]
    assert colors[2].tolist() == colors[3].tolist() == [255, 233, 77]
    assert colors[4].tolist() == colors[5].tolist() == [222, 222, 222]
