from dataclasses import replace

import numpy as np
import pytest
from scenes import distance_to_surface, make_scene, without_registration


def test_pointmaps_lie_on_the_surfaces_that_the_photos_show():
    scene = make_scene()

    for depth, points in zip(scene.depths, scene.pointmaps, strict=True):
        assert points.shape == (*depth.shape, 3)
        assert distance_to_surface(points.reshape(-1, 3)).max() < 1e-5


def test_a_pixel_of_the_original_photo_sees_the_point_of_its_working_pixel():
    scene = make_scene()
    photo, row, column = 1, 17, 5  # the original is 6 times larger

    K, world_from_cam = scene.intrinsics[photo], scene.world_from_cam[photo]
    point_cam = world_from_cam[:3, :3].T @ (scene.pointmaps[photo][row, column] - world_from_cam[:3, 3])
    u, v, w = K @ point_cam

    # The middle of a block of 6x6 pixels.
    np.testing.assert_allclose([u / w, v / w], [6 * column + 2.5, 6 * row + 2.5], atol=1e-3)


def test_an_unregistered_photo_has_no_points_anywhere():
    scene = without_registration(make_scene(num_photos=3), 1)

    assert np.isnan(scene.pointmaps[1]).all()
    assert not scene.masks()[1].any()
    assert set(scene.point_cloud().metadata["photo"]) == {0, 2}
    assert np.isfinite(scene.point_cloud().vertices).all()
    assert np.isfinite(scene.mesh().vertices).all()


def test_a_scene_without_a_registered_photo_has_an_empty_cloud_and_mesh():
    scene = without_registration(make_scene(num_photos=2), 0, 1)

    assert len(scene.point_cloud().vertices) == 0
    assert len(scene.mesh(texture=True).faces) == 0


def test_maps_of_different_sizes_are_refused_and_named():
    scene = make_scene(num_photos=2)

    with pytest.raises(ValueError, match=r"photo 1\.jpg.*depth \(24, 31\)"):
        replace(scene, depths=[scene.depths[0], scene.depths[1][:, :-1]])


@pytest.mark.parametrize("name", ["intrinsics", "world_from_cam", "registered", "names", "paths"])
def test_a_missing_entry_is_refused(name):
    scene = make_scene(num_photos=3)

    with pytest.raises(ValueError, match=r"Scene of \d photos, but \w+ has \d entries"):
        replace(scene, **{name: getattr(scene, name)[:2]})


def test_poses_of_another_shape_are_refused():
    scene = make_scene(num_photos=3)

    with pytest.raises(ValueError, match=r"world_from_cam has shape \(3, 3, 4\); expected \(3, 4, 4\)"):
        replace(scene, world_from_cam=scene.world_from_cam[:, :3])
