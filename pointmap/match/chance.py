"""How many wrong matches agree on some epipolar geometry by chance."""

from math import lgamma, log

from pointmap.geometry.matching import PairMatches


def chance(matches: PairMatches, max_error_px: float, *, sample: int = 5, solutions: int = 10) -> float:
    """Share of inliers that a search among so many random matches is expected to find (Moisan & Stival 2004).

    The least number of inliers of which less than one set is expected: a random match lies within the band of its
    epipolar line with a probability that depends on the image's size.

    Args:
        sample, solutions: How many matches make a geometry, and how many at most: 5 and 10 for an essential matrix, 7
            and 3 for a fundamental one.
    """
    extents = [(pixels.amax(dim=0) - pixels.amin(dim=0)).double() for pixels in (matches.pixels_i, matches.pixels_j)]
    side = min(float(extent.prod().sqrt()) for extent in extents)
    log_band = min(0.0, log(2 * max_error_px / max(side, 1e-6))) if side > 0 else 0.0
    count = len(matches.weights)
    for inliers in range(sample + 1, count):
        sets = _log_choices(count, inliers) + _log_choices(inliers, sample) + log(solutions * (count - sample))
        if sets + (inliers - sample) * log_band < 0:
            return inliers / count
    return 1.0


def _log_choices(count: int, chosen: int) -> float:
    """Logarithm of the binomial coefficient."""
    return lgamma(count + 1) - lgamma(chosen + 1) - lgamma(count - chosen + 1)
