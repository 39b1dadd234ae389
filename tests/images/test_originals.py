from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scenes import make_scene

from pointmap.images.originals import seen_through_lens
from pointmap.scene import Scene


def with_files(scene: Scene, folder) -> Scene:
    """The scene with an original of every photo: each working pixel enlarged."""
    paths = []
    for name, size, color in zip(scene.names, scene.image_sizes, scene.colors, strict=True):
        path = folder / name
        Image.fromarray(color).resize(tuple(size.tolist()), Image.Resampling.NEAREST).save(path.with_suffix(".png"))
        paths.append(path.with_suffix(".png"))
    return replace(scene, paths=tuple(paths))


def test_a_photo_comes_at_its_own_size_with_its_own_intrinsics(tmp_path):
    scene = with_files(make_scene(num_photos=3), tmp_path)

    photo = scene.photo(2)

    assert photo.image.shape[1::-1] == tuple(scene.image_sizes[2])
    np.testing.assert_allclose(photo.intrinsics, scene.intrinsics[2])
    np.testing.assert_array_equal(photo.image[::7, ::7][:32, :24], scene.colors[2])


def test_a_smaller_photo_has_intrinsics_of_its_size(tmp_path):
    scene = with_files(make_scene(num_photos=1), tmp_path)
    width, height = scene.image_sizes[0].tolist()

    photo = scene.photo(0, max_size=width // 5)

    assert photo.image.shape == (height // 5, width // 5, 3)
    np.testing.assert_allclose(photo.intrinsics, scene.working_intrinsics[0], atol=1e-9)


def test_where_the_file_is_gone_or_another_the_working_image_serves(tmp_path):
    scene = with_files(make_scene(num_photos=3), tmp_path)
    scene.paths[0].unlink()
    scene.paths[1].write_bytes(b"no image")
    Image.new("RGB", (7, 5)).save(scene.paths[2])

    for index in range(3):
        photo = scene.photo(index)
        np.testing.assert_array_equal(photo.image, scene.colors[index])
        np.testing.assert_array_equal(photo.intrinsics, scene.working_intrinsics[index])


def test_distortion_is_taken_out(tmp_path):
    scene = make_scene(num_photos=1, scale=8)
    lens = np.array([[-0.2, 0.05, 0.0, 0.0, 0.0]])
    K, (width, height) = scene.working_intrinsics[0], scene.colors[0].shape[1::-1]
    # Where the undistorted pixel is in the distorted photo, and a photo that is bright there alone.
    x, y = (np.array([40.0, 30.0]) - K[:2, 2]) / np.diag(K)[:2]
    radial = 1 + lens[0, 0] * (x * x + y * y) + lens[0, 1] * (x * x + y * y) ** 2
    u, v = np.rint(np.diag(K)[:2] * [x * radial, y * radial] + K[:2, 2]).astype(int)
    image = np.zeros((height, width, 3), np.uint8)
    image[v - 1 : v + 2, u - 1 : u + 2] = 255
    Image.fromarray(image).save(tmp_path / "a.png")
    scene = replace(
        scene,
        paths=(tmp_path / "a.png",),
        image_sizes=np.array([[width, height]]),
        intrinsics=scene.working_intrinsics,
        distortion=lens,
    )

    found = scene.photo(0).image

    assert (u, v) != (40, 30)
    assert found[30, 40].min() > 200


@pytest.mark.parametrize(("k1", "bordered"), [(0.3, True), (-0.2, False)])
def test_borders_that_no_lens_saw_are_known(tmp_path, k1, bordered):
    scene = replace(with_files(make_scene(num_photos=1, scale=4), tmp_path), distortion=np.array([[k1, 0.0, 0, 0, 0]]))
    width, height = scene.image_sizes[0]
    Image.new("RGB", (width, height), "white").save(scene.paths[0])

    seen = seen_through_lens(scene, 0)

    assert seen.all() != bordered
    photo = scene.photo(0, max_size=max(seen.shape)).image
    assert photo.shape[:2] == seen.shape
    assert photo[seen].min() >= 254
    if bordered:
        assert photo[~seen].mean() < 64
    assert seen_through_lens(replace(scene, distortion=None), 0) is None
