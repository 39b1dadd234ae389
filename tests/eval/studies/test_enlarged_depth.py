"""The comparison of enlarged depth maps: truth is perfect, edges in the wrong place are not, and gaps do not count."""

import numpy as np
import pytest

from pointmap.eval.studies.upsampling import edges, nearest, score, shrunk, without_gaps


def step(column: int) -> np.ndarray:
    """A depth map of two walls."""
    depth = np.full((60, 80), 2, np.float32)
    depth[:, column:] = 4
    return depth


def test_the_truth_itself_is_perfect():
    result = score(step(40), step(40), 0.12)

    assert (result.absrel, result.edge_wrong, result.edge_f) == (0, 0, 1)
    assert result.seconds_per_mp == pytest.approx(0.12 / 4800 * 1e6)


def test_an_edge_three_pixels_off_is_wrong_over_three_pixels():
    result = score(step(43), step(40), 0.0)

    assert result.edge_wrong == pytest.approx(3 / 12)  # five pixels to both sides of the two at the edge
    assert result.edge_absrel == pytest.approx(0.5 * 3 / 12)
    assert result.edge_f == 0


def test_edges_are_steps_between_known_depths():
    depth = step(40)
    depth[:, 40:42] = 0

    assert edges(step(40))[:, 39:41].all()
    assert edges(step(40)).sum() == 120
    assert not edges(depth).any()


def test_averaged_maps_hang_between_surfaces_and_sharp_ones_do_not():
    photo = np.zeros((60, 80, 3), np.uint8)

    sharp, averaged = (shrunk(photo, step(42), 16, averaged=averaged) for averaged in (False, True))

    assert set(np.unique(sharp)) == {2, 4}
    np.testing.assert_allclose(averaged[:, 8], (2 * 2 + 3 * 4) / 5)
    np.testing.assert_array_equal(nearest(photo, sharp), step(40))


def test_only_narrow_gaps_within_a_surface_are_filled():
    depth = step(40)
    depth[:, 10] = 0
    depth[:, 20:26] = 0
    depth[:, 40] = 0

    filled = without_gaps(depth)

    np.testing.assert_allclose(filled[:, 10], 2)
    assert not filled[:, 22:24].any()
    assert not filled[:, 40].any()
