"""Tests equal their enumeration, and corrections are those of hand."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.stats import t
from statsmodels.stats.power import TTestPower

from robustrank.core.types import Estimate
from robustrank.stats import comparisons as stats
from robustrank.stats.intervals import mean


def test_the_permutation_test_equals_full_enumeration() -> None:
    a, b = [0.5, 0.7, 0.2, 0.9, 0.4, 0.8, 0.6, 0.3], [0.4, 0.5, 0.3, 0.6, 0.4, 0.5, 0.7, 0.1]
    differences = np.subtract(a, b)
    sums = [abs(np.dot(signs, differences)) for signs in product([1, -1], repeat=8)]
    difference, p = stats.paired(a, b)
    assert difference.value == pytest.approx(differences.mean())
    assert p == pytest.approx(np.mean(np.array(sums) >= abs(differences.sum()) - 1e-12))


def test_a_sampled_permutation_test_agrees_with_full_enumeration() -> None:
    differences = np.random.default_rng(7).normal(0.3, 1, 14)
    assert len(differences) > stats.EXACT
    signs = np.array(list(product([1, -1], repeat=14)))
    exact = float(np.mean(np.abs(signs @ differences) >= abs(differences.sum()) - 1e-12))
    assert stats.paired(list(differences), [0.0] * 14)[1] == pytest.approx(exact, abs=0.02)


def test_cases_without_a_difference_change_no_p_value() -> None:
    assert stats.paired([0.5, 0.4] + [0.3] * 40, [0.1, 0.2] + [0.3] * 40)[1] == 0.5


def test_a_sampled_permutation_test_never_says_zero() -> None:
    assert stats.paired([1.0] * 60, [0.0] * 60)[1] == pytest.approx(1 / 10_001)


def test_no_difference_has_p_one_and_room_for_one_that_was_not_seen() -> None:
    difference, p = stats.paired([0.3, 0.4], [0.3, 0.4])
    assert p == 1
    assert difference.low < difference.value == 0 < difference.high


def test_a_permutation_test_flips_whole_queries() -> None:
    queries = ["q"] * 10 + ["r"] * 10
    assert stats.paired([1.0] * 20, [0.0] * 20, clusters=queries)[1] == 0.5  # two queries: ++ and -- of four


def test_holm_by_hand() -> None:
    assert stats.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert stats.holm([]) == []


def test_benjamini_and_hochberg_by_hand() -> None:
    assert stats.benjamini_hochberg([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.04, 0.04])
    assert stats.benjamini_hochberg([]) == []


def test_welch_is_one_sided_and_says_nothing_of_values_that_do_not_vary() -> None:
    low, high = [0.1, 0.2, 0.15, 0.3], [0.5, 0.9, 0.7]
    p = stats.welch_lower(low, high)
    other = stats.welch_lower(high, low)
    assert p is not None
    assert other is not None
    assert p < 0.02
    assert p + other == pytest.approx(1)
    pooled = (np.var(low, ddof=1) / 4 + np.var(high, ddof=1) / 3) ** 0.5
    df = pooled**4 / ((np.var(low, ddof=1) / 4) ** 2 / 3 + (np.var(high, ddof=1) / 3) ** 2 / 2)
    assert p == pytest.approx(float(t.cdf((np.mean(low) - np.mean(high)) / pooled, df)))
    assert stats.welch_lower([0.1, 0.1], high) is None
    assert stats.welch_lower(low, [1.0, 1.0]) is None


def test_what_n_queries_can_show_is_that_of_the_t_test() -> None:
    shown = stats.expected_detectable(50, 0.3)
    assert TTestPower().power(shown / 0.3, 50, 0.05) == pytest.approx(0.8, abs=1e-3)
    assert TTestPower().power(stats.expected_detectable(50, 0.3, power=0.6, alpha=0.1) / 0.3, 50, 0.1) == pytest.approx(
        0.6
    )
    # and the same from an interval of the same width
    half = 0.3 / 50**0.5 * float(t.ppf(0.975, 49))
    assert stats.standard_error(Estimate(0, -half, half, 50)) == pytest.approx(0.3 / 50**0.5)
    assert stats.detectable(Estimate(0, -half, half, 50)) == pytest.approx(shown, rel=0.01)
    assert stats.detectable(Estimate(0.2, 0.2 - half, 0.2 + half, 50), power=0.6) < stats.detectable(
        Estimate(0, -half, half, 50)
    )


def test_signs_are_drawn_in_blocks_and_by_seed() -> None:
    sums = np.random.default_rng(8).normal(0.2, 1, 40)
    assert stats.sign_flips(sums) == stats.sign_flips(sums, seed=0) != stats.sign_flips(sums, seed=1)
    signs = 1.0 - 2 * np.random.default_rng(3).integers(0, 2, size=(stats.PERMUTATIONS, 40), dtype=np.int8)
    as_large = (np.abs(signs @ sums) >= abs(sums.sum()) * (1 - 1e-9)).sum()
    assert stats.sign_flips(sums, seed=3) == pytest.approx((1 + as_large) / 10_001)
    assert list(stats._blocks(10, 1_000_000)) == [4, 4, 2]
    assert list(stats._blocks(3, 0)) == [3]
    assert list(stats._blocks(2, 10**9)) == [1, 1]


def test_ties_in_the_sum_count_as_large_as_what_was_observed() -> None:
    # 0.1 + 0.2 is not 0.3 in floating point; its mirror images are ties all the same.
    assert stats.sign_flips(np.array([0.1, 0.2, -0.3])) == 1.0
    assert stats.sign_flips(np.array([1.0, 1.0, 1.0])) == 0.25
    assert stats.sign_flips(np.array([])) == 1.0


def test_a_paired_difference_has_the_interval_of_its_mean() -> None:
    a, b = [0.9, 0.4, 0.7, 0.8, 0.2], [0.5, 0.5, 0.2, 0.6, 0.1]
    less = [x - y for x, y in zip(a, b, strict=True)]
    assert stats.paired(a, b, seed=2)[0] == mean(less, bounds=(-1, 1), seed=2)
    assert stats.paired(a, b, bounds=(-3, 3))[0] == mean(less, bounds=(-3, 3))
    grouped = stats.paired(a, b, clusters=["p", "p", "q", "q", "r"])
    assert grouped[0] == mean(less, bounds=(-1, 1), clusters=["p", "p", "q", "q", "r"])
    assert grouped[1] == stats.sign_flips(np.array([less[0] + less[1], less[2] + less[3], less[4]]))
    with pytest.raises(ValueError, match="shorter"):
        stats.paired(a, b[:4])


def test_the_detectable_difference_is_two_quantiles_of_t_times_the_standard_error() -> None:
    estimate = Estimate(0.1, -0.1, 0.3, 12)
    error = 0.4 / (2 * t.ppf(0.975, 11))
    assert stats.detectable(estimate) == pytest.approx(error * (t.ppf(0.975, 11) + t.ppf(0.8, 11)))
    narrow = Estimate(0.1, -0.1, 0.3, 12, 0.8)
    error = 0.4 / (2 * t.ppf(0.9, 11))
    assert stats.standard_error(narrow) == pytest.approx(error)
    assert stats.detectable(narrow, power=0.7) == pytest.approx(error * (t.ppf(0.9, 11) + t.ppf(0.7, 11)))


def test_welch_takes_the_two_variances_apart() -> None:
    low, high = [0.1, 0.2, 0.15, 0.3, 0.2, 0.25, 0.22], [0.5, 0.9]
    p = stats.welch_lower(low, high)
    variances = np.var(low, ddof=1) / 7, np.var(high, ddof=1) / 2
    df = sum(variances) ** 2 / (variances[0] ** 2 / 6 + variances[1] ** 2 / 1)
    assert p == pytest.approx(float(t.cdf((np.mean(low) - np.mean(high)) / sum(variances) ** 0.5, df)))


def test_signs_are_enumerated_up_to_twelve_differing_queries() -> None:
    rng = np.random.default_rng(9)
    twelve = rng.normal(0.3, 1, 12)
    signs = np.array(list(product([1, -1], repeat=12)))
    exact = float(np.mean(np.abs(signs @ twelve) >= abs(twelve.sum()) - 1e-12))
    padded = np.r_[twelve, np.zeros(3)]
    assert stats.sign_flips(padded, seed=0) == stats.sign_flips(padded, seed=1) == pytest.approx(exact)
    thirteen = np.r_[twelve, 0.4]
    assert stats.sign_flips(thirteen, seed=0) != stats.sign_flips(thirteen, seed=1)


def test_sampled_signs_count_ties_and_the_seed_of_a_paired_test_is_that_of_its_signs() -> None:
    # 20 equal differences: as large as observed are all + and all -, at about 2 of a million.
    assert stats.sign_flips(np.full(20, 0.1)) == pytest.approx(1 / 10_001)
    # Of 0.1 and twenty times 1e-12, every pattern is a tie within rounding.
    assert stats.sign_flips(np.r_[0.1, np.full(20, 1e-13)]) == 1.0
    a = np.random.default_rng(4).normal(0.2, 1, 30)
    for seed in (0, 3):
        assert stats.paired(list(a), [0.0] * 30, bounds=(-9, 9), seed=seed)[1] == stats.sign_flips(a, seed=seed)
    assert stats.paired(list(a), [0.0] * 30, bounds=(-9, 9))[1] == stats.sign_flips(a, seed=0)
    assert sum(stats._blocks(10_000, 3000)) == 10_000
    assert max(stats._blocks(10_000, 3000)) == 4_000_000 // 3000


def test_signs_of_all_blocks_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stats, "SIGNS_AT_ONCE", 20 * 4000)
    sums = np.random.default_rng(6).normal(0.3, 1, 20)
    rng, as_large = np.random.default_rng(2), 0
    for rows in (4000, 4000, 2000):
        signs = 1.0 - 2 * rng.integers(0, 2, size=(rows, 20), dtype=np.int8)
        as_large += int((np.abs(signs @ sums) >= abs(sums.sum()) * (1 - 1e-9)).sum())
    assert stats.sign_flips(sums, seed=2) == pytest.approx((1 + as_large) / 10_001)


def test_the_seed_of_a_paired_test_is_that_of_its_interval() -> None:
    a = [-1.0, 1.0, *np.random.default_rng(7).uniform(-1, 1, 20)]
    found = [stats.paired(a, [0.0] * 22, seed=seed)[0] for seed in (0, 1)]
    assert found[0] != found[1]
    assert found == [mean(a, bounds=(-1, 1), seed=seed) for seed in (0, 1)]
    assert stats.paired(a, [0.0] * 22)[0] == found[0]
