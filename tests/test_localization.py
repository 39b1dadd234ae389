"""New photos in scenes that we chose: a wall with a ball before it, of which cameras and depths are known exactly."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from stereo.stereo_scenes import bent, take_photos

from pointmap.errors import Cancelled, InputError
from pointmap.localization import Localization, localize
from pointmap.scene import Scene

NEW = 2
SHAPES = [(192, 256), (192, 256), (256, 192), (192, 256), (192, 256)]
"""The new photo, in the middle, is upright; the others are not."""


@pytest.fixture(scope="module")
def photos():
    return take_photos(shapes=SHAPES, ball=True)


@pytest.fixture(scope="module")
def scene(photos):
    """Of all photos but the new one. The originals, twice as large, are not there any more."""
    kept = [index for index in range(len(SHAPES)) if index != NEW]
    depths = [photos.depths[index].numpy() for index in kept]
    K = photos.intrinsics[kept].double().numpy()
    original_from_working = np.array([[2, 0, 0.5], [0, 2, 0.5], [0, 0, 1]])
    return Scene(
        names=tuple(f"{index}.jpg" for index in kept),
        paths=(None,) * len(kept),
        image_sizes=np.array([(2 * SHAPES[index][1], 2 * SHAPES[index][0]) for index in kept]),
        intrinsics=original_from_working @ K,
        world_from_cam=photos.world_from_cam[kept].double().numpy(),
        depths=depths,
        confidences=[np.full_like(depth, 5) for depth in depths],
        colors=[photos.images[index].numpy() for index in kept],
        working_intrinsics=K,
        registered=np.ones(len(kept), bool),
    )


def new_photo(photos):
    """Pixels and K of the photo that is not in the scene."""
    return photos.images[NEW].numpy(), photos.intrinsics[NEW].double().numpy()


def pose_errors(found: Localization, photos) -> tuple[float, float]:
    """Degrees, and distance of the centres in percent of the distance of the outermost cameras."""
    truth = photos.world_from_cam[NEW].double().numpy()
    turned = found.world_from_cam[:3, :3].T @ truth[:3, :3]
    degrees = np.degrees(2 * np.arcsin(min(1, np.linalg.norm(turned - np.eye(3)) / np.sqrt(8))))
    extent = np.linalg.norm(photos.world_from_cam[0, :3, 3] - photos.world_from_cam[-1, :3, 3])
    return degrees, 100 * np.linalg.norm(found.world_from_cam[:3, 3] - truth[:3, 3]) / extent


def test_a_photo_with_known_intrinsics_finds_its_place(scene, photos):
    image, K = new_photo(photos)

    found = scene.localize(image, model=None, intrinsics=K)

    degrees, percent = pose_errors(found, photos)
    assert found.registered
    assert degrees < 0.1
    assert percent < 0.3
    assert set(found.neighbours) == set(scene.names)
    assert found.num_matches >= found.num_inliers > 100
    np.testing.assert_array_equal(found.intrinsics, K)


def test_photos_of_the_same_size_tell_the_focal_length(scene, photos):
    image, _ = new_photo(photos)
    size = tuple(2 * length for length in image.shape[1::-1])

    found = scene.localize(Image.fromarray(image).resize(size), model=None)

    # Their photos lie across, so that only the focal length is theirs; this camera's centre is 4 % off the middle.
    assert found.image_size == size
    np.testing.assert_allclose(found.intrinsics[0, 0], scene.intrinsics[0, 0, 0], rtol=1e-6)
    assert found.registered
    assert pose_errors(found, photos)[0] < 3


def test_without_any_hint_the_matches_tell_the_focal_length(scene, photos):
    image, K = new_photo(photos)

    found = localize(scene, image, model=None)

    assert found.registered
    np.testing.assert_allclose(found.intrinsics[0, 0], K[0, 0], rtol=0.06)


@pytest.mark.parametrize("flaw", ["none", "bent by 15 %"])
def test_depth_maps_may_be_missing_or_bent_where_photos_have_parallax(scene, photos, flaw):
    image, K = new_photo(photos)
    if flaw == "none":
        depths = [np.zeros_like(depth) for depth in scene.depths]
    else:
        depths = [depth.numpy() for depth in bent([torch.from_numpy(depth) for depth in scene.depths])]

    found = localize(replace(scene, depths=depths), image, model=None, intrinsics=K)

    degrees, percent = pose_errors(found, photos)
    assert degrees < 0.1
    assert percent < 0.5


def test_originals_are_used_where_they_are(scene, photos, tmp_path):
    """The scene's own images show nothing here."""
    image, K = new_photo(photos)
    kept = [index for index in range(len(SHAPES)) if index != NEW]
    paths = []
    for index, name in zip(kept, scene.names, strict=True):
        paths.append((tmp_path / name).with_suffix(".png"))
        pixels = photos.images[index].numpy()
        Image.fromarray(pixels).resize((2 * pixels.shape[1], 2 * pixels.shape[0])).save(paths[-1])
    grey = replace(scene, colors=[np.full_like(color, 128) for color in scene.colors])

    without = localize(grey, image, model=None, intrinsics=K)
    found = localize(replace(grey, paths=tuple(paths)), image, model=None, intrinsics=K)

    assert not without.registered
    assert pose_errors(found, photos)[0] < 0.1


def test_a_batch_goes_on_after_photos_that_cannot_be_read_or_show_something_else(scene, photos, tmp_path):
    image, K = new_photo(photos)
    Image.fromarray(image).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"nothing")
    Image.fromarray(take_photos(shapes=[(256, 192)], seed=9).images[0].numpy()).save(tmp_path / "c.png")
    seen = []

    found = localize(scene, tmp_path, model=None, intrinsics=K, progress=lambda *step: seen.append(step))

    assert [(photo.name, photo.registered) for photo in found] == [("a.png", True), ("b.png", False), ("c.png", False)]
    assert "image" in found[1].reason
    assert "too few agree" in found[2].reason
    assert np.isnan(found[2].world_from_cam).all()
    assert seen[-1] == ("localize", 3, 3)


def test_photos_that_are_not_registered_take_no_part(scene, photos):
    image, K = new_photo(photos)
    registered = np.array([True, False, True, True])
    poses = np.where(registered[:, None, None], scene.world_from_cam, np.nan)

    found = localize(replace(scene, registered=registered, world_from_cam=poses), image, model=None, intrinsics=K)

    assert "1.jpg" not in found.neighbours
    assert pose_errors(found, photos)[0] < 0.1


def test_the_photos_with_most_matches_are_the_neighbours(scene, photos):
    image, K = new_photo(photos)

    found = localize(scene, image, model=None, intrinsics=K, neighbours=2)

    assert set(found.neighbours) == {"1.jpg", "3.jpg"}
    assert found.registered


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"neighbours": 0}, "at least 1"),
        ({"intrinsics": [None, None]}, "2 entries for 1 photos"),
        ({"intrinsics": np.zeros((3, 3))}, "positive focal"),
    ],
)
def test_wrong_settings_are_refused(scene, photos, settings, message):
    with pytest.raises(InputError, match=message):
        localize(scene, new_photo(photos)[0], model=None, **settings)


def test_a_scene_without_a_registered_photo_and_a_lone_unreadable_photo_are_errors(scene, photos, tmp_path):
    (tmp_path / "a.png").write_bytes(b"nothing")

    with pytest.raises(InputError, match="registered"):
        localize(replace(scene, registered=np.zeros(4, bool)), new_photo(photos)[0], model=None)
    with pytest.raises(InputError, match="not an image"):
        localize(scene, tmp_path / "a.png", model=None)


def test_the_callback_can_stop_it(scene, photos):
    def stop(stage: str, done: int, total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        localize(scene, new_photo(photos)[0], model=None, progress=stop)
