"""Pixels of every kind become upright 8-bit RGB in the working size."""

import json

import numpy as np
import pytest
from example_photos import BLUE, GREEN, RED, WHITE, corners, four_corners, load, load_one, png, saved
from PIL import Image
from safetensors import safe_open

from pointmap.images import decode

GREY = (128, 128, 128)
UPRIGHT = [RED, GREEN, BLUE, WHITE]

# What a camera writes that was held so that the upright photo is stored like this (EXIF 2.32, tag 0x0112).
STORED_FROM_UPRIGHT = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: image.swapaxes(0, 1)[::-1],
    7: lambda image: image.swapaxes(0, 1)[::-1, ::-1],
    8: lambda image: image.swapaxes(0, 1)[:, ::-1],
}


def exif_orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


@pytest.mark.parametrize("case", range(6))
def test_working_pixels_agree_with_the_reference(golden_dir, tmp_path, case):
    with safe_open(golden_dir / "post/preprocess_pixels.safetensors", "np") as golden:
        stored = golden.get_tensor(f"{case}.input_u8_hwc")
        expected = golden.get_tensor(f"{case}.output_u8_chw").transpose(1, 2, 0)
        settings = json.loads(golden.metadata()[f"case{case}"])
    path = saved(tmp_path, "photo.png", Image.fromarray(stored), exif=exif_orientation(settings["exif_orientation"]))

    view = load_one(path, image_size=settings["size"])

    np.testing.assert_array_equal(view.image, expected)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tiff", "avif"])
def test_photos_are_turned_upright(tmp_path, orientation, ending):
    stored = STORED_FROM_UPRIGHT[orientation](np.asarray(four_corners()))
    settings = {"jpg": {"quality": 95}, "webp": {"lossless": True}}.get(ending, {})
    exif = exif_orientation(orientation)
    path = saved(tmp_path, f"a.{ending}", Image.fromarray(np.ascontiguousarray(stored)), exif=exif, **settings)

    view = load_one(path)

    assert view.original_size == (64, 48)
    assert view.image.shape == (48, 64, 3)
    np.testing.assert_allclose(corners(view.image), UPRIGHT, atol=6)


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_an_orientation_that_does_not_exist_is_ignored(tmp_path, orientation):
    path = saved(tmp_path, "a.png", exif=exif_orientation(orientation))

    assert corners(load_one(path).image) == UPRIGHT


def test_damaged_exif_does_not_cost_the_photo(tmp_path):
    path = saved(tmp_path, "a.jpg", exif=b"Exif\x00\x00MM\x00\x2a\xff\xff\xff\xff garbage", quality=95)

    np.testing.assert_allclose(corners(load_one(path).image), UPRIGHT, atol=3)


@pytest.mark.parametrize("ending", ["png", "bmp", "webp", "avif", "tiff", "jpg", "ppm", "jp2"])
def test_common_formats_are_read(tmp_path, ending):
    view = load_one(saved(tmp_path, f"photo.{ending}"))

    np.testing.assert_allclose(corners(view.image), UPRIGHT, atol=6)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_heic_is_read_upright_with_the_extra(tmp_path, orientation):
    pillow_heif = pytest.importorskip("pillow_heif", reason="needs the extra: pip install 'pointmap[heif]'")
    stored = STORED_FROM_UPRIGHT[orientation](np.asarray(four_corners()))
    pillow_heif.register_heif_opener()
    exif = exif_orientation(orientation).tobytes()  # becomes the container's own turning
    path = saved(tmp_path, "IMG_1.HEIC", Image.fromarray(np.ascontiguousarray(stored)), exif=exif, quality=95)

    np.testing.assert_allclose(corners(load_one(path).image), UPRIGHT, atol=8)


def test_heic_under_the_name_of_a_jpeg_is_read(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif", reason="needs the extra: pip install 'pointmap[heif]'")
    pillow_heif.from_pillow(four_corners()).save(tmp_path / "a.jpg", quality=95)

    np.testing.assert_allclose(corners(load_one(tmp_path / "a.jpg").image), UPRIGHT, atol=8)


def test_transparent_pixels_become_white(tmp_path):
    image = np.asarray(four_corners().convert("RGBA")).copy()
    image[:24, :32, 3] = 0
    image[:24, 32:, 3] = 51  # 20 % green on white

    view = load_one(saved(tmp_path, "a.png", Image.fromarray(image)))

    np.testing.assert_allclose(corners(view.image), [WHITE, (204, 255, 204), BLUE, WHITE], atol=1)


def test_a_transparent_colour_of_a_palette_becomes_white(tmp_path):
    image = four_corners().quantize(4, kmeans=0)
    blue = image.getpixel((0, 47))

    view = load_one(saved(tmp_path, "a.png", image, transparency=blue))

    assert corners(view.image) == [RED, GREEN, WHITE, WHITE]


def test_palette_images_are_read(tmp_path):
    assert corners(load_one(saved(tmp_path, "a.png", four_corners().quantize(4))).image) == UPRIGHT


@pytest.mark.parametrize("mode", ["L", "LA", "1"])
def test_grey_images_become_rgb(tmp_path, mode):
    grey = Image.fromarray(np.repeat(np.uint8([[0, 255]]), 32, axis=1).repeat(48, axis=0))

    view = load_one(saved(tmp_path, "a.png", grey.convert(mode)))

    assert corners(view.image) == [(0, 0, 0), WHITE] * 2


@pytest.mark.parametrize("ending", ["png", "tiff", "pgm"])
def test_sixteen_bits_are_scaled_to_eight(tmp_path, ending):
    levels = np.repeat(np.uint16([[0, 128 * 257]]), 32, axis=1).repeat(48, axis=0)
    levels[24:] = 65535

    view = load_one(saved(tmp_path, f"a.{ending}", Image.fromarray(levels)))

    assert corners(view.image) == [(0, 0, 0), GREY, WHITE, WHITE]


def test_sixteen_bits_of_colour_are_scaled_to_eight(tmp_path):
    rows = np.zeros((48, 64, 3), dtype=">u2")
    rows[:] = 65535, 128 * 257, 0
    path = tmp_path / "a.png"
    path.write_bytes(png(64, 48, bit_depth=16, colour_type=2, rows=rows.view(np.uint8).reshape(48, -1)))

    assert corners(load_one(path).image) == [(255, 128, 0)] * 4


def test_cmyk_is_converted(tmp_path):
    path = saved(tmp_path, "a.jpg", four_corners().convert("CMYK"), quality=95)

    np.testing.assert_allclose(corners(load_one(path).image), UPRIGHT, atol=6)


@pytest.mark.parametrize("ending", ["gif", "webp", "png", "avif"])
def test_of_an_animation_the_first_frame_is_taken(tmp_path, ending):
    frames = [Image.new("RGB", (64, 48), colour) for colour in (RED, GREEN, BLUE)]
    path = saved(tmp_path, f"a.{ending}", frames[0], save_all=True, append_images=frames[1:])

    np.testing.assert_allclose(corners(load_one(path).image), [RED] * 4, atol=3)


def test_floating_point_pixels_are_skipped_with_a_reason(tmp_path):
    path = saved(tmp_path, "depth.tiff", Image.fromarray(np.ones((48, 64), dtype=np.float32)))

    (skipped,) = load([four_corners(), path]).skipped

    assert "floating-point" in skipped.reason


def test_a_photo_smaller_than_a_patch_is_enlarged():
    view = load_one(four_corners(8, 6))

    assert view.image.shape == (48, 64, 3)
    assert view.original_size == (8, 6)
    np.testing.assert_allclose(corners(view.image), UPRIGHT, atol=40)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_the_road_of_large_photos_gives_the_same_image(tmp_path, monkeypatch, orientation, ending):
    # Smooth, and with sizes that no factor divides.
    v, u = np.mgrid[:1003, :1501]
    upright = np.stack([u / 6, v / 4, 128 + 100 * np.sin(u / 90) * np.cos(v / 70)], axis=-1).astype(np.uint8)
    stored = Image.fromarray(np.ascontiguousarray(STORED_FROM_UPRIGHT[orientation](upright)))
    path = saved(tmp_path, f"a.{ending}", stored, exif=exif_orientation(orientation), quality=95)
    expected = load_one(path).image.astype(int)

    monkeypatch.setattr(decode, "LARGE_PIXELS", 1000)
    view = load_one(path)

    assert view.original_size == (1501, 1003)
    difference = view.image.astype(int) - expected
    # Taking a partial last column or row for a whole one would cost 6 levels and more.
    assert np.abs(difference).max() <= 4
    assert abs(difference.mean()) < 0.3


@pytest.mark.parametrize("mode", ["RGBA", "L", "CMYK", "P", "I;16"])
def test_the_road_of_large_photos_knows_every_kind_of_pixels(tmp_path, monkeypatch, mode):
    image = four_corners(640, 480)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    path = saved(tmp_path, "a.tiff", image.convert(mode))
    expected = load_one(path).image

    monkeypatch.setattr(decode, "LARGE_PIXELS", 1000)

    np.testing.assert_array_equal(corners(load_one(path).image), corners(expected))
