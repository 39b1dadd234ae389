import numpy as np
import pytest
from scenes import distance_to_surface, make_scene

from pointmap import InputError
from pointmap.fusion.cloud import point_cloud


def test_every_point_lies_on_a_surface_and_has_the_colour_of_its_pixel():
    scene = make_scene(num_photos=3)
    cloud = scene.point_cloud()

    assert distance_to_surface(np.asarray(cloud.vertices)).max() < 1e-5
    mask = scene.masks()[2]
    of_last = cloud.metadata["photo"] == 2
    np.testing.assert_array_equal(np.asarray(cloud.colors)[of_last, :3], scene.colors[2][mask])
    np.testing.assert_allclose(np.asarray(cloud.vertices)[of_last], scene.pointmaps[2][mask])


def test_metadata_has_one_entry_per_point():
    scene = make_scene(num_photos=2, confidence=3.5)
    cloud = scene.point_cloud()

    assert {len(values) for values in cloud.metadata.values()} == {len(cloud.vertices)}
    assert (cloud.metadata["confidence"] == 3.5).all()


def test_max_points_draws_that_many_and_the_same_ones_again():
    scene = make_scene(num_photos=3)

    first, again, other = (scene.point_cloud(max_points=100, seed=seed) for seed in (0, 0, 1))

    assert len(first.vertices) == 100
    assert len(first.metadata["photo"]) == 100
    np.testing.assert_array_equal(first.vertices, again.vertices)
    assert not np.array_equal(first.vertices, other.vertices)


def test_max_points_above_the_number_of_points_keeps_all():
    scene = make_scene(num_photos=2)

    assert len(scene.point_cloud(max_points=10**6).vertices) == len(scene.point_cloud().vertices)


def test_no_points_at_all_are_not_an_answer():
    with pytest.raises(InputError, match="max_points is 0"):
        make_scene(num_photos=1).point_cloud(max_points=0)


def test_thinned_points_lie_evenly_over_their_photo():
    scene = make_scene(scale=8, num_photos=1)
    keep = np.ones(scene.depths[0].shape, bool)

    chosen = point_cloud(scene, [keep], max_points=keep.size // 16)

    pixels = np.asarray(chosen.vertices) @ scene.working_intrinsics[0].T  # its camera is the world's frame
    column, row = (np.round(pixels[:, :2] / pixels[:, 2:]).astype(int) // 8).T
    counts = np.bincount(row * 32 + column, minlength=24 * 32)
    assert len(counts) == 24 * 32
    assert counts.min() >= 2
    assert counts.max() <= 7  # a random draw has from 0 to 12


def test_without_normals_a_cloud_is_otherwise_the_same():
    scene = make_scene(num_photos=2)

    whole, quick = scene.point_cloud(), scene.point_cloud(normals=False)

    assert whole.metadata.keys() - quick.metadata.keys() == {"normal"}
    np.testing.assert_array_equal(quick.vertices, whole.vertices)
