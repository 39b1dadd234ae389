import numpy as np

from pointmap.fusion.photo_atlas import BORDER, pack_images


def images():
    rng = np.random.default_rng(3)
    return [rng.integers(0, 256, (h, w, 3), dtype=np.uint8) for h, w in ((24, 32), (32, 24), (10, 50), (24, 32))]


def test_every_image_is_found_where_the_atlas_says():
    atlas = pack_images(images())

    for index, image in enumerate(images()):
        left, top = atlas.corners[index].astype(int)
        np.testing.assert_array_equal(atlas.image[top : top + image.shape[0], left : left + image.shape[1]], image)


def test_the_border_repeats_the_edge():
    (image, *_) = images()
    atlas = pack_images([image])

    np.testing.assert_array_equal(atlas.image[BORDER, 0], image[0, 0])
    np.testing.assert_array_equal(atlas.image[-1, -1], image[-1, -1])


def test_images_shrink_alike_until_the_atlas_fits():
    atlas = pack_images(images(), max_size=64)

    assert max(atlas.image.shape) <= 64
    assert atlas.scales.max() < 1
    height, width = atlas.image.shape[:2]
    for index, image in enumerate(images()):
        far = np.array([[image.shape[1] - 1, image.shape[0] - 1]])
        u, v = atlas.texture_coordinates(index, far)[0]
        assert 0 < u * width < width
        assert 0 < v * height < height
