"""Loading as a whole: progress, large photos, and formats that need an extra."""

import subprocess
import sys

import numpy as np
import pytest
from example_photos import four_corners, load, png, saved
from PIL import Image

from pointmap.errors import Cancelled, InputError
from pointmap.images import load_views


def test_progress_counts_all_listed_photos(tmp_path):
    (tmp_path / "b.jpg").write_text("hello")
    calls = []

    load([four_corners(), tmp_path / "b.jpg", four_corners()], progress=lambda *call: calls.append(call))

    assert calls == [("load", 1, 3), ("load", 2, 3), ("load", 3, 3)]


def test_progress_may_cancel():
    def cancel(stage, done, total):
        raise Cancelled

    with pytest.raises(Cancelled):
        load([four_corners()] * 5, progress=cancel)


def test_views_map_pixels_of_the_photo_to_the_working_image():
    u0, v0 = 410, 130
    photo = np.zeros((600, 800, 3), dtype=np.uint8)
    photo[v0 - 12 : v0 + 13, u0 - 12 : u0 + 13] = 255  # a white square about (u0, v0)

    (view,) = load_views(photo, image_size=224, patch_size=16).views

    weight = view.image[..., 0].astype(float)
    v, u = np.mgrid[:224, :224]
    centre = [(weight * u).sum() / weight.sum(), (weight * v).sum() / weight.sum()]
    np.testing.assert_allclose(centre, (view.working_from_original @ [u0, v0, 1])[:2], atol=0.02)


def test_heic_without_the_extra_is_skipped_with_what_to_install(tmp_path, monkeypatch):
    pillow_heif = pytest.importorskip("pillow_heif", reason="writes the file that is then not read")
    path = tmp_path / "a.heic"
    pillow_heif.from_pillow(four_corners()).save(path)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setattr(Image, "ID", [name for name in Image.ID if name != "HEIF"])

    (skipped,) = load([four_corners(), path]).skipped

    assert "pip install 'pointmap[heif]'" in skipped.reason


def test_photos_of_100_megapixels_cost_no_more_memory_than_their_pixels(tmp_path):
    width, height = 12000, 8400
    jpeg = saved(tmp_path, "a.jpg", Image.new("RGB", (width, height), "teal"))
    png = saved(tmp_path, "b.png", Image.new("L", (width, height), 99), compress_level=1)
    limit = Image.MAX_IMAGE_PIXELS

    # The peak so far hides a smaller one, so that the photos are read in a process of their own.
    script = f"""
import resource
from PIL import Image
from pointmap.images import load_views
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in [{str(jpeg)!r}, {str(png)!r}]:
    view, = load_views(path, image_size=512, patch_size=16).views
    assert view.original_size == ({width}, {height}) and view.image.shape == (352, 512, 3)
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
assert Image.MAX_IMAGE_PIXELS == {limit}
"""
    jpeg_mib, png_mib = map(int, run(script).split())

    assert jpeg_mib < 100  # decoded at an eighth
    assert png_mib < width * height / 1e6 + 80  # one byte a pixel, and a band


@pytest.mark.slow
def test_photos_of_200_megapixels_are_read(tmp_path):
    path = saved(tmp_path, "a.png", Image.new("RGB", (17400, 11600), "teal"), compress_level=1)

    assert load([path]).views[0].original_size == (17400, 11600)


def test_a_file_that_claims_an_absurd_size_is_skipped(tmp_path):
    no_rows = np.zeros((0, 1), dtype=np.uint8)
    (tmp_path / "bomb.png").write_bytes(png(40_000, 30_000, bit_depth=1, colour_type=0, rows=no_rows))

    (skipped,) = load([four_corners(), tmp_path / "bomb.png"]).skipped

    assert skipped.reason == "it claims more than 1000 megapixels"


def test_an_image_size_below_one_patch_is_refused():
    with pytest.raises(InputError, match="image size 12 is below one patch of 14 pixels"):
        load([four_corners()], image_size=12, patch_size=14)


def run(script: str) -> str:
    result = subprocess.run([sys.executable, "-W", "error::UserWarning", "-c", script], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout
