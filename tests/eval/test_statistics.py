import math

import numpy as np
import pytest
from scipy import stats

from pointmap.errors import InputError
from pointmap.eval.statistics import bootstrap, compare


def scores(values) -> dict[str, float]:
    return {f"scene{index}": float(value) for index, value in enumerate(values)}


def test_the_mean_is_the_mean_and_its_interval_that_of_scipy():
    values = np.random.default_rng(3).gamma(2.0, 1.0, size=25)

    found = bootstrap(list(values))

    known = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=20_000, random_state=1)
    assert found.value == pytest.approx(values.mean())
    assert found.count == 25
    assert (found.low, found.high) == pytest.approx(tuple(known.confidence_interval), abs=0.03)


def test_a_median_ignores_one_scene_that_went_wrong():
    values = [1.0, 2.0, 3.0, 4.0, math.inf]

    found = bootstrap(values, statistic="median")

    assert found.value == 3
    assert 1 <= found.low <= 3
    assert bootstrap(values).value == math.inf


def test_the_interval_of_a_median_is_that_of_scipy():
    values = np.random.default_rng(5).normal(size=31)

    found = bootstrap(list(values), statistic="median")

    known = stats.bootstrap((values,), np.median, method="percentile", n_resamples=20_000, random_state=1)
    assert (found.low, found.high) == pytest.approx(tuple(known.confidence_interval), abs=0.1)


def test_a_weighted_mean_is_a_mean_over_all_pixels():
    found = bootstrap([1.0, 4.0, 7.0], [3.0, 1.0, 0.0], statistic="weighted")

    assert found.value == pytest.approx(7 / 4)
    assert (found.low, found.high, found.count) == (1.0, 4.0, 2)  # the scene without pixels takes no part


def test_scenes_without_a_figure_are_left_out():
    assert bootstrap([2.0, math.nan, 4.0]).value == 3
    assert bootstrap([2.0, math.nan, 4.0]).count == 2


def test_one_scene_has_no_spread_and_no_scene_no_figure():
    one, none = bootstrap([0.25]), bootstrap([math.nan])

    assert (one.value, one.low, one.high, one.count) == (0.25, 0.25, 0.25, 1)
    assert none.count == 0
    assert np.isnan([none.value, none.low, none.high]).all()


def test_the_interval_covers_the_true_mean_as_often_as_it_says():
    random = np.random.default_rng(0)
    found = [bootstrap(list(random.normal(size=40)), level=0.8, resamples=400, seed=n) for n in range(300)]

    assert np.mean([interval.low <= 0 <= interval.high for interval in found]) == pytest.approx(0.8, abs=0.08)


def test_the_same_seed_gives_the_same_interval():
    values = list(np.random.default_rng(1).normal(size=1800))  # more than fits into one chunk

    assert bootstrap(values, seed=4) == bootstrap(values, seed=4)
    assert bootstrap(values, seed=4) != bootstrap(values, seed=5)


def test_wrong_arguments_are_named():
    with pytest.raises(InputError, match="mode"):
        bootstrap([1.0], statistic="mode")
    with pytest.raises(InputError, match="as many weights"):
        bootstrap([1.0, 2.0], [1.0], statistic="weighted")
    with pytest.raises(InputError, match="none"):
        bootstrap([1.0], statistic="weighted")
    with pytest.raises(InputError, match="higher"):
        compare({"a": 1.0}, {"a": 1.0}, better="more")


@pytest.mark.parametrize("count", [3, 9, 16])
def test_the_p_value_is_the_exact_one_of_scipy(count):
    random = np.random.default_rng(count)
    first, second = random.normal(size=count), random.normal(0.4, size=count)

    found = compare(scores(first), scores(second), better="lower")

    known = stats.permutation_test(
        (second - first,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    assert found.p_value == pytest.approx(known.pvalue)
    assert found.difference.value == pytest.approx((second - first).mean())


def test_many_scenes_are_compared_by_random_flips():
    random = np.random.default_rng(2)
    first = random.normal(size=60)
    second = first + random.normal(0.25, 1.0, size=60)

    found = compare(scores(first), scores(second), better="higher")

    assert found.p_value == pytest.approx(stats.ttest_rel(first, second).pvalue, abs=0.02)


def test_three_scenes_that_all_improve_prove_little():
    found = compare(scores([3, 3, 3]), scores([1, 2, 1]), better="lower")

    assert found.p_value == 2 / 8  # by hand: all better, or all worse, of eight assignments
    assert (found.better, found.worse, found.equal) == (3, 0, 0)


def test_what_is_better_depends_on_the_metric():
    first, second = scores([0.5, 0.5, 0.5, 0.5]), scores([0.7, 0.6, 0.4, 0.5])

    higher, lower = compare(first, second, better="higher"), compare(first, second, better="lower")

    assert (higher.better, higher.worse, higher.equal) == (2, 1, 1)
    assert (lower.better, lower.worse, lower.equal) == (1, 2, 1)
    assert higher.p_value == lower.p_value


def test_only_scenes_that_both_have_are_compared():
    found = compare({"a": 1.0, "b": 2.0, "c": math.nan}, {"b": 3.0, "a": 2.5, "c": 1.0, "d": 9.0}, better="lower")

    assert found.difference.count == 2
    assert found.difference.value == pytest.approx((1.5 + 1.0) / 2)


def test_two_runs_of_one_result_do_not_differ():
    values = scores([0.1, 0.2, math.inf])

    found = compare(values, dict(values), better="lower")

    assert (found.p_value, found.difference.value, found.equal) == (1.0, 0.0, 3)


def test_a_scene_that_is_infinitely_wrong_counts_as_worse():
    found = compare(scores([1, 2]), scores([math.inf, 2]), better="lower")

    assert found.difference.value == math.inf
    assert (found.better, found.worse, found.equal) == (0, 1, 1)
    assert found.p_value == 1.0  # of one scene that differs


def test_runs_that_share_no_scene_are_refused():
    with pytest.raises(InputError, match=r"the first has a, the second b"):
        compare({"a": 1.0}, {"b": 1.0}, better="lower")
