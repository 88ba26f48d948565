"""Intervals cover what they promise; tests equal their enumeration."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import TypeAlias

import numpy as np
import pytest
from scipy.stats import binom, bootstrap, expon

from robustrank.core.types import Estimate
from robustrank.stats import intervals as stats

Draw: TypeAlias = Callable[[np.random.Generator, int], list[float]]

POPULATIONS: dict[str, tuple[Draw, float]] = {
    "spread": (lambda rng, n: list(rng.beta(2, 3, n)), 0.4),
    "mostly nothing": (lambda rng, n: list(rng.beta(5, 2, n) * (rng.random(n) < 0.3)), 0.3 * 5 / 7),
    "mostly perfect": (lambda rng, n: list(np.where(rng.random(n) < 0.1, rng.beta(2, 2, n), 1.0)), 0.95),
}


def covered(intervals: list[Estimate], truth: float) -> bool:
    """Whether so many misses are no surprise (one in a thousand) for intervals that miss one time in twenty."""
    hits = sum(e.low <= truth <= e.high for e in intervals)
    return bool(hits >= binom.ppf(0.001, len(intervals), 0.95))


@pytest.mark.parametrize("population", sorted(POPULATIONS))
@pytest.mark.parametrize("n", [8, 15, 40])
def test_the_interval_of_a_mean_covers_the_truth_as_often_as_it_says(population: str, n: int) -> None:
    draw, truth = POPULATIONS[population]
    rng = np.random.default_rng(1)
    assert covered([stats.mean(draw(rng, n), bounds=(0, 1), seed=i) for i in range(300)], truth)


def test_the_interval_of_a_mean_is_not_wider_than_it_must_be() -> None:
    draw, truth = POPULATIONS["spread"]
    rng = np.random.default_rng(2)
    found = [stats.mean(draw(rng, 60), seed=i) for i in range(400)]
    misses = sum(not e.low <= truth <= e.high for e in found)
    assert binom.cdf(misses, 400, 0.05) > 0.001


def test_the_interval_of_a_mean_is_scipys_bca_where_queries_are_many() -> None:
    data = list(expon.rvs(size=400, random_state=3))
    ours = stats.mean(data)
    theirs = bootstrap((data,), np.mean, n_resamples=20000, method="BCa", rng=1).confidence_interval
    width = theirs.high - theirs.low
    assert ours.low == pytest.approx(theirs.low, abs=0.05 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.05 * width)


def test_one_query_says_nothing_of_the_spread() -> None:
    assert stats.mean([0.4], bounds=(0, 1)) == Estimate(0.4, 0, 1, 1)
    assert stats.mean([0.25, 0.75], clusters=["q", "q"], bounds=(0, 1)) == Estimate(0.5, 0, 1, 1)


def test_queries_that_all_agree_leave_room_for_those_not_seen() -> None:
    perfect = stats.mean([1.0] * 20, bounds=(0, 1))
    assert perfect.high == perfect.value == 1
    assert perfect.low == pytest.approx(stats.share([True] * 20).low)
    assert stats.mean([0.5] * 20, bounds=(0, 1)).high == pytest.approx(0.5 + 0.5 * 0.1684, abs=1e-4)
    assert stats.mean([60.0] * 20)[:3] == (60, 60, 60)  # no bounds, no telling


def test_cases_of_one_query_count_as_one_unit() -> None:
    alone = stats.mean([0.0, 1.0, 0.5, 0.25])
    repeated = stats.mean([0.0, 1.0, 0.5, 0.25] * 3, clusters=["a", "b", "c", "d"] * 3)
    assert repeated == pytest.approx(alone)


def test_nothing_cannot_be_averaged() -> None:
    with pytest.raises(ValueError, match="no values"):
        stats.mean([])
    with pytest.raises(ValueError, match="1 clusters for 2 values"):
        stats.mean([0.1, 0.2], clusters=["q"])


def test_shares_have_the_exact_binomial_interval() -> None:
    nothing = stats.share([False] * 20)
    assert nothing.value == nothing.low == 0
    assert nothing.high == pytest.approx(1 - 0.025 ** (1 / 20))  # closed form: 0.1684
    assert nothing.high == pytest.approx(0.1684, abs=5e-5)
    assert stats.share([True] * 20).low == pytest.approx(0.025 ** (1 / 20))
    some = stats.share([True] * 3 + [False] * 7)
    assert binom.sf(2, 10, some.low) == pytest.approx(0.025)
    assert binom.cdf(3, 10, some.high) == pytest.approx(0.025)


def test_clustered_shares_are_no_surer_than_their_queries() -> None:
    flags = [True, False, True, True, False, False, True, False]
    names = [f"q{i}" for i in range(len(flags))]
    alone = stats.share(flags)
    copies = stats.share(flags * 5, clusters=names * 5)
    assert copies.n == alone.n == 8
    assert copies.high - copies.low >= alone.high - alone.low
    assert stats.share([False] * 40, clusters=names * 5) == stats.share([False] * 8)
    assert stats.share(flags, clusters=names) == alone


def test_clustered_shares_cover_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(4)
    names = [f"q{i // 3}" for i in range(60)]
    found = []
    for _ in range(300):
        easy = rng.beta(0.4, 1.6, 20).repeat(3)  # queries differ a lot; their mean is 0.2
        found.append(stats.share(list(rng.random(60) < easy), clusters=names))
    assert covered(found, 0.2)


def test_the_worst_decile_is_the_mean_of_the_lowest_tenth() -> None:
    assert stats.worst_decile([i / 20 for i in range(20)]).value == pytest.approx(0.025)
    assert stats.worst_decile([0.3]).value == 0.3


@pytest.mark.parametrize("n", [5, 20, 60])
def test_the_interval_of_the_worst_decile_covers_the_truth_as_often_as_it_says(n: int) -> None:
    rng = np.random.default_rng(5)
    truth = np.sort(rng.beta(2, 3, 400_000))[:40_000].mean()
    assert covered([stats.worst_decile(list(rng.beta(2, 3, n)), seed=i) for i in range(150)], truth)


def test_few_queries_do_not_bound_the_worst_decile_from_below() -> None:
    assert stats.worst_decile([0.9] * 5).low == 0
    assert stats.worst_decile([0.9] * 2000).low > 0.85


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


def test_the_baseline_shifts_by_exactly_nothing_against_itself() -> None:
    home, away = [0.5, 0.6, 0.9, 0.4], [0.2, 0.1, 0.4]
    change, relative, against = stats.shift(home, away, home, away)
    assert change.value == pytest.approx(sum(away) / 3 - 0.6)
    assert relative is not None
    assert relative.value == pytest.approx((sum(away) / 3) / 0.6 - 1)
    assert against is not None
    assert against == (0, 0, 0, 3, 0.95)
    constant = stats.shift([1.0] * 5, [1.0] * 5, [1.0] * 5, [1.0] * 5)[2]
    assert constant is not None
    assert constant[:3] == (0, 0, 0)


def test_a_share_of_a_mean_that_may_be_nothing_is_not_told() -> None:
    home = [0.0] * 6 + [1.0] * 4  # six of a thousand resamples have a mean of 0
    change, relative, against = stats.shift(home, [0.5] * 10, home, [0.5] * 10)
    assert change.value == pytest.approx(0.1)
    assert (relative, against) == (None, None)


def test_a_ranker_that_is_everywhere_half_its_baseline_shifts_like_it() -> None:
    home, away = [0.5, 0.6, 0.9, 0.4], [0.2, 0.1, 0.4]
    against = stats.shift([x / 2 for x in home], [x / 2 for x in away], home, away)[2]
    assert against is not None
    assert against[:3] == pytest.approx((0, 0, 0), abs=1e-12)


def test_a_shift_from_nothing_has_no_ratio() -> None:
    assert stats.shift([0.0, 0.0, 0.1], [0.5, 0.5])[1:] == (None, None)
    assert stats.shift([0.5, 0.4, 0.6], [0.5, 0.5], [0.0, 0.0, 0.1], [0.5, 0.5])[2] is None


def test_a_few_queries_that_all_agree_do_not_prove_a_shift() -> None:
    change, _, _ = stats.shift([0.9, 0.8, 1.0, 0.7] * 20, [1.0] * 3)
    assert change.value > 0
    assert change.low < -0.3


def test_the_intervals_of_a_shift_cover_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(6)
    found = [stats.shift(list(rng.beta(3, 2, 40)), list(rng.beta(2, 3, 12)), seed=i) for i in range(200)]
    assert covered([change for change, _, _ in found], -0.2)
    assert covered([relative for _, relative, _ in found if relative is not None], -1 / 3)


def test_queries_needed_follow_the_square_root() -> None:
    estimate = Estimate(0.1, 0.0, 0.3, 20)
    assert stats.needed(estimate, 0.2, "high") == 80  # half the width needs four times the queries
    assert stats.needed(estimate, 0.5, "high") == 20  # it clears the limit already
    assert stats.needed(estimate, 0.1, "high") is None
    assert stats.needed(Estimate(0.5, 0.3, 0.7, 10), 0.4, "low") == 40


def test_the_same_seed_gives_the_same_figures() -> None:
    data = [0.1, 0.5, 0.9, 0.4, 0.7]
    assert stats.mean(data, seed=3) == stats.mean(data, seed=3) != stats.mean(data, seed=4)
