"""Intervals cover what they promise; tests equal their enumeration."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pytest
from scipy.stats import beta, binom, bootstrap, expon, t

from robustrank.core.types import Estimate
from robustrank.stats import intervals as stats
from robustrank.stats.contrasts import contrast
from robustrank.stats.resampling import NOT_NEGATIVE, UNBOUNDED

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


@pytest.mark.statistical
@pytest.mark.parametrize("population", sorted(POPULATIONS))
@pytest.mark.parametrize("n", [8, 15, 40])
def test_the_interval_of_a_mean_covers_the_truth_as_often_as_it_says(population: str, n: int) -> None:
    draw, truth = POPULATIONS[population]
    rng = np.random.default_rng(1)
    assert covered([stats.mean(draw(rng, n), bounds=(0, 1), seed=i) for i in range(300)], truth)


@pytest.mark.statistical
def test_the_interval_of_a_mean_is_not_wider_than_it_must_be() -> None:
    draw, truth = POPULATIONS["spread"]
    rng = np.random.default_rng(2)
    found = [stats.mean(draw(rng, 60), bounds=(0, 1), seed=i) for i in range(400)]
    misses = sum(not e.low <= truth <= e.high for e in found)
    assert binom.cdf(misses, 400, 0.05) > 0.001


def test_the_interval_of_a_mean_is_scipys_bca_where_queries_are_many() -> None:
    data = list(expon.rvs(size=400, random_state=3))
    ours = stats.mean(data, bounds=UNBOUNDED)
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
    endless = stats.mean([60.0] * 20, bounds=NOT_NEGATIVE)
    assert endless.low == pytest.approx(60 - 60 * 0.1684, abs=0.01)
    assert endless.high == pytest.approx(60 + 60 * 0.1684, abs=0.01)
    nothing = stats.mean([0.0] * 20, bounds=NOT_NEGATIVE)
    assert nothing.low == nothing.value == 0
    assert nothing.high == pytest.approx(0.1684, abs=1e-4)


def test_cases_of_one_query_count_as_one_unit() -> None:
    alone = stats.mean([0.0, 1.0, 0.5, 0.25], bounds=(0, 1))
    repeated = stats.mean([0.0, 1.0, 0.5, 0.25] * 3, clusters=["a", "b", "c", "d"] * 3, bounds=(0, 1))
    assert repeated == pytest.approx(alone)


def test_nothing_cannot_be_averaged() -> None:
    with pytest.raises(ValueError, match="no values"):
        stats.mean([], bounds=(0, 1))
    with pytest.raises(ValueError, match="1 clusters for 2 values"):
        stats.mean([0.1, 0.2], clusters=["q"], bounds=(0, 1))


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


@pytest.mark.statistical
def test_clustered_shares_cover_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(4)
    names = [f"q{i // 3}" for i in range(60)]
    found = []
    for _ in range(300):
        easy = rng.beta(0.4, 1.6, 20).repeat(3)  # queries differ a lot; their mean is 0.2
        found.append(stats.share(list(rng.random(60) < easy), clusters=names))
    assert covered(found, 0.2)


def test_the_lowest_decile_is_the_mean_of_the_lowest_tenth() -> None:
    assert stats.lowest_decile([i / 20 for i in range(20)], bounds=(0, 1)).value == pytest.approx(0.025)
    assert stats.lowest_decile([0.3], bounds=(0, 1)).value == 0.3


@pytest.mark.statistical
@pytest.mark.parametrize("n", [5, 20, 60])
def test_the_interval_of_the_lowest_decile_covers_the_truth_as_often_as_it_says(n: int) -> None:
    rng = np.random.default_rng(5)
    truth = np.sort(rng.beta(2, 3, 400_000))[:40_000].mean()
    assert covered([stats.lowest_decile(list(rng.beta(2, 3, n)), bounds=(0, 1), seed=i) for i in range(150)], truth)


def test_few_queries_do_not_bound_the_lowest_decile_from_below() -> None:
    assert stats.lowest_decile([0.9] * 5, bounds=(0, 1)).low == 0
    assert stats.lowest_decile([0.9] * 2000, bounds=(0, 1)).low > 0.85


def test_queries_needed_follow_the_square_root() -> None:
    estimate = Estimate(0.1, 0.0, 0.3, 20)
    assert stats.needed(estimate, 0.2, "high") == 80  # half the width needs four times the queries
    assert stats.needed(estimate, 0.5, "high") == 20  # it clears the limit already
    assert stats.needed(estimate, 0.1, "high") is None
    assert stats.needed(Estimate(0.5, 0.3, 0.7, 10), 0.4, "low") == 40


def test_the_same_seed_gives_the_same_figures() -> None:
    data = [0.1, 0.5, 0.9, 0.4, 0.7]
    assert stats.mean(data, bounds=(0, 1), seed=3) == stats.mean(data, bounds=(0, 1), seed=3)
    assert stats.mean(data, bounds=(0, 1), seed=3) != stats.mean(data, bounds=(0, 1), seed=4)


def test_the_interval_of_a_clustered_share_is_that_of_the_effective_number_of_cases() -> None:
    clusters = ["a", "a", "b", "b", "c", "c"]
    found = stats.share([True, True, False, False, True, False], clusters=clusters)
    design = 3 / 2 * 2 / 36 * 6 / 0.25  # variance over queries by that of independent cases: 2
    cases = 6 / design * (t.ppf(0.975, 5) / t.ppf(0.975, 2)) ** 2
    assert found == pytest.approx(
        (0.5, beta.ppf(0.025, cases / 2, cases / 2 + 1), beta.ppf(0.975, cases / 2 + 1, cases / 2), 3, 0.95)
    )
    # Queries that differ less than independent cases would: no more cases than there are.
    even = stats.share([True, False] * 3, clusters=clusters)
    cases = 6 * (t.ppf(0.975, 5) / t.ppf(0.975, 2)) ** 2
    assert even.low == pytest.approx(beta.ppf(0.025, cases / 2, cases / 2 + 1))
    assert stats.share([True] * 6, clusters=clusters) == stats.share([True] * 3)
    assert stats.share([True, False], clusters=["a", "a"])[:2] == pytest.approx((0.5, beta.ppf(0.025, 0.5, 1.5)))


def test_the_central_part_of_draws_leaves_a_fortieth_on_either_side() -> None:
    assert stats.central(np.linspace(0, 1, 4001)) == pytest.approx((0.025, 0.975))


def test_queries_needed_are_rounded_up_and_never_fewer_than_there_are() -> None:
    assert stats.needed(Estimate(0.0, -0.1, 0.1, 10), 0.07, "high") == 21  # 10 * (0.1 / 0.07) ** 2 = 20.4
    assert stats.needed(Estimate(0.0, -0.1, 0.1, 10), -0.07, "low") == 21
    assert stats.needed(Estimate(0.0, -0.1, 0.1, 10), 0.0, "low") is None


def lowest_decile_plainly(values: list[float], least: float, greatest: float, seed: int) -> tuple[float, float]:
    """One weighting after another: the mean of the tenth of the weight that lies lowest."""
    data, rng = sorted(values), np.random.default_rng(seed)
    lows: list[float] = []
    highs: list[float] = []
    for _ in range(2000):
        weights = rng.exponential(size=len(data) + 1)
        weights /= weights.sum()
        for ends, points in ((lows, [least, *data]), (highs, [*data, greatest])):
            left, mean = 0.1, 0.0
            for weight, point in zip(weights, points, strict=True):
                taken = min(weight, left)
                left, mean = left - taken, mean + taken * point / 0.1
            ends.append(mean)
    return float(np.quantile(lows, 0.025)), float(np.quantile(highs, 0.975))


@pytest.mark.parametrize("seed", [0, 5])
def test_the_lowest_decile_has_gaffkes_interval_whatever_is_drawn_at_once(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = [0.9, 0.2, 0.4, 0.35, 0.8, 0.7, 0.1, 0.6, 0.5, 0.3, 0.45]
    expected = ((0.1 + 0.2) / 2, *lowest_decile_plainly(values, 0.0, 1.0, seed), 11, 0.95)
    assert stats.lowest_decile(values, bounds=(0, 1), seed=seed) == pytest.approx(expected)
    monkeypatch.setattr(stats, "WEIGHTS_AT_ONCE", 12 * 300)
    assert stats.lowest_decile(values, bounds=(0, 1), seed=seed) == pytest.approx(expected)
    monkeypatch.setattr(stats, "WEIGHTS_AT_ONCE", 1)
    assert stats.lowest_decile(values, bounds=(0, 1), seed=seed) == pytest.approx(expected)
    if seed == 0:
        assert stats.lowest_decile(values, bounds=(0, 1)) == pytest.approx(expected)


def test_the_lowest_decile_without_bounds_may_lie_as_far_beyond_as_the_values_span() -> None:
    values = [3.0, 5.0, 9.0, 4.0]
    ends = lowest_decile_plainly(values, 3 - 6, 9 + 6, 0)
    assert stats.lowest_decile(values, bounds=UNBOUNDED)[:3] == pytest.approx((3.0, *ends))
    with pytest.raises(ValueError, match=r"^no values to estimate from$"):
        stats.lowest_decile([], bounds=(0, 1))


def test_a_clustered_mean_is_a_ratio_of_means_over_queries_whose_missed_ones_have_the_usual_number_of_cases() -> None:
    values, clusters = [0.2, 0.4, 0.9, 0.5, 0.1, 0.3], ["a", "a", "b", "c", "c", "c"]
    rows = [[0.6, 2.0], [0.9, 1.0], [0.9, 3.0]]
    expected = contrast([rows], lambda m: m[:, 0] / m[:, 1], unseen=[[(-2.0, 2.0), (6.0, 2.0)]], seed=4)
    assert expected is not None
    assert stats.mean(values, clusters=clusters, bounds=(-1, 3), seed=4) == pytest.approx(expected.estimate)
    assert stats.mean(values, clusters=clusters, bounds=(-1, 3)) == stats.mean(
        values, clusters=clusters, bounds=(-1, 3), seed=0
    )


def test_totals_are_sums_and_counts_of_queries_by_name() -> None:
    sums, counts = stats.totals([1.0, 2.0, 4.0], ["b", "a", "b"])
    assert (sums.tolist(), counts.tolist()) == ([2.0, 5.0], [1.0, 2.0])
    sums, counts = stats.totals([1, 2, 4], None)
    assert (sums.tolist(), counts.tolist()) == ([1, 2, 4], [1, 1, 1])
    assert [sums.dtype.name, counts.dtype.name] == ["float64", "float64"]
    assert {part.dtype for part in stats.totals([1, 2], ["a", "b"])} == {np.dtype(np.float64)}
    with pytest.raises(ValueError, match=r"^1 clusters for 2 values$"):
        stats.totals([0.1, 0.2], ["q"])


def test_queries_needed_follow_the_side_of_the_interval_that_meets_the_limit() -> None:
    skewed = Estimate(0.5, 0.4, 0.9, 10)
    assert stats.needed(skewed, 0.7, "high") == 40
    assert stats.needed(skewed, 0.45, "low") == 40
    assert stats.needed(skewed, 0.3, "low") == 10
    assert stats.needed(skewed, 0.6, "low") is None
    assert stats.needed(skewed, 0.5, "low") is None
    # 1e-9 forgives rounding alone: 16 times the queries, not 17.
    assert stats.needed(Estimate(0.3, 0.2, 0.4, 1), 0.325, "high") == 16


def test_clustered_shares_of_all_or_nothing_count_each_query_once_also_of_unequal_sizes() -> None:
    clusters = ["a", "a", "b", "c", "c", "c"]
    assert stats.share([True] * 6, clusters=clusters) == stats.share([True] * 3)
    assert stats.share([False] * 6, clusters=clusters) == stats.share([False] * 3)
    flags = [True, True, False, True, False, False]
    # Sums less value times count: 2 - 1, 0 - 1/2, 1 - 3/2.
    design = max(1.0, 3 / 2 * (1 + 0.25 + 0.25) / 36 * 6 / 0.25)
    cases = 6 / design * (t.ppf(0.975, 5) / t.ppf(0.975, 2)) ** 2
    assert stats.share(flags, clusters=clusters) == pytest.approx(
        (0.5, beta.ppf(0.025, cases / 2, cases / 2 + 1), beta.ppf(0.975, cases / 2 + 1, cases / 2), 3, 0.95)
    )


def test_two_clusters_have_a_design_effect_too() -> None:
    found = stats.share([True, False, True, True], clusters=["a", "a", "b", "b"])
    variance = 2 * (0.5**2 + 0.5**2) / 16  # sums less value times count: 1 - 3/2 and 2 - 3/2
    cases = 4 / max(1.0, variance * 4 / (0.75 * 0.25)) * (t.ppf(0.975, 3) / t.ppf(0.975, 1)) ** 2
    ends = beta.ppf(0.025, 0.75 * cases, 0.25 * cases + 1), beta.ppf(0.975, 0.75 * cases + 1, 0.25 * cases)
    assert found == pytest.approx((0.75, *ends, 2, 0.95))
