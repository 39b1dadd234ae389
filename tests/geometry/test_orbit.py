import numpy as np

from pointmap.geometry.orbit import axes_meet, fit_orbit

TARGET = (0.3, -0.2, 2.0)


def camera(azimuth_deg: float, *, height: float = 0.7) -> np.ndarray:
    """world_from_cam of a camera 2 away from the vertical through the target, y down."""
    azimuth = np.radians(azimuth_deg)
    position = np.array(TARGET) + np.array([2 * np.sin(azimuth), -height, -2 * np.cos(azimuth)])
    z = np.array(TARGET) - position
    z /= np.linalg.norm(z)
    x = np.cross([0, 1.0, 0], z)
    x /= np.linalg.norm(x)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([x, np.cross(z, x), z], axis=1)
    pose[:3, 3] = position
    return pose


def test_a_whole_turn_closes():
    orbit = fit_orbit(np.stack([camera(azimuth) for azimuth in range(0, 360, 24)]))

    np.testing.assert_allclose(orbit.centre, TARGET, atol=1e-9)
    np.testing.assert_allclose(np.abs(orbit.axis), (0, 1, 0), atol=1e-9)
    np.testing.assert_allclose(orbit.steps_deg, 24, atol=1e-6)
    assert orbit.closed
    assert orbit.unevenness < 1e-6
    assert abs(orbit.turn_deg - 360) < 1e-6


def test_a_part_of_a_turn_does_not_close():
    orbit = fit_orbit(np.stack([camera(azimuth) for azimuth in range(0, 200, 20)]))

    assert not orbit.closed
    np.testing.assert_allclose(np.abs(orbit.steps_deg[:-1]), 20, atol=1e-6)


def test_cameras_that_lost_their_way_do_not_close():
    azimuths = [0, 20, 40, 60, 80, 100, 120, 100, 80, 60, 40, 20]
    orbit = fit_orbit(np.stack([camera(azimuth) for azimuth in azimuths]))

    assert not orbit.closed
    assert abs(orbit.turn_deg) < 1


def test_optical_axes_meet_at_the_target():
    poses = np.stack([camera(10), camera(100, height=0.1), camera(300, height=-0.5)])

    np.testing.assert_allclose(axes_meet(poses), TARGET, atol=1e-9)
