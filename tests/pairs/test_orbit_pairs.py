import numpy as np

from pointmap.pairs import connected_parts
from pointmap.pairs.orbit import is_closed, orbit_order, orbit_pairs


def ring(count: int, turn_deg: float = 360.0, seed: int = 0) -> np.ndarray:
    """Similarities of photos at equal steps, which share less the further they are turned; and a little noise."""
    angles = np.arange(count) * (turn_deg / count)
    apart = np.abs(angles[:, None] - angles)
    apart = np.minimum(apart, 360 - apart)
    noise = np.random.default_rng(seed).uniform(0, 0.02, (count, count))
    return np.exp(-((apart / 35) ** 2)) + noise + noise.T


def test_a_ring_in_order_stays_in_order():
    assert orbit_order(ring(17)) == list(range(17))


def test_a_shuffled_ring_is_put_in_order():
    shuffled = np.random.default_rng(1).permutation(18)
    similarity = ring(18)[np.ix_(shuffled, shuffled)]

    order = shuffled[orbit_order(similarity)]

    steps = np.diff(np.append(order, order[0])) % 18
    assert set(steps) in ({1}, {17})


def test_the_first_and_the_last_photo_of_a_whole_turn_meet():
    pairs = orbit_pairs(ring(20))

    assert is_closed(orbit_order(ring(20)), ring(20))
    assert {(0, 19), (0, 18), (1, 19)} <= set(pairs)


def test_opposite_sides_that_look_somewhat_alike_do_not_meet():
    similarity = ring(16)
    similarity[0, 8] = similarity[8, 0] = 0.4

    pairs = orbit_pairs(similarity)

    assert (0, 8) not in pairs
    assert all(min(j - i, 16 - j + i) <= 2 for i, j in pairs)


def test_no_pair_leads_across_the_gap_of_an_open_orbit():
    similarity = ring(12, turn_deg=150)
    order = orbit_order(similarity)

    pairs = orbit_pairs(similarity)

    assert not is_closed(order, similarity)
    assert (0, 11) not in pairs
    assert len(connected_parts(12, pairs)) == 1


def test_two_rings_at_different_heights_are_tied_together():
    one = ring(12)
    across = 0.9 * one
    similarity = np.block([[one, across], [across.T, one]])

    pairs = orbit_pairs(similarity)

    assert len(connected_parts(24, pairs)) == 1
    assert sum((i < 12) != (j < 12) for i, j in pairs) >= 12


def test_few_photos_all_meet():
    assert len(orbit_pairs(ring(5))) == 10
