"""Weights, ends and p values by their closed forms."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
from scipy.stats import beta, kstest

from robustrank.stats import resampling as stats


def test_weights_are_equally_likely_sets_that_add_up_to_one() -> None:
    group = np.eye(5)
    drawn = stats.weighted(group, seed=0, place=0)
    plain, further = drawn.means(), drawn.means(np.zeros(5))
    assert plain.shape == (stats.DRAWS, 5)
    assert plain.sum(axis=1) == pytest.approx(1)
    # Of n such weights each is Beta(1, n - 1).
    assert kstest(plain[:, 2], beta(1, 4).cdf).pvalue > 1e-3
    assert kstest(further[:, 2], beta(1, 5).cdf).pvalue > 1e-3
    assert kstest(1 - further.sum(axis=1), beta(1, 5).cdf).pvalue > 1e-3


def test_means_are_weighted_sums_over_all_chunks_of_queries() -> None:
    n = stats.CHUNK + 7
    group = np.random.default_rng(1).random((n, 3))
    drawn = stats.weighted(group, seed=4, place=2, draws=50)
    parts = [stats.exponentials(4, 2, chunk, 50) for chunk in (1, 2)]
    weights = np.concatenate(parts)[:n]
    spare = stats.exponentials(4, 2, 0, 50)
    assert drawn.means() == pytest.approx(((weights / weights.sum(axis=0)).T) @ group)
    row = np.array([9.0, -1.0, 0.5])
    both = np.concatenate([weights, spare])
    assert drawn.means(row) == pytest.approx(((both / both.sum(axis=0)).T) @ np.vstack([group, row]))


def test_groups_seeds_and_chunks_have_weights_of_their_own() -> None:
    drawn = [stats.exponentials(*key, 100)[0] for key in ((0, 0, 1), (1, 0, 1), (0, 1, 1), (0, 0, 2), (0, 0, 0))]
    assert len({tuple(each) for each in drawn}) == 5
    assert (stats.exponentials(0, 0, 1, 100)[0] == drawn[0]).all()


@pytest.mark.parametrize("draws", [999, 1000, 5000, 20_000])
def test_an_end_excludes_a_point_exactly_where_p_is_below_the_level(draws: int) -> None:
    drawn = np.random.default_rng(draws).permutation(draws).astype(float)
    low, high = stats.lower_end(drawn), stats.upper_end(drawn)
    for point in (low - 1, low - 0.5, low, low + 0.5, low + 1):
        assert (2 * stats.one_sided(drawn, point) < 0.05) == (low > point)
    for point in (high - 1, high - 0.5, high, high + 0.5, high + 1):
        assert (2 * stats.one_sided(-drawn, -point) < 0.05) == (high < point)
    assert low == pytest.approx(0.025 * draws, abs=2)
    assert high == pytest.approx(0.975 * draws, abs=2)


def test_p_counts_the_data_as_one_more_resample_and_is_never_zero() -> None:
    drawn = np.array([-1.0, 0.0, 0.0, 2.0, 3.0])
    assert stats.one_sided(drawn, 0.0) == 4 / 6
    assert stats.one_sided(drawn, -5.0) == 1 / 6
    assert stats.one_sided(drawn, 5.0) == 1.0


def test_infinite_bounds_lie_as_far_beyond_the_values_as_they_span_or_are_large() -> None:
    assert stats.finite((0, inf), np.array([2.0, 10.0])) == (0, 18)
    assert stats.finite((-inf, inf), np.array([5.0, 6.0])) == (0, 11)
    assert stats.finite((-inf, inf), np.array([0.1, 0.1])) == pytest.approx((-0.9, 1.1))
    assert stats.finite((0, 1), np.array([0.3])) == (0, 1)


def test_bounds_that_a_value_lies_outside_of_are_moved_out_to_it() -> None:
    assert stats.finite((0, 1), np.array([-0.05, 1.5])) == (-0.05, 1.5)


@pytest.mark.parametrize("n", [1, 5, 93])
def test_the_missed_share_is_clopper_and_pearsons_bound_for_none_of_n(n: int) -> None:
    assert stats.missed_share(n) == pytest.approx(beta.ppf(0.975, 1, n))
