"""Intervals cover what they promise; tests equal their enumeration."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pytest
from scipy.stats import binom, bootstrap, expon, t

from robustrank.core.types import Estimate
from robustrank.stats import intervals as stats
from robustrank.stats.contrasts import contrast
from robustrank.stats.resampling import NOT_NEGATIVE, UNBOUNDED, exponentials

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


@pytest.mark.parametrize(("n", "wider"), [(20, 1.3), (60, 1.25), (300, 1.1)])
def test_the_interval_of_values_that_spread_is_little_wider_than_students(n: int, wider: float) -> None:
    values = np.random.default_rng(2).beta(2, 3, n)
    told = stats.mean(list(values), bounds=(0, 1))
    students = 2 * t.ppf(0.975, n - 1) * values.std(ddof=1) / n**0.5
    assert students < told.high - told.low < wider * students


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
    assert (copies.low, copies.high) == pytest.approx((alone.low, alone.high), abs=6e-3)
    assert stats.share([False] * 40, clusters=names * 5) == pytest.approx(stats.share([False] * 8), abs=8e-3)
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


def test_the_same_seed_gives_the_same_figures() -> None:
    data = [0.1, 0.5, 0.9, 0.4, 0.7]
    assert stats.mean(data, bounds=(0, 1), seed=3) == stats.mean(data, bounds=(0, 1), seed=3)
    assert stats.mean(data, bounds=(0, 1), seed=3) != stats.mean(data, bounds=(0, 1), seed=4)


def test_the_central_part_of_draws_leaves_a_fortieth_on_either_side() -> None:
    assert stats.central(np.linspace(0, 1, 4001)) == pytest.approx((0.025, 0.975))


def test_the_lowest_decile_without_bounds_may_lie_as_far_beyond_as_the_values_span() -> None:
    values = [3.0, 5.0, 9.0, 4.0]
    assert stats.lowest_decile(values, bounds=UNBOUNDED) == stats.lowest_decile(values, bounds=(-3, 15))
    with pytest.raises(ValueError, match=r"^no values to estimate from$"):
        stats.lowest_decile([], bounds=(0, 1))


def test_totals_are_sums_and_counts_of_queries_by_name() -> None:
    sums, counts = stats.totals([1.0, 2.0, 4.0], ["b", "a", "b"])
    assert (sums.tolist(), counts.tolist()) == ([2.0, 5.0], [1.0, 2.0])
    sums, counts = stats.totals([1, 2, 4], None)
    assert (sums.tolist(), counts.tolist()) == ([1, 2, 4], [1, 1, 1])
    assert [sums.dtype.name, counts.dtype.name] == ["float64", "float64"]
    assert {part.dtype for part in stats.totals([1, 2], ["a", "b"])} == {np.dtype(np.float64)}
    with pytest.raises(ValueError, match=r"^1 clusters for 2 values$"):
        stats.totals([0.1, 0.2], ["q"])


def test_the_interval_of_a_mean_is_that_of_the_bootstrap_where_queries_are_many() -> None:
    data = list(expon.rvs(size=400, random_state=3))
    ours = stats.mean(data, bounds=(0, max(data)))
    theirs = bootstrap((data,), np.mean, n_resamples=20000, method="BCa", rng=1).confidence_interval
    width = theirs.high - theirs.low
    assert ours.low == pytest.approx(theirs.low, abs=0.1 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.1 * width)


@pytest.mark.parametrize(("successes", "n"), [(0, 20), (20, 20), (3, 10), (1, 1), (7, 60)])
def test_the_interval_of_a_mean_of_successes_is_clopper_and_pearsons(successes: int, n: int) -> None:
    flags = [True] * successes + [False] * (n - successes)
    assert stats.mean([float(f) for f in flags], bounds=(0, 1)) == pytest.approx(stats.share(flags), abs=4e-3)


def test_one_value_is_bounded_as_markov_would() -> None:
    low, high = stats.mean([0.4], bounds=(0, 1))[1:3]
    assert (low, high) == pytest.approx((0.4 * 0.025, 1 - 0.6 * 0.025), abs=2e-3)


@pytest.mark.parametrize("last", [1.0, 0.9999, 0.999, 0.99, 0.9])
def test_values_that_nearly_agree_leave_as_much_room_as_values_that_do(last: float) -> None:
    told = stats.mean([1.0] * 19 + [last], bounds=(0, 1))
    assert told.low == pytest.approx(stats.share([True] * 20).low, abs=6e-3)
    assert told.low < told.high


def test_two_queries_pass_no_gate() -> None:
    assert stats.mean([0.99, 1.0], bounds=(0, 1)).low < 0.17
    assert stats.mean([0.5] * 20, bounds=(0, 1)).high == pytest.approx(0.5 + 0.5 * 0.1684, abs=3e-3)
    assert stats.mean([0.0] * 20, bounds=NOT_NEGATIVE).high == pytest.approx(0.1684, abs=3e-3)


def test_no_end_lies_beyond_the_bounds() -> None:
    for values in ([1.0] * 7, [0.0] * 7, [1.0, 0.0, 1.0]):
        assert 0 <= stats.mean(values, bounds=(0, 1)).low <= stats.mean(values, bounds=(0, 1)).high <= 1


def test_the_lowest_decile_is_weighted_with_a_query_at_the_bound() -> None:
    values = sorted([0.9, 0.2, 0.4, 0.35, 0.8, 0.7, 0.1, 0.6, 0.5, 0.3, 0.45])
    lows: list[float] = []
    highs: list[float] = []
    for column in exponentials(5, 0, 1, stats.DECILE_DRAWS)[:12].T:
        weights = column / column.sum()
        for ends, points in ((lows, [0.0, *values]), (highs, [*values, 1.0])):
            left, mean = 0.1, 0.0
            for weight, point in zip(weights, points, strict=True):
                taken = min(weight, left)
                left, mean = left - taken, mean + taken * point / 0.1
            ends.append(mean)
    expected = ((0.1 + 0.2) / 2, sorted(lows)[124], sorted(highs)[-125], 11, 0.95)
    assert stats.lowest_decile(values, bounds=(0, 1), seed=5) == pytest.approx(expected)


def test_a_query_that_was_not_drawn_may_have_as_many_cases_as_any() -> None:
    values, clusters = [0.2, 0.4, 0.9, 0.5, 0.1, 0.3], ["a", "a", "b", "c", "c", "c"]
    rows = [[0.6, 2.0], [0.9, 1.0], [0.9, 3.0]]
    expected = contrast([rows], lambda m: m[:, 0] / m[:, 1], unseen=[[(-3.0, 3.0), (9.0, 3.0)]], seed=4)
    assert expected is not None
    assert stats.mean_and_p(values, clusters=clusters, bounds=(-1, 3), seed=4) == expected
    assert stats.mean(values, clusters=clusters, bounds=(-1, 3)) == stats.mean(
        values, clusters=clusters, bounds=(-1, 3), seed=0
    )


def test_a_share_of_cases_has_the_interval_of_their_mean_over_queries() -> None:
    flags, clusters = [True, True, False, True, False, False], ["a", "a", "b", "c", "c", "c"]
    assert stats.share(flags, clusters=clusters) == stats.mean([1, 1, 0, 1, 0, 0], clusters=clusters, bounds=(0, 1))


@pytest.mark.parametrize("clusters", [None, [f"q{n // 3}" for n in range(30)]])
def test_several_means_at_once_are_those_one_by_one(clusters: list[str] | None) -> None:
    rng = np.random.default_rng(5)
    values, flags = list(rng.random(30)), list(rng.random(30) < 0.3)
    together = stats.means(
        {"mean": (values, (0.0, 1.0)), "share": ([float(flag) for flag in flags], None)}, clusters=clusters
    )
    alone = {
        "mean": stats.mean(values, bounds=(0, 1), clusters=clusters),
        "share": stats.share(flags, clusters=clusters),
    }
    for name, estimate in alone.items():
        ends = (together[name].value, together[name].low, together[name].high)
        assert ends == pytest.approx((estimate.value, estimate.low, estimate.high), abs=1e-12)
        assert together[name].n == estimate.n
