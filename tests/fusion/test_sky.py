"""Where photos show sky: as the network says, or by the look of it, and in doubt nowhere."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scenes import make_scene

from pointmap.fusion.sky import sky_by_look


def landscape(sky: np.ndarray, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A photo (90, 140, 3) of dark textured hills below a sky (rows, 140, 3), with a tower in it; and where sky is."""
    rng = np.random.default_rng(seed)
    image = rng.integers(20, 110, (90, 140, 3)).astype(float)
    image[..., 2] *= 0.6
    horizon = 45 + 8 * np.sin(np.arange(140) / 15)
    is_sky = np.arange(90)[:, None] < horizon
    is_sky[20:, 60:72] = False
    image[is_sky] = np.broadcast_to(sky, (90, 140, 3))[is_sky]
    return np.clip(image + rng.normal(0, 2, image.shape), 0, 255).astype(np.uint8), is_sky


def blue_sky() -> np.ndarray:
    """Paler towards the horizon."""
    share = np.linspace(0, 1, 90)[:, None, None]
    return (1 - share) * np.array([70, 120, 200.0]) + share * np.array([190, 215, 240.0])


@pytest.mark.parametrize("sky", [blue_sky(), np.array([225.0, 228, 232])], ids=["blue", "overcast"])
def test_sky_is_found_down_to_the_hills(sky):
    image, is_sky = landscape(sky)

    found = sky_by_look(image)

    assert (found & is_sky).sum() / (found | is_sky).sum() > 0.95
    assert not found[25:, 62:70].any()


def test_large_photos_are_looked_at_small():
    image, is_sky = landscape(blue_sky())

    found = sky_by_look(image.repeat(6, axis=0).repeat(6, axis=1))

    assert found.shape == (540, 840)
    assert (found[3::6, 3::6] == is_sky).mean() > 0.95


def test_a_room_has_no_sky():
    scene = make_scene(scale=4)

    assert not any(sky_by_look(image).any() for image in scene.colors)


def test_a_white_ceiling_with_a_lamp_is_no_sky():
    image, is_ceiling = landscape(np.array([200.0, 202, 203]))
    image[8:16, 20:40] = 255  # brighter than what is around it
    image[60:66, 100:130] = 250

    assert is_ceiling[8:16, 20:40].all()
    assert not sky_by_look(image)[30:].any()
    assert not sky_by_look(image[..., [0, 0, 0]])[30:].any()


def test_a_blue_or_white_floor_is_no_sky():
    image, _ = landscape(blue_sky())
    white, _ = landscape(np.array([235.0, 236, 238]))

    assert not sky_by_look(image[::-1].copy()).any()
    assert not sky_by_look(white[::-1].copy()).any()


def test_a_plain_photo_has_no_sky():
    assert not sky_by_look(np.full((40, 60, 3), 230, np.uint8)).any()
    assert not sky_by_look(np.zeros((1, 1, 3), np.uint8)).any()


def test_masks_leave_out_what_the_network_takes_for_sky():
    scene = make_scene(num_photos=2, scale=2)
    sky = [np.zeros(depth.shape, np.float32) for depth in scene.depths]
    sky[1][:20] = 0.9
    sky[1][20:30] = 0.4
    scene = replace(scene, sky=sky)

    plain, masked = scene.masks(), scene.masks(mask_sky=True)

    np.testing.assert_array_equal(masked[0], plain[0])
    np.testing.assert_array_equal(masked[1][20:], plain[1][20:])
    assert plain[1][:20].any()
    assert not masked[1][:20].any()


def test_masks_look_at_the_photos_where_no_network_said():
    scene = make_scene(num_photos=1, scale=4)
    image = scene.colors[0].copy()
    image[:30] = np.random.default_rng(0).integers(238, 243, (30, 128, 1))  # overcast
    scene = replace(scene, colors=[image])

    (plain,), (masked,) = scene.masks(), scene.masks(mask_sky=True)

    assert plain[:28].mean() > 0.9
    assert not masked[:28].any()
    np.testing.assert_array_equal(masked[32:], plain[32:])


@pytest.mark.parametrize("name", ["redkitchen", "hololens_sofa", "fox", "lund_door"])
def test_rooms_and_walls_of_real_photos_stay(name, shared_dir):
    folder = shared_dir / "data" / name / "images"
    if not folder.is_dir():
        pytest.skip(f"no photos of {name}")
    shares = []
    for file in sorted(folder.iterdir())[::6]:
        with Image.open(file) as photo:
            photo.draft("RGB", (320, 320))
            photo = photo.convert("RGB")
            photo.thumbnail((320, 320))
            shares.append(sky_by_look(np.asarray(photo)).mean())

    assert np.mean(shares) < 0.01
