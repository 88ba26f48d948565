"""Intervals cover what they promise; tests equal their enumeration."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.stats import binom, bootstrap

from robustrank import stats
from robustrank.types import Estimate


@pytest.mark.parametrize("n", [15, 40])
def test_the_interval_of_a_mean_covers_the_truth_about_as_often_as_it_says(n: int) -> None:
    rng = np.random.default_rng(1)
    repeats = 300
    hits = sum(e.low <= 0.4 <= e.high for e in (stats.mean(rng.beta(2, 3, n), seed=i) for i in range(repeats)))
    # The bootstrap is known to fall a little short on small samples: 0.91 is allowed, far less is not.
    assert hits >= binom.ppf(0.001, repeats, 0.91)


def test_the_interval_of_a_mean_is_scipys_bca() -> None:
    data = np.random.default_rng(3).exponential(size=30)
    ours = stats.mean(data)
    theirs = bootstrap((data,), np.mean, n_resamples=20000, method="BCa", rng=1).confidence_interval
    assert ours.low == pytest.approx(theirs.low, abs=0.03)
    assert ours.high == pytest.approx(theirs.high, abs=0.03)


def test_one_query_says_nothing_of_the_spread() -> None:
    assert stats.mean([0.4], bounds=(0, 1)) == Estimate(0.4, 0, 1, 1)


def test_equal_values_have_an_interval_of_width_zero_and_no_warning() -> None:
    assert stats.mean([0.5] * 8)[:3] == (0.5, 0.5, 0.5)


def test_cases_of_one_query_count_as_one_unit() -> None:
    alone = stats.mean([0.0, 1.0, 0.5, 0.25])
    repeated = stats.mean([0.0, 1.0, 0.5, 0.25] * 3, clusters=["a", "b", "c", "d"] * 3)
    assert repeated == pytest.approx(alone)


def test_shares_have_the_exact_binomial_interval() -> None:
    nothing = stats.share([False] * 20)
    assert nothing.value == nothing.low == 0
    assert nothing.high == pytest.approx(1 - 0.025 ** (1 / 20))  # closed form: 0.1684
    assert stats.share([True] * 20).low == pytest.approx(0.025 ** (1 / 20))


def test_clustered_shares_are_no_surer_than_their_queries() -> None:
    flags = [True, False, True, True, False, False, True, False]
    names = [f"q{i}" for i in range(len(flags))]
    alone = stats.share(flags)
    copies = stats.share(flags * 5, clusters=names * 5)
    assert copies.n == alone.n == 8
    assert copies.high - copies.low >= 0.95 * (alone.high - alone.low)
    assert stats.share([False] * 40, clusters=names * 5) == stats.share([False] * 8)


def test_the_worst_decile_is_the_mean_of_the_lowest_tenth() -> None:
    assert stats.worst_decile([i / 20 for i in range(20)]).value == pytest.approx(0.025)
    assert stats.worst_decile([0.3]).value == 0.3


def test_the_permutation_test_equals_full_enumeration() -> None:
    a, b = [0.5, 0.7, 0.2, 0.9, 0.4, 0.8, 0.6, 0.3], [0.4, 0.5, 0.3, 0.6, 0.4, 0.5, 0.7, 0.1]
    differences = np.subtract(a, b)
    sums = [abs(np.dot(signs, differences)) for signs in product([1, -1], repeat=8)]
    expected = np.mean(np.array(sums) >= abs(differences.sum()) - 1e-12)
    assert stats.paired(a, b)[1] == pytest.approx(expected)


def test_a_sampled_permutation_test_never_says_zero() -> None:
    assert 0 < stats.paired([1.0] * 60, [0.0] * 60)[1] < 0.001


def test_no_difference_has_p_one() -> None:
    assert stats.paired([0.3, 0.4], [0.3, 0.4])[1] == 1


def test_holm_by_hand() -> None:
    assert stats.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert stats.holm([]) == []


def test_the_baseline_shifts_by_exactly_nothing_against_itself() -> None:
    home, away = [0.5, 0.6, 0.9, 0.4], [0.2, 0.1, 0.4]
    change, relative, against = stats.shift(home, away, home, away)
    assert change.value == pytest.approx(sum(away) / 3 - 0.6)
    assert relative is not None
    assert relative.value == pytest.approx((sum(away) / 3) / 0.6 - 1)
    assert against is not None
    assert against[:3] == (0, 0, 0)


def test_a_shift_from_nothing_has_no_ratio() -> None:
    assert stats.shift([0.0, 0.0, 0.1], [0.5, 0.5])[1:] == (None, None)


def test_queries_needed_follow_the_square_root() -> None:
    estimate = Estimate(0.1, 0.0, 0.3, 20)
    assert stats.needed(estimate, 0.2, "high") == 80  # half the width needs four times the queries
    assert stats.needed(estimate, 0.1, "high") is None
    assert stats.needed(Estimate(0.5, 0.3, 0.7, 10), 0.4, "low") == 40
