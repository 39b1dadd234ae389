import numpy as np
import pytest
from scenes import make_scene, without_registration

from pointmap.export.viewpoints import overview

SIZE = (320, 200)


def pixels_of(viewpoint, points):
    points_eye = (points - viewpoint.world_from_eye[:3, 3]) @ viewpoint.world_from_eye[:3, :3]
    assert (points_eye[:, 2] > 0).all()
    return (points_eye @ viewpoint.intrinsics.T)[:, :2] / points_eye[:, 2:]


def view(scene, points, cameras=np.zeros((0, 3)), azimuth_deg=35.0, elevation_deg=20.0):  # noqa: B008
    return overview(scene, points, cameras, SIZE, azimuth_deg=azimuth_deg, elevation_deg=elevation_deg)


@pytest.mark.parametrize("azimuth_deg", [-120.0, -40.0, 35.0])
def test_points_fill_the_image_without_sticking_out(azimuth_deg):
    scene = make_scene()
    points = np.asarray(scene.point_cloud().vertices)

    pixels = pixels_of(view(scene, points, azimuth_deg=azimuth_deg), points)

    inside = ((pixels > 0) & (pixels < SIZE)).all(axis=-1)
    extent = np.quantile(pixels, 0.99, axis=0) - np.quantile(pixels, 0.01, axis=0)
    assert inside.mean() > 0.93
    assert (extent / SIZE).max() > 0.8


def test_cameras_are_in_the_image_but_a_stray_one_does_not_shrink_it():
    scene = make_scene()
    points = np.asarray(scene.point_cloud().vertices)
    cameras = scene.world_from_cam[:, :3, 3]

    with_stray = view(scene, points, np.concatenate([cameras, [[1e4, 0, 0]]]))

    np.testing.assert_allclose(with_stray.world_from_eye, view(scene, points, cameras).world_from_eye)
    pixels = pixels_of(with_stray, cameras)
    assert ((pixels > 0) & (pixels < SIZE)).all()


def test_a_photo_that_is_registered_far_off_does_not_shrink_the_rest():
    scene = make_scene()
    points = np.asarray(scene.point_cloud().vertices)
    far_off = points[: len(points) // 6] + np.array([0, 0, 200])

    pixels = pixels_of(view(scene, np.concatenate([points, far_off])), points)

    assert (np.ptp(pixels, axis=0) / SIZE).max() > 0.8


def test_the_eye_is_above_on_the_left_and_level():
    scene = make_scene(num_photos=1)  # its camera has the axes of the world: y down
    points = np.asarray(scene.point_cloud().vertices)

    world_from_eye = view(scene, points).world_from_eye

    ahead, right = world_from_eye[:3, 2], world_from_eye[:3, 0]
    assert ahead[0] > 0.3  # looks to the right, so it is on the left
    assert ahead[1] > 0.3  # looks down
    assert abs(right[1]) < 1e-9
    assert np.linalg.det(world_from_eye[:3, :3]) == pytest.approx(1)


def test_a_wall_is_seen_from_the_side_it_was_photographed_from():
    scene = make_scene()
    viewpoint = view(scene, np.asarray(scene.point_cloud().vertices))
    eye, ahead = viewpoint.world_from_eye[:3, 3], viewpoint.world_from_eye[:3, 2]
    point = eye + 2 * ahead

    seen = viewpoint.sees_front(np.stack([point, point]), np.stack([point - ahead, point + ahead]))

    assert seen.tolist() == [True, False]


def test_there_is_a_view_of_nothing():
    scene = without_registration(make_scene(num_photos=2), 0, 1)

    assert np.isfinite(view(scene, np.zeros((0, 3))).world_from_eye).all()
