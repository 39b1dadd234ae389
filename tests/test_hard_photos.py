"""Photo sets that are hard or make no sense: a sane scene, or a clear word, and nothing is lost."""

from pathlib import Path

import numpy as np
import pytest

import pointmap
from pointmap.geometry.transforms import invert_rigid

PHOTOS = Path(__file__).parents[1] / "demo" / "photos"


@pytest.fixture(scope="module")
def network():
    return pointmap.load_model("small", device="cpu")


def photos_of(name, count):
    from PIL import Image

    files = sorted((PHOTOS / name / "images").iterdir())[:count]
    return [np.asarray(Image.open(file).convert("RGB")) for file in files]


def reconstruct(photos, network, **settings):
    return pointmap.reconstruct(photos, model=network, depth="network", progress=False, **settings)


def relative_motions(scene):
    """Rotation in degrees and distance, in typical depths, of every camera from the first."""
    import torch

    poses = torch.from_numpy(scene.world_from_cam).double()
    from_first = (invert_rigid(poses[:1]) @ poses)[1:].numpy()
    cosine = (np.trace(from_first[:, :3, :3], axis1=1, axis2=2) - 1) / 2
    depth = np.median(np.concatenate([depth[depth > 0] for depth in scene.depths]))
    return np.degrees(np.arccos(cosine.clip(-1, 1))), np.linalg.norm(from_first[:, :3, 3], axis=1) / depth


def test_two_scenes_in_one_folder_are_told_apart(network):
    scene = reconstruct(photos_of("room", 4) + photos_of("table", 3), network)
    names = list(scene.names)

    assert scene.report["poses"]["components"] == [names[:4], names[4:]]
    assert scene.registered.tolist() == [True] * 4 + [False] * 3
    assert any(names[4] in line and "share nothing" in line for line in scene.report["dropped"])


def test_photos_that_share_nothing_are_said_to_be_guesses(network):
    scene = reconstruct([photos_of(name, 1)[0] for name in ("room", "table", "street")], network)

    assert scene.report["poses"]["components"] == [[name] for name in scene.names]
    assert not any(photo["tied"] for photo in scene.report["poses"]["photos"].values())


def test_identical_photos_have_one_place(network):
    scene = reconstruct(photos_of("room", 1) * 3, network)
    degrees, distance = relative_motions(scene)

    assert scene.registered.all()
    assert degrees.max() < 1
    assert distance.max() < 0.05


def test_a_camera_that_only_turns_is_seen_to_turn(network):
    import cv2

    (photo,) = photos_of("street", 1)
    height, width = photo.shape[:2]
    K = np.array([[width, 0, width / 2], [0, width, height / 2], [0, 0, 1.0]])
    turned = []
    for degrees in (-6, 0, 6):
        rotation = cv2.Rodrigues(np.array([0, np.radians(degrees), 0]))[0]
        seen = cv2.warpPerspective(photo, K @ rotation @ np.linalg.inv(K), (width, height))
        turned.append(seen[height // 6 : -height // 6, width // 6 : -width // 6])
    inner = np.array([[width, 0, width / 3 - 0.5], [0, width, height / 3 - 0.5], [0, 0, 1.0]])

    scene = reconstruct(turned, network, intrinsics=[inner] * 3)
    degrees, distance = relative_motions(scene)

    np.testing.assert_allclose(degrees, [6, 12], atol=1)
    assert distance.max() < 0.15


def test_blurred_photos_still_give_a_scene(network):
    import cv2

    scene = reconstruct([cv2.GaussianBlur(photo, (0, 0), 6) for photo in photos_of("room", 3)], network)

    assert scene.registered.all()
    assert np.isfinite(scene.world_from_cam).all()


def test_photos_of_one_grey_give_a_scene_that_says_it_is_a_guess(network):
    scene = reconstruct([np.full((120, 160, 3), 128, np.uint8)] * 3, network)

    assert np.isfinite(scene.world_from_cam[scene.registered]).all()
    assert not any(photo["tied"] for photo in scene.report["poses"]["photos"].values())


def test_a_wallpaper_that_repeats_does_not_lead_the_cameras_astray(network):
    """Copies of one pattern match wrongly in every pair; what the photos really share must win."""
    photos = photos_of("room", 4)
    pattern = np.random.default_rng(0).integers(0, 255, (24, 24, 3), np.uint8)
    stripe = np.tile(pattern, (2, photos[0].shape[1] // 24 + 1, 1))[:, : photos[0].shape[1]]
    papered = [np.concatenate([stripe, photo[48:]]) for photo in photos]

    plain, scene = reconstruct(photos, network), reconstruct(papered, network)

    degrees_plain, _ = relative_motions(plain)
    degrees, _ = relative_motions(scene)
    np.testing.assert_allclose(degrees, degrees_plain, atol=3)
