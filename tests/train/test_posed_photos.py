import json
from pathlib import Path

import numpy as np
import pytest
import torch
from photo_folders import HEIGHT, WIDTH, facing_a_wall, read_cameras, rendered_views, write_cameras, write_photos
from PIL import Image
from worlds import warp

from pointmap.errors import InputError
from pointmap.geometry.transforms import invert_rigid
from pointmap.train.photos import photo_pairs, read_photos, spread_photo_pairs
from pointmap.train.random import Random


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_photos(tmp_path_factory.mktemp("posed") / "room", rendered_views())


@pytest.fixture
def wall(tmp_path) -> Path:
    """Four photos along a wall, each sharing half of what it shows with the next."""
    return write_photos(tmp_path / "wall", facing_a_wall([0.0, 1.0, 2.0, 3.0]))


def test_a_folder_is_read_as_it_was_written(folder):
    views = rendered_views()

    photos = read_photos(folder, image_size=WIDTH)

    assert photos.name == "room"
    assert torch.stack(photos.images).equal(views.images)
    known = torch.where(views.depths > 0, views.depths, torch.nan)
    torch.testing.assert_close(torch.stack(photos.depths), known, equal_nan=True)
    torch.testing.assert_close(photos.intrinsics, views.intrinsics)
    torch.testing.assert_close(photos.cam_from_world, invert_rigid(views.world_from_cam))


@pytest.mark.parametrize("size", [(40, 56), (56, 40)])
def test_a_photo_of_a_pair_warped_into_the_other_shows_the_same(folder, size):
    """Crops and resizing are told to the intrinsics; the poses are the right way round."""
    photos = read_photos(folder, image_size=WIDTH)

    batch = photo_pairs(photos, size, Random(1), count=12)

    assert batch.images.shape == (12, 2, *size, 3)
    index, depth, framed = warp(batch)
    there = batch.depths[:, 1].flatten(1).gather(1, index)
    same = (there / depth - 1).abs() < 0.03
    assert framed.float().mean() > 0.3
    assert same[framed].float().mean() > 0.75  # the others are hidden, or between two pixels
    gray = batch.images.float().mean(dim=-1).flatten(2)
    seen = framed & same
    difference = (gray[:, 0] - gray[:, 1].gather(1, index)).abs()[seen]
    assert difference.median() < 8
    shuffled = (gray[:, 0] - gray[:, 1].gather(1, index.flip(1))).abs()[seen]
    assert difference.median() < 0.5 * shuffled.median()


def test_pixels_of_a_pair_show_what_their_intrinsics_say(wall):
    """On the wall, colours are coordinates."""
    photos = read_photos(wall, image_size=WIDTH)

    batch = photo_pairs(photos, (32, 32), Random(0), count=6)

    column = torch.arange(32.0)
    K = batch.intrinsics
    right = (column - K[..., 0, 2, None]) / K[..., 0, 0, None] * 2.0  # metres from the camera at the distance of 2
    red = batch.images[:, :, 16, :, 0].float()
    where = (red - 100) / 40  # on the wall
    camera = (where - right).mean(dim=-1)
    torch.testing.assert_close(where - right, camera[..., None].expand_as(right), atol=0.03, rtol=0)
    torch.testing.assert_close(batch.first_from_second[:, 0, 3], camera[:, 1] - camera[:, 0], atol=0.02, rtol=0)


def test_pairs_are_those_that_share_something_the_least_first(wall):
    photos = read_photos(wall, image_size=WIDTH)

    assert sorted(map(tuple, photos.pairs.tolist())) == [(0, 1), (1, 2), (2, 3)]
    torch.testing.assert_close(photos.overlap, torch.full((3,), 0.5), atol=0.05, rtol=0)


def test_validation_pairs_are_spread_over_all_overlaps_and_always_the_same(folder):
    photos = read_photos(folder, image_size=WIDTH)

    batch, again = (spread_photo_pairs(photos, (40, 56), count=3) for _ in range(2))

    assert batch.images.equal(again.images)
    assert batch.overlap.tolist() == photos.overlap[[0, round((len(photos.pairs) - 1) / 2), -1]].tolist()
    assert len(spread_photo_pairs(photos, (40, 56), count=1000)) == len(photos.pairs)


def test_large_photos_are_kept_only_as_large_as_they_are_needed(folder):
    photos = read_photos(folder, image_size=WIDTH // 4)

    height, width = photos.images[0].shape[:2]
    assert (height, width) == (HEIGHT * 3 // 8, WIDTH * 3 // 8)  # one and a half times what is trained on
    batch = spread_photo_pairs(photos, (12, 16), count=6)
    index, depth, framed = warp(batch)
    same = (batch.depths[:, 1].flatten(1).gather(1, index) / depth - 1).abs() < 0.1
    assert same[framed].float().mean() > 0.75


def test_distortion_is_taken_out(tmp_path):
    """Of a photo whose colours say where a pinhole camera would have seen the same."""
    cv2 = pytest.importorskip("cv2")
    distortion = {"k1": -0.3, "k2": 0.05, "p1": 0.01, "p2": -0.01, "k3": 0.0}
    views = facing_a_wall([0.0, 1.0])
    K = views.intrinsics[0].double().numpy()
    row, column = np.meshgrid(np.arange(HEIGHT), np.arange(WIDTH), indexing="ij")
    pixels = np.stack([column, row], axis=-1)
    flat = pixels.reshape(-1, 1, 2).astype(np.float64)
    straight = cv2.undistortPoints(flat, K, np.array(list(distortion.values())), P=K).reshape(pixels.shape)
    folder = write_photos(tmp_path / "bent", views, distortion=distortion)
    bent = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    bent[..., :2] = (3 * straight + 30).round().clip(0, 255)
    Image.fromarray(bent).save(folder / "images/0.png")

    photo = read_photos(folder, image_size=WIDTH).images[0]

    inner = slice(8, -8)
    shown = (photo[inner, inner, :2].numpy().astype(np.float64) - 30) / 3
    assert np.abs(shown - pixels[inner, inner]).max() < 0.7
    assert np.abs(straight - pixels)[inner, inner].max() > 2


@pytest.mark.parametrize("form", ["png", "npy", "npz"])
def test_depth_is_read_in_any_of_its_forms(wall, form):
    millimetres = np.full((HEIGHT, WIDTH), 2000, dtype=np.uint16)
    millimetres[:, :10] = 0
    if form == "png":
        Image.fromarray(millimetres).save(wall / "depth.png")
    elif form == "npy":
        np.save(wall / "depth.npy", np.where(millimetres, millimetres, np.nan).astype(np.float32))
    else:
        np.savez(wall / "depth.npz", depth=millimetres)
    entries = read_cameras(wall)
    write_cameras(wall, [entry | {"depth": f"depth.{form}", "depth_scale": 0.001} for entry in entries])

    depth = read_photos(wall, image_size=WIDTH).depths[0]

    assert depth[:, :10].isnan().all()
    assert depth[:, 10:].eq(2.0).all()


def test_photos_without_depth_have_pairs_that_look_the_same_way(tmp_path):
    photos = read_photos(write_photos(tmp_path / "plain", rendered_views(), with_depth=False), WIDTH)

    batch = photo_pairs(photos, (40, 56), Random(0), count=4)

    assert batch.depths.isnan().all()
    assert (batch.overlap > 0.1).all()


def test_metres_are_metres_only_where_the_folder_says_so(wall):
    def is_metric() -> bool:
        return bool(photo_pairs(read_photos(wall, 64), (32, 40), Random(0), 2).metric.all())

    assert not is_metric()
    write_cameras(wall, read_cameras(wall), world_unit="metre")
    assert is_metric()


def test_photos_without_a_pose_are_left_out(wall):
    entries = read_cameras(wall)
    entries[0]["cam_from_world"] = None
    del entries[1]["cam_from_world"]
    write_cameras(wall, entries)

    assert len(read_photos(wall, WIDTH).images) == 2


def test_a_file_may_be_named_without_its_folder(wall):
    entries = read_cameras(wall)
    write_cameras(wall, [entry | {"file": Path(entry["file"]).name} for entry in entries])

    assert len(read_photos(wall, WIDTH).images) == 4


def test_photos_are_turned_upright_as_their_exif_says(wall):
    """`cameras.json` may speak of the file's pixels or of the upright ones; its size tells which."""
    upright = Image.open(wall / "images/0.png").convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    upright.transpose(Image.Transpose.ROTATE_90).save(wall / "images/0.png", exif=exif)

    photos = read_photos(wall, WIDTH)

    assert photos.images[0].numpy().tolist() == np.asarray(upright).tolist()


def test_a_missing_list_of_cameras_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no '.*nowhere/cameras.json'"):
        read_photos(tmp_path / "nowhere", WIDTH)


def test_a_missing_photo_is_named(wall):
    (wall / "images/2.png").unlink()

    with pytest.raises(InputError, match=r"no '.*2.png'"):
        read_photos(wall, WIDTH)


def test_a_photo_of_another_size_is_refused(wall):
    entries = read_cameras(wall)
    entries[1]["width"] = 640
    write_cameras(wall, entries)

    with pytest.raises(InputError, match=r"1.png' has \(64, 48\) pixels, but cameras.json says \(640, 48\)"):
        read_photos(wall, WIDTH)


@pytest.mark.parametrize("missing", ["fx", "width", "file"])
def test_an_incomplete_camera_is_refused(wall, missing):
    entries = read_cameras(wall)
    del entries[1][missing]
    write_cameras(wall, entries)

    with pytest.raises(InputError, match=rf"KeyError: '{missing}'.*Expected `images` with file"):
        read_photos(wall, WIDTH)


@pytest.mark.parametrize("text", ["[]", "{", json.dumps({"images": [{"cam_from_world": 5}]})])
def test_what_is_no_list_of_cameras_is_refused(tmp_path, text):
    (tmp_path / "cameras.json").write_text(text)

    with pytest.raises(InputError, match="cannot be read"):
        read_photos(tmp_path, WIDTH)


def test_photos_that_share_nothing_are_refused(tmp_path):
    folder = write_photos(tmp_path / "apart", facing_a_wall([0.0, 100.0]))

    with pytest.raises(InputError, match=r"No two of the 2 posed photos.*share 10%"):
        read_photos(folder, WIDTH)
