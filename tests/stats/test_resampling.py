"""The bootstrap's parts by their closed forms."""

from __future__ import annotations

from math import inf, sqrt

import numpy as np
import pytest
from scipy.stats import norm, t

from robustrank.stats import resampling as stats
from robustrank.stats.resampling import Floats


@pytest.mark.parametrize("n", [2, 3, 10, 200])
def test_tails_are_students_t_times_what_a_bootstraps_standard_error_is_too_small_by(n: int) -> None:
    wide = t.ppf(0.975, n - 1) * sqrt(n / (n - 1))
    assert stats.deviates(n) == pytest.approx([-wide, wide])
    assert stats.deviates(n, 0.2) == pytest.approx([s * t.ppf(0.8, n - 1) * sqrt(n / (n - 1)) for s in (-1, 1)])
    assert stats.tail_probabilities(n) == pytest.approx((norm.cdf(-wide), norm.cdf(wide)))
    assert stats.spread_factor(n) ** 2 == pytest.approx(n / (n - 1))


def test_one_query_has_no_tails() -> None:
    assert stats.spread_factor(1) == inf
    assert stats.tail_probabilities(1) == (0.0, 1.0)
    assert stats.tail_probabilities(1, 0.3, 0.1) == (0.0, 1.0)
    assert stats.p_value(0.001, 1) == 1.0
    assert stats.p_value(0.1, 2) < 1.0


def test_bias_and_acceleration_move_the_tails_as_efron_wrote_it() -> None:
    bias, acceleration, n = 0.2, 0.05, 12
    wide = t.ppf(0.975, n - 1) * sqrt(n / (n - 1))
    expected = [norm.cdf(bias + (bias + z) / (1 - acceleration * (bias + z))) for z in (-wide, wide)]
    assert stats.tail_probabilities(n, bias, acceleration) == pytest.approx(expected)
    # Beyond the pole of the correction the end is the last resample.
    assert stats.tail_probabilities(n, 0.0, 1.0)[1] == 1.0


@pytest.mark.parametrize(("bias", "acceleration"), [(0.0, 0.0), (0.3, 0.04), (-0.2, -0.08)])
@pytest.mark.parametrize("below", [0.02, 0.3, 0.5, 0.9])
def test_p_is_the_level_whose_interval_ends_at_the_point(below: float, bias: float, acceleration: float) -> None:
    n = 15
    p = stats.p_value(below, n, bias, acceleration)
    ends = []
    for z in stats.deviates(n, p / 2):
        ends.append(norm.cdf(bias + (bias + z) / (1 - acceleration * (bias + z))))
    assert min(abs(end - below) for end in ends) < 1e-9


def test_p_is_never_zero() -> None:
    assert stats.p_value(1e-300, 500) == 1 / 10_001
    assert stats.p_value(1 - 1e-16, 500, 0.0, -0.5) == 1 / 10_001


def test_resamples_on_a_point_count_half() -> None:
    drawn = np.array([-1.0, 0.0, 0.0, 2.0, 3.0])
    assert stats.share_below(drawn, 0.0) == pytest.approx(2 / 5)
    assert stats.smoothed_share_below(drawn, 0.0) == pytest.approx((2 + 0.5) / 6)
    assert stats.smoothed_share_below(drawn, -5.0) == pytest.approx(0.5 / 6)
    assert stats.smoothed_share_below(drawn, 5.0) == pytest.approx(5.5 / 6)


def test_resampled_means_are_means_of_queries_drawn_with_replacement() -> None:
    group = np.random.default_rng(1).random((7, 3))
    rows = np.random.default_rng((4, 2, 0)).integers(0, 7, size=(stats.RESAMPLES, 7))
    assert stats.resampled_means(group, (4, 2)) == pytest.approx(group[rows].mean(axis=1))


def test_many_queries_are_drawn_in_blocks_of_their_own() -> None:
    n = 300
    means = stats.resampled_means(np.arange(n, dtype=float)[:, None], (0, 0))[:, 0]
    assert len(means) == stats.RESAMPLES == 10_000
    assert len(np.unique(means)) > 5000  # no block is the copy of another
    step = stats.BLOCK // n
    rows = np.random.default_rng((0, 0, step)).integers(0, n, size=(step, n))
    assert means[step : 2 * step] == pytest.approx(rows.mean(axis=1))


def test_infinite_bounds_get_the_values_own_size() -> None:
    agreeing, spread = np.array([60.0, 60.0]), np.array([1.0, 5.0])
    assert stats.finite((0, 1), np.array([0.2])) == (0, 1)
    assert stats.finite(stats.UNBOUNDED, agreeing) == (0, 120)
    assert stats.finite(stats.NOT_NEGATIVE, agreeing) == (0, 120)
    assert stats.finite(stats.UNBOUNDED, np.zeros(3)) == (-1, 1)
    assert stats.finite(stats.UNBOUNDED, spread) == (0, 6)
    assert stats.finite(stats.UNBOUNDED, spread, beyond=4.0) == (-3, 9)
    assert stats.finite(stats.UNBOUNDED, np.array([-8.0, -7.0])) == (-15, 0)


def test_a_sample_misses_the_share_that_clopper_and_pearson_allow_for() -> None:
    levels = np.array([0.025, 0.5])
    assert stats.missed_share(20, levels) == pytest.approx([1 - 0.025**0.05, 1 - 0.5**0.05])
    assert stats.missed_share(2, levels) == pytest.approx([1 - 0.025**0.5, 1 - 0.5**0.5])
    assert stats.missed_share(1, levels).tolist() == [1.0, 1.0]


def mean_of(means: Floats) -> Floats:
    first: Floats = means[:, 0]
    return first


def test_influence_on_a_mean_is_the_distance_to_it_and_the_guard_fades_with_the_range_covered() -> None:
    group = np.array([[0.2], [0.4], [0.6]])
    found = stats.influence([group], 0, mean_of, np.array([[0.0], [1.0]]))
    assert found.rows == pytest.approx([-0.2, 0.0, 0.2])
    assert found.fade == pytest.approx(1 - 0.4)
    equal = stats.influence([np.full((3, 1), 0.5)], 0, mean_of, np.array([[0.0], [1.0]]))
    assert equal.fade == 1.0
    outside = stats.influence([group * 5], 0, mean_of, np.array([[0.0], [1.0]]))
    assert outside.fade == 0.0


def test_influence_is_that_of_the_group_asked_about() -> None:
    groups = [np.array([[0.0], [1.0]]), np.array([[0.25], [0.75]])]
    unseen = np.array([[0.0], [1.0]])

    def gap(a: Floats, b: Floats) -> Floats:
        less: Floats = a[:, 0] - 2 * b[:, 0]
        return less

    assert stats.influence(groups, 0, gap, unseen).rows == pytest.approx([-0.5, 0.5])
    second = stats.influence(groups, 1, gap, unseen)
    assert second.rows == pytest.approx([0.5, -0.5])
    assert second.fade == pytest.approx(0.5)


def test_a_guard_without_finite_extremes_counts_in_full() -> None:
    def ratio(means: Floats) -> Floats:
        with np.errstate(all="ignore"):
            found: Floats = means[:, 1] / means[:, 0]
        return found

    group = np.array([[0.5, 0.2], [0.5, 0.6]])
    found = stats.influence([group], 0, ratio, np.array([[np.nan, 0.0], [1.0, 1.0]]))
    assert found.fade == 1.0


def test_the_guards_draws_hold_every_level_at_every_extreme() -> None:
    drawn = stats.guard(np.array([0.5]), 10, np.array([[0.0], [1.0]]), 1.0)[:, 0]
    assert len(drawn) == 10_000
    for level in (0.025, 0.1, 0.4):
        missed = 1 - level ** (1 / 10)
        assert (drawn < 0.5 - 0.5 * missed).mean() == pytest.approx(level, abs=1e-4)
        assert (drawn > 0.5 + 0.5 * missed).mean() == pytest.approx(level, abs=1e-4)
    half = stats.guard(np.array([0.5]), 10, np.array([[0.0], [1.0]]), 0.5)[:, 0]
    assert half - 0.5 == pytest.approx((drawn - 0.5) / 2)


def test_the_guard_moves_all_columns_together() -> None:
    unseen = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    drawn = stats.guard(np.array([0.5, 0.5]), 4, unseen, 1.0)
    assert drawn.shape == (9999, 2)
    assert drawn[::3].sum(axis=1) == pytest.approx(1.0)
    assert (drawn[::3, 0] < 0.5).all()
    assert (drawn[2::3] > 0.5).all()


def test_defaults_are_no_correction_and_no_room() -> None:
    assert stats.deviates(1).tolist() == [-inf, inf]
    assert stats.p_value(0.3, 15) == stats.p_value(0.3, 15, 0.0, 0.0)
    assert stats.tail_probabilities(15) == stats.tail_probabilities(15, 0.0, 0.0)
    assert stats.finite(stats.UNBOUNDED, np.array([-5.0, 5.0])) == (-5.0, 5.0)


def test_queries_that_make_a_statistic_infinite_need_no_guard() -> None:
    def steep(means: Floats) -> Floats:
        return np.where(means[:, 0] > 0.4, inf, means[:, 0])

    # The mean is 0.4 and the nudge towards 0.8 goes beyond it.
    found = stats.influence([np.array([[0.0], [0.8]])], 0, steep, np.array([[0.0], [0.4]]))
    assert found.rows.tolist() == [pytest.approx(-0.4), inf]
    assert found.fade == 0.0
