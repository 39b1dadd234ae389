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


@pytest.mark.parametrize(
    ("ending", "mode", "most_mib"),
    [
        ("jpg", "RGB", 100),  # decoded at an eighth
        pytest.param("png", "L", 100 + 80, marks=pytest.mark.slow),  # one byte a pixel, and a band
        pytest.param("png", "RGBA", 4 * 100 + 120, marks=pytest.mark.slow),
    ],
)
def test_photos_of_100_megapixels_take_no_more_memory_than_their_pixels(tmp_path, ending, mode, most_mib):
    path = saved(tmp_path, f"a.{ending}", Image.new(mode, (12000, 8400)))

    # Peak memory is known only of whole processes.
    script = f"""
import resource
from PIL import Image
from pointmap.images import load_views
limit = Image.MAX_IMAGE_PIXELS
load_views(Image.new("RGB", (640, 480)), image_size=512, patch_size=16)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
view, = load_views({str(path)!r}, image_size=512, patch_size=16).views
assert view.original_size == (12000, 8400) and view.image.shape == (352, 512, 3)
assert Image.MAX_IMAGE_PIXELS == limit
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    assert int(run(script)) < most_mib


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
