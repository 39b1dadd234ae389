"""Depth of a sensor with a lens of its own, as the photo sees it."""

import numpy as np

from pointmap.eval.layouts.sensor_depth import as_photo_sees_it

DEPTH = (1 + np.arange(48, dtype=np.float32)).reshape(6, 8)
"""Every pixel has its own number."""


def test_a_photo_of_another_size_and_the_same_view_changes_nothing():
    sensor = np.array([[8.0, 0, 3.5], [0, 9.0, 2.5], [0, 0, 1]])
    # Half as wide, a third as high; edges of the pictures coincide, not the centres of their first pixels.
    photo = np.array([[4.0, 0, 4 * 0.5 - 0.5], [0, 3.0, 3 / 3 - 0.5], [0, 0, 1]])

    np.testing.assert_array_equal(as_photo_sees_it(lambda: DEPTH, sensor, photo, (4, 2))(), DEPTH)


def test_a_principal_point_further_left_shows_what_is_further_right():
    sensor = np.array([[8.0, 0, 3.5], [0, 8.0, 2.5], [0, 0, 1]])
    photo = np.array([[8.0, 0, 1.5], [0, 8.0, 2.5], [0, 0, 1]])

    seen = as_photo_sees_it(lambda: DEPTH, sensor, photo, (8, 6))()

    np.testing.assert_array_equal(seen[:, :6], DEPTH[:, 2:])
    assert (seen[:, 6:] == 0).all()
