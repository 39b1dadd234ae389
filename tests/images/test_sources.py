"""Photo sets from folders, lists, globs, zips and memory; what is skipped, and what is an error."""

import io
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from example_photos import BLUE, GREEN, RED, WHITE, corners, four_corners, load, saved
from PIL import Image

from pointmap.errors import InputError


def names(loaded):
    return [view.name for view in loaded.views]


def encoded(image: Image.Image | None = None) -> bytes:
    file = io.BytesIO()
    (image or four_corners()).save(file, "PNG")
    return file.getvalue()


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize("kind", [str, Path])
def test_a_folder_is_read_in_natural_order(tmp_path, kind):
    for name in ["img10.png", "img9.png", "IMG2.png", "img1.JPG", "a-11.png", "a-2.png"]:
        saved(tmp_path, name)

    loaded = load(kind(tmp_path))

    assert names(loaded) == ["a-2.png", "a-11.png", "img1.JPG", "IMG2.png", "img9.png", "img10.png"]
    assert loaded.views[0].path == tmp_path / "a-2.png"
    assert loaded.indices == [0, 1, 2, 3, 4, 5]


def test_other_files_hidden_files_and_subfolders_of_a_folder_are_left_out_silently(tmp_path):
    saved(tmp_path, "a.png")
    saved(tmp_path, ".thumbnail.png")
    (tmp_path / "._a.png").write_bytes(b"what macOS leaves on other disks")
    (tmp_path / "cameras.json").write_text("{}")
    (tmp_path / "depth").mkdir()
    saved(tmp_path / "depth", "b.png")

    loaded = load(tmp_path)

    assert names(loaded) == ["a.png"]
    assert loaded.skipped == []


def test_a_folder_with_its_photos_in_images_is_understood(tmp_path):
    for folder in ["images", "depth"]:
        (tmp_path / folder).mkdir()
        saved(tmp_path / folder, f"{folder}.png")
    (tmp_path / "cameras.json").write_text("{}")

    assert names(load(tmp_path)) == ["images.png"]


def test_a_folder_of_folders_is_an_error_that_names_them(tmp_path):
    (tmp_path / "kitchen").mkdir()
    saved(tmp_path / "kitchen", "a.png")

    with pytest.raises(InputError, match=r"Folders in it are not searched \(kitchen\): name the one that you mean"):
        load(tmp_path)


def test_photos_without_an_ending_are_found_where_nothing_else_is(tmp_path):
    (tmp_path / "photo one").write_bytes(encoded())

    assert names(load(tmp_path)) == ["photo one"]


def test_names_may_have_spaces_and_any_letters(tmp_path):
    for name in ["Küche 1.png", "写真 2.png", "фото (3).png", "🦊.png"]:
        saved(tmp_path, name)

    assert set(names(load(tmp_path))) == {"Küche 1.png", "写真 2.png", "фото (3).png", "🦊.png"}


def test_a_damaged_file_is_skipped_with_a_reason_and_the_indices_count_it(tmp_path):
    saved(tmp_path, "a.png")
    (tmp_path / "b.jpg").write_text("no image at all")
    (tmp_path / "c.png").write_bytes(encoded()[:-60])
    (tmp_path / "d.png").write_bytes(b"")
    saved(tmp_path, "e.png")

    loaded = load(tmp_path)

    assert names(loaded) == ["a.png", "e.png"]
    assert loaded.indices == [0, 4]
    assert [photo.name for photo in loaded.skipped] == ["b.jpg", "c.png", "d.png"]
    assert "not an image" in loaded.skipped[0].reason
    assert "truncated" in loaded.skipped[1].reason


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "avif", "tiff", "gif", "bmp"])
def test_no_damage_to_a_photo_costs_the_others(tmp_path, ending):
    whole = saved(tmp_path, f"whole.{ending}", four_corners(160, 120)).read_bytes()
    generator = np.random.default_rng(0)
    for index in range(20):
        damaged = np.frombuffer(whole, dtype=np.uint8).copy()
        damaged[generator.integers(4, len(damaged), 8)] = generator.integers(0, 256, 8)
        (tmp_path / f"{index}.{ending}").write_bytes(damaged.tobytes())

    loaded = load(tmp_path)

    assert "whole." + ending in names(loaded)
    assert len(loaded.views) + len(loaded.skipped) == 21


def test_a_truncated_jpeg_is_skipped(tmp_path):
    path = saved(tmp_path, "b.jpg", four_corners(640, 480))
    path.write_bytes(path.read_bytes()[:-500])

    (skipped,) = load([four_corners(), path]).skipped

    assert skipped.name == "b.jpg"
    assert "truncated" in skipped.reason


def test_a_list_keeps_its_order_and_may_mix_files_and_folders(tmp_path):
    (tmp_path / "set").mkdir()
    for name in ["2.png", "10.png"]:
        saved(tmp_path / "set", name)
    z = saved(tmp_path, "z.png")

    assert names(load([z, str(tmp_path / "set"), four_corners()])) == ["z.png", "2.png", "10.png", "image_0003.png"]


def test_a_listed_file_that_is_no_image_is_skipped_with_a_reason(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")

    loaded = load([tmp_path / "notes.txt", saved(tmp_path, "a.png")])

    assert loaded.indices == [1]
    assert loaded.skipped[0].name == "notes.txt"
    assert "not an image" in loaded.skipped[0].reason


def test_globs_are_expanded_in_natural_order(tmp_path):
    for folder in ["left", "right [1]"]:
        (tmp_path / folder).mkdir()
        for name in ["10.png", "9.png"]:
            saved(tmp_path / folder, name)
    (tmp_path / "left" / "notes.txt").write_text("hello")

    assert names(load(f"{tmp_path}/left/*")) == ["9.png", "10.png"]
    assert names(load(f"{tmp_path}/**/9.*")) == ["9.png", "9_2.png"]
    assert names(load(f"{tmp_path}/right [1]")) == ["9.png", "10.png"]  # What exists is no pattern.


def test_names_are_unique(tmp_path):
    a = saved(tmp_path, "a.png")
    b = saved(tmp_path, "a_2.png")

    assert names(load([a, b, a, a])) == ["a.png", "a_2.png", "a_3.png", "a_4.png"]
    assert names(load([a, saved(tmp_path, "A.png")])) == ["a.png", "A_2.png"]


def test_a_zip_is_read_without_unpacking(tmp_path):
    files = {
        "set/10.png": encoded(),
        "set/9.png": encoded(),
        "set/.hidden.png": b"",
        "__MACOSX/set/._9.png": b"",
        "set/readme.txt": b"hello",
        "set/broken.png": b"hello",
    }
    before = zipped(tmp_path / "photos.zip", files)

    loaded = load(before)

    assert names(loaded) == ["9.png", "10.png"]
    assert corners(loaded.views[0].image) == [RED, GREEN, BLUE, WHITE]
    assert [photo.name for photo in loaded.skipped] == ["broken.png"]
    assert loaded.views[0].path is None
    assert list(tmp_path.iterdir()) == [before]


def test_images_in_memory_are_taken(tmp_path):
    array = np.asarray(four_corners())
    with_alpha = np.dstack([array, np.full(array.shape[:2], 255, dtype=np.uint8)])
    with Image.open(saved(tmp_path, "opened.png")) as opened:
        loaded = load([array, with_alpha, array[:, :, 0], four_corners(), opened, opened])

    assert names(loaded) == [*(f"image_{index:04d}.png" for index in range(4)), "opened.png", "opened_2.png"]
    for index in [0, 1, 3, 4, 5]:
        assert corners(loaded.views[index].image) == [RED, GREEN, BLUE, WHITE]
    assert corners(loaded.views[2].image) == [WHITE, (0, 0, 0), (0, 0, 0), WHITE]


def test_a_single_image_is_a_set_of_one(tmp_path):
    for photo in [four_corners(), np.asarray(four_corners()), saved(tmp_path, "a.png"), str(tmp_path / "a.png")]:
        assert len(load(photo).views) == 1


def test_sizes_and_orientations_may_mix():
    loaded = load([four_corners(640, 480), four_corners(480, 640), four_corners(300, 300), four_corners(1920, 1080)])

    assert [view.image.shape[:2] for view in loaded.views] == [(48, 64), (64, 48), (48, 64), (32, 64)]
    assert [view.original_size for view in loaded.views] == [(640, 480), (480, 640), (300, 300), (1920, 1080)]


def test_a_panorama_too_narrow_for_the_network_is_skipped():
    loaded = load([four_corners(), four_corners(800, 50)])

    assert loaded.indices == [0]
    assert "too narrow: 800 x 50 pixels" in loaded.skipped[0].reason


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((48, 64, 3), dtype=np.float32),
        np.zeros((3, 48, 64), dtype=np.uint8),
        np.zeros((2, 48, 64, 3), dtype=np.uint8),
        np.zeros((0, 64, 3), dtype=np.uint8),
    ],
    ids=["floats", "channels first", "a stack", "empty"],
)
@pytest.mark.parametrize("listed", [False, True])
def test_an_array_of_another_kind_is_refused(array, listed):
    message = re.escape(f"An array of shape {array.shape} and type {array.dtype} is not an image. Expected uint8")
    with pytest.raises(InputError, match=message):
        load([array] if listed else array)


@pytest.mark.parametrize("photos", [[None], [3], [[]]])
def test_an_entry_of_another_kind_is_refused(photos):
    with pytest.raises(InputError, match=r"is not a photo. Give a folder, files, a glob, a zip"):
        load(photos)


def test_a_path_that_does_not_exist_is_an_error(tmp_path):
    for photos in [tmp_path / "nowhere", [saved(tmp_path, "a.png"), tmp_path / "nowhere"]]:
        with pytest.raises(InputError, match=r"There is no file or folder '.*nowhere'; check the spelling"):
            load(photos)


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"The folder .* holds no photos. Give a folder"):
        load(tmp_path)


def test_a_glob_without_match_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"No file matches '.*/\*\.png'"):
        load(f"{tmp_path}/*.png")


def test_an_empty_list_is_an_error():
    with pytest.raises(InputError, match="The list of photos is empty"):
        load([])


def test_an_empty_and_a_damaged_zip_are_errors(tmp_path):
    with pytest.raises(InputError, match=r"The zip .* holds no photos"):
        load(zipped(tmp_path / "a.zip", {"__MACOSX/._a.png": b""}))
    (tmp_path / "b.zip").write_bytes(b"no zip")
    with pytest.raises(InputError, match="is not a readable zip"):
        load(tmp_path / "b.zip")


def test_where_nothing_can_be_read_the_error_names_the_files_and_reasons(tmp_path):
    (tmp_path / "a.jpg").write_text("hello")
    with pytest.raises(InputError, match=r"The photo cannot be used.*\n  a.jpg: it is not an image"):
        load(tmp_path)

    (tmp_path / "b.png").write_bytes(encoded()[:100])
    with pytest.raises(InputError, match=r"None of the 2 photos can be used.*\n  a.jpg: .*\n  b.png: it cannot"):
        load(tmp_path)


def test_of_many_unreadable_photos_ten_are_named(tmp_path):
    for index in range(25):
        (tmp_path / f"{index}.jpg").write_text("hello")

    with pytest.raises(InputError, match=r"9.jpg: .*\n  \.\.\. and 15 more"):
        load(tmp_path)
