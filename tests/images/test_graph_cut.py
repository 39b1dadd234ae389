import numpy as np

from pointmap.images.graph_cut import cut


def disc(height: int, width: int, radius: float) -> np.ndarray:
    v, u = np.mgrid[:height, :width]
    return (v - height / 2) ** 2 + (u - width / 2) ** 2 < radius**2


def test_wrong_evidence_inside_is_outvoted_and_the_border_follows_the_colours():
    true = disc(60, 80, 20)
    image = np.where(true[..., None], 200.0, 60.0) * np.ones(3)
    evidence = true.copy()
    evidence[28:34, 38:44] = False  # a hole that no colour supports
    evidence[5:8, 5:8] = True

    found = cut(image, np.where(evidence, 0.0, 1.0), np.where(evidence, 1.0, 0.0), smoothness=4.0)

    np.testing.assert_array_equal(found, true)


def test_without_smoothness_every_pixel_takes_the_cheaper_label():
    rng = np.random.default_rng(0)
    inside, outside = rng.uniform(0, 1, (2, 20, 30))

    found = cut(np.zeros((20, 30, 3)), inside, outside, smoothness=0.0)

    clear = np.abs(inside - outside) > 0.02
    np.testing.assert_array_equal(found[clear], (inside < outside)[clear])


def test_infinite_costs_forbid_a_label():
    inside, outside = np.full((10, 14), 0.4), np.zeros((10, 14))
    outside[4, 5] = np.inf
    inside[:, :2] = np.inf

    found = cut(np.zeros((10, 14, 3)), inside, outside, smoothness=2.0)

    assert found[4, 5]
    assert not found[:, :2].any()
