"""Masks and depth maps of original photos, at the working resolution."""

import numpy as np
import pytest
from PIL import Image

from pointmap.errors import InputError
from pointmap.images.depths import working_depth
from pointmap.images.load import load_views
from pointmap.images.masks import per_photo, working_mask


def cropped_view():
    """A photo of 90 x 160 pixels (width x height), at half its size and cropped."""
    (view,) = load_views([np.zeros((160, 90, 3), np.uint8)], image_size=80, patch_size=16).views
    assert view.image.shape[:2] != (80, 45)  # the crop is part of the test
    return view


def original_places(view):
    """(h, w) x and y in the photo of every working pixel."""
    height, width = view.image.shape[:2]
    v, u = np.mgrid[:height, :width]
    return np.moveaxis(np.stack([u, v, np.ones_like(u)], -1) @ np.linalg.inv(view.working_from_original).T, -1, 0)[:2]


def test_a_depth_map_of_the_photo_is_read_where_the_working_pixels_are():
    view = cropped_view()
    rows, columns = np.mgrid[:160, :90]

    x, y = (working_depth(1.0 + coordinate, view) - 1 for coordinate in (columns, rows))

    expected_x, expected_y = original_places(view)
    assert np.abs(x - expected_x).max() <= 0.51
    assert np.abs(y - expected_y).max() <= 0.51


def test_a_sensor_of_lower_resolution_covers_the_whole_photo():
    view = cropped_view()
    rows, columns = np.mgrid[:32, :18]  # a fifth: the centre of pixel k is at 5 k + 2 in the photo

    x, y = (5 * (working_depth(1.0 + coordinate, view) - 1) + 2 for coordinate in (columns, rows))

    expected_x, expected_y = original_places(view)
    assert np.abs(x - expected_x).max() <= 2.51
    assert np.abs(y - expected_y).max() <= 2.51


def test_unknown_depths_are_zero_and_millimetres_become_metres(tmp_path):
    view = cropped_view()
    depth = np.full((160, 90), 1.25)
    depth[:80] = np.nan
    depth[:, :10] = -1
    Image.fromarray(np.full((160, 90), 1250, np.uint16)).save(tmp_path / "depth.png")
    np.save(tmp_path / "depth.npy", depth)

    from_array, from_file, from_image = (
        working_depth(given, view) for given in (depth, tmp_path / "depth.npy", tmp_path / "depth.png")
    )

    assert set(np.unique(from_array)) == {0, 1.25}
    np.testing.assert_array_equal(from_array, from_file)
    np.testing.assert_allclose(from_image, 1.25)


def test_maps_that_cannot_be_of_the_photo_are_refused(tmp_path):
    view = cropped_view()
    Image.fromarray(np.zeros((160, 90), np.uint8)).save(tmp_path / "grey.png")

    with pytest.raises(InputError, match="aspect ratio"):
        working_depth(np.ones((90, 160)), view)
    with pytest.raises(InputError, match=r"expected one number per pixel"):
        working_depth(np.ones((160, 90, 3)), view)
    with pytest.raises(InputError, match="16 bits"):
        working_depth(tmp_path / "grey.png", view)
    with pytest.raises(InputError, match=r"nowhere\.npy"):
        working_depth(tmp_path / "nowhere.npy", view)


def test_a_mask_is_read_where_the_working_pixels_are():
    view = cropped_view()
    mask = np.zeros((160, 90), bool)
    mask[80:, :30] = True

    kept = working_mask(mask, view)

    x, y = original_places(view)
    np.testing.assert_array_equal(kept, (np.rint(x) < 30) & (np.rint(y) >= 80))


def test_a_folder_of_files_called_like_the_photos_is_one_entry_per_photo(tmp_path):
    for name in ("a.png", "B.jpg.png", "other.png"):
        (tmp_path / name).touch()

    found = per_photo("masks", tmp_path, ["b.jpg", "a.JPG", "c.jpg"])

    assert found == [tmp_path / "B.jpg.png", tmp_path / "a.png", None]
    assert per_photo("masks", None, ["a.jpg"]) is None
    with pytest.raises(InputError, match=r"no file in .* is called like a photo"):
        per_photo("masks", tmp_path, ["x.jpg"])
    with pytest.raises(InputError, match="no folder"):
        per_photo("masks", tmp_path / "a.png", ["a.jpg"])
