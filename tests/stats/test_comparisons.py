"""Paired differences, and corrections that are those of hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t, ttest_ind
from statsmodels.stats.multitest import multipletests

from robustrank.stats import comparisons as stats
from robustrank.stats import intervals


def test_a_paired_difference_is_the_mean_of_differences_with_its_own_interval_and_p() -> None:
    a, b = [0.9, 0.4, 0.7, 0.8, 0.2], [0.5, 0.5, 0.2, 0.6, 0.1]
    less = [x - y for x, y in zip(a, b, strict=True)]
    assert stats.paired(a, b, seed=2) == intervals.mean_and_p(less, bounds=(-1, 1), seed=2)
    assert stats.paired(a, b) == stats.paired(a, b, seed=0) != stats.paired(a, b, seed=2)
    assert stats.paired(a, b, bounds=(-3, 3)).estimate == intervals.mean(less, bounds=(-3, 3))
    clusters = ["p", "p", "q", "q", "r"]
    assert stats.paired(a, b, clusters=clusters) == intervals.mean_and_p(less, bounds=(-1, 1), clusters=clusters)
    with pytest.raises(ValueError, match="shorter"):
        stats.paired(a, b[:4])


@pytest.mark.parametrize("n", [4, 5, 6, 8])
def test_differences_that_are_as_large_as_can_be_have_the_p_of_their_signs(n: int) -> None:
    # The query that was not drawn has half of the weight or more with probability 2 ** -n.
    assert stats.paired([1.0] * n, [0.0] * n).p == pytest.approx(2 * 0.5**n, rel=0.2)


def test_p_is_never_zero() -> None:
    assert stats.paired([1.0] * 300, [0.0] * 300).p == 2 / 20_001


def test_no_difference_has_p_one_and_room_for_one_that_was_not_drawn() -> None:
    difference, p, _ = stats.paired([0.3, 0.4], [0.3, 0.4])
    assert p == 1
    assert difference.low < difference.value == 0 < difference.high


def test_cases_of_one_query_are_no_more_than_one_query() -> None:
    queries = ["q"] * 10 + ["r"] * 10
    assert stats.paired([1.0] * 20, [0.0] * 20, clusters=queries).p == pytest.approx(0.5, rel=0.02)


def test_interval_and_p_never_contradict_each_other_on_any_data() -> None:
    rng = np.random.default_rng(3)
    decided = 0
    for n in (2, 5, 12, 40, 93):
        for shift in np.linspace(-0.5, 0.5, 21):
            values = np.where(rng.random(n) < 0.4, 0, np.clip(rng.normal(shift, 0.2, n), -1, 1))
            difference, p, _ = stats.paired(list(values), [0.0] * n)
            assert (p < 0.05) == (difference.low > 0 or difference.high < 0)
            decided += p < 0.05
    assert decided > 20


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
    assert stats.welch_lower([0.1, 0.1], high) is None
    assert stats.welch_lower(low, [1.0, 1.0]) is None


def test_welch_takes_the_two_variances_apart() -> None:
    low, high = [0.1, 0.2, 0.15, 0.3, 0.2, 0.25, 0.22], [0.5, 0.9]
    p = stats.welch_lower(low, high)
    variances = np.var(low, ddof=1) / 7, np.var(high, ddof=1) / 2
    df = sum(variances) ** 2 / (variances[0] ** 2 / 6 + variances[1] ** 2 / 1)
    assert p == pytest.approx(float(t.cdf((np.mean(low) - np.mean(high)) / sum(variances) ** 0.5, df)))


def test_welch_is_that_of_scipy() -> None:
    rng = np.random.default_rng(5)
    for _ in range(50):
        low, high = rng.random(rng.integers(2, 40)), rng.random(rng.integers(2, 40)) * 3
        theirs = ttest_ind(low, high, equal_var=False, alternative="less").pvalue
        assert stats.welch_lower(list(low), list(high)) == pytest.approx(theirs, rel=1e-10)


def test_corrections_are_those_of_statsmodels() -> None:
    rng = np.random.default_rng(3)
    for size in range(1, 9):
        ps = list(np.round(rng.random(size) ** 2, 1 + size % 3))  # with ties
        assert stats.holm(ps) == pytest.approx(multipletests(ps, method="holm")[1])
        assert stats.benjamini_hochberg(ps) == pytest.approx(multipletests(ps, method="fdr_bh")[1])
    assert stats.holm([]) == stats.benjamini_hochberg([]) == []
