"""The focal length that EXIF states becomes a prior in pixels of the original photo."""

import math

import pytest
from example_photos import four_corners, load, load_one, saved
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

ORIENTATION = 0x0112
FOCAL_LENGTH, FOCAL_35MM = 0x920A, 0xA405
PIXEL_WIDTH, PIXEL_HEIGHT = 0xA002, 0xA003
PLANE_RESOLUTION, PLANE_UNIT = 0xA20E, 0xA210
INCH, CENTIMETRE, MILLIMETRE = 2, 3, 4


def photo(tmp_path, tags, *, size=(600, 400), orientation=1):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif.get_ifd(0x8769).update(tags)
    return saved(tmp_path, "a.jpg", Image.new("RGB", size), exif=exif)


def test_the_35_mm_equivalent_counts_along_the_diagonal(tmp_path):
    view = load_one(photo(tmp_path, {FOCAL_35MM: 28}, size=(600, 450)))

    assert view.focal_px_prior == pytest.approx(28 * 750 / math.hypot(36, 24))  # the diagonal is 750 pixels


@pytest.mark.parametrize(
    ("resolution", "unit"), [(2540, INCH), (1000, CENTIMETRE), (100, MILLIMETRE), (IFDRational(2540, 1), None)]
)
def test_millimetres_become_pixels_by_the_resolution_of_the_focal_plane(tmp_path, resolution, unit):
    tags = {FOCAL_LENGTH: IFDRational(52, 10), PLANE_RESOLUTION: resolution}
    if unit is not None:
        tags[PLANE_UNIT] = unit

    assert load_one(photo(tmp_path, tags)).focal_px_prior == pytest.approx(520)  # 5.2 mm x 100 pixels per mm


def test_a_photo_scaled_since_it_was_taken_has_a_shorter_focal_length_in_pixels(tmp_path):
    tags = {FOCAL_LENGTH: 5.2, PLANE_RESOLUTION: 200, PLANE_UNIT: MILLIMETRE, PIXEL_WIDTH: 1200, PIXEL_HEIGHT: 800}

    assert load_one(photo(tmp_path, tags)).focal_px_prior == pytest.approx(520)


@pytest.mark.parametrize("orientation", [1, 6])
def test_the_prior_is_the_same_however_the_camera_was_held(tmp_path, orientation):
    view = load_one(photo(tmp_path, {FOCAL_35MM: 35}, orientation=orientation))

    assert view.original_size == ((600, 400) if orientation == 1 else (400, 600))
    assert view.focal_px_prior == pytest.approx(35 / math.hypot(36, 24) * math.hypot(600, 400))


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {FOCAL_LENGTH: 5.2},  # of an unknown sensor
        {FOCAL_35MM: 0},
        {FOCAL_35MM: 2},
        {FOCAL_35MM: 60000},
        {FOCAL_LENGTH: IFDRational(0, 0), PLANE_RESOLUTION: 2540},
        {FOCAL_LENGTH: 5.2, PLANE_RESOLUTION: 2540, PLANE_UNIT: 1},  # 1 is "no absolute unit"
        {FOCAL_LENGTH: 5.2, PLANE_RESOLUTION: 1e9},
    ],
)
def test_without_a_plausible_value_there_is_no_prior(tmp_path, tags):
    assert load_one(photo(tmp_path, tags)).focal_px_prior is None


def test_a_photo_cropped_since_it_was_taken_has_no_prior(tmp_path):
    tags = {FOCAL_35MM: 28, PIXEL_WIDTH: 600, PIXEL_HEIGHT: 600}

    assert load_one(photo(tmp_path, tags)).focal_px_prior is None


def test_a_pil_image_keeps_what_its_exif_says(tmp_path):
    with Image.open(photo(tmp_path, {FOCAL_35MM: 35}, orientation=8)) as image:
        view = load_one(image)

    assert view.original_size == (400, 600)
    assert view.focal_px_prior is not None


def test_photos_without_exif_have_no_prior():
    assert load([four_corners()]).views[0].focal_px_prior is None
