"""What a number of queries can show: by simulation of the intervals themselves, and at the ends by closed forms."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from scipy.stats import exponnorm, norm

from robustrank.core.types import Estimate
from robustrank.stats import planning as stats
from robustrank.stats.comparisons import paired
from robustrank.stats.intervals import mean, share
from robustrank.stats.resampling import missed_share


@pytest.mark.parametrize("n", [20, 80, 300])
@pytest.mark.parametrize("deviation", [0.02, 0.2, 0.4])
def test_the_width_to_be_expected_is_that_of_an_interval_of_such_values(n: int, deviation: float) -> None:
    values = 0.5 + deviation * np.resize([-1.0, 1.0], n)
    told = mean(list(values), bounds=(0, 1))
    assert stats.half_width(n, deviation, 0.5) == pytest.approx(told.high - told.value, rel=0.06 if n > 20 else 0.13)


def test_values_that_do_not_vary_leave_what_was_not_drawn_and_values_at_the_bound_leave_their_spread() -> None:
    assert stats.half_width(40, 0.0, 0.3) == pytest.approx(0.3 * missed_share(40))
    assert stats.half_width(100, 0.5, 0.0) == pytest.approx(1.96 * 0.05, rel=1e-3)


@pytest.mark.statistical
@pytest.mark.parametrize("side", ["high", "low"])
def test_the_queries_that_are_said_to_decide_do_in_four_audits_of_five(side: str) -> None:
    rng = np.random.default_rng(5)
    values = rng.beta(2, 3, 40)
    told = mean(list(values), bounds=(0, 1))
    limit = told.value + (0.05 if side == "high" else -0.05)
    n = stats.needed(told, limit, "high" if side == "high" else "low", (0, 1))
    assert n is not None
    larger = [mean(list(values[rng.integers(0, 40, n)]), bounds=(0, 1)) for _ in range(300)]
    decided = np.mean([each.high <= limit if side == "high" else each.low >= limit for each in larger])
    assert 0.72 < decided < 0.9


def test_successes_none_of_which_was_seen_need_as_many_as_exclude_the_limit() -> None:
    n = stats.needed(share([False] * 15), 0.05, "high", (0, 1))
    assert n is not None
    assert share([False] * n).high <= 0.05 < share([False] * (n - 1)).high


def test_the_side_of_the_limit_decides_and_no_number_helps_an_estimate_beyond_it() -> None:
    skewed = Estimate(0.5, 0.4, 0.9, 10)
    up, down = stats.needed(skewed, 0.6, "high", (0, 1)), stats.needed(skewed, 0.4, "low", (0, 1))
    assert up is not None
    assert down is not None
    # The wider end says how much queries vary, for either side.
    assert up > 100
    assert down > 100
    assert stats.needed(skewed, 0.5, "high", (0, 1)) is None
    assert stats.needed(skewed, 0.6, "low", (0, 1)) is None
    assert stats.needed(Estimate(0.5, 0.3, 0.7, 10), 0.9, "high", (0, 1)) == 10
    assert stats.needed(skewed, 0.5 + 1e-9, "high", (0, 1)) is None  # more than anybody has


def test_the_detectable_difference_is_the_width_and_what_four_of_five_need_beyond_it() -> None:
    rng = np.random.default_rng(6)
    against = paired(list(rng.normal(0, 0.2, 60)), [0.0] * 60)
    half = max(against.estimate.high - against.estimate.value, against.estimate.value - against.estimate.low)
    assert stats.detectable(against) == pytest.approx(half + 0.8416 * against.error, rel=1e-3)
    assert stats.detectable(against, power=0.5) == pytest.approx(half)
    assert stats.detectable(against, power=0.5, among=10) == pytest.approx(half * 2.807 / 1.96, rel=1e-3)
    assert stats.expected_detectable(60, 0.2) == pytest.approx(stats.detectable(against), rel=0.15)
    assert stats.expected_detectable(240, 0.2) < 0.5 * stats.expected_detectable(60, 0.2)


@pytest.mark.parametrize("rate", [0.01, 0.5, 3.0, 20.0, 33.0, 60.0, 1e5])
@pytest.mark.parametrize("x", [0.0, 0.7, 1.96, 4.0])
def test_the_sum_of_a_normal_and_an_exponential_number_has_scipys_tail(x: float, rate: float) -> None:
    expected = exponnorm.sf(x, 1 / rate) if rate < 1e4 else norm.sf(x)
    assert stats._beyond(x, rate) == pytest.approx(expected, rel=2e-3)


@pytest.mark.statistical
@pytest.mark.parametrize("side", ["high", "low"])
def test_an_audit_that_goes_on_to_more_queries_keeps_its_bound_within_the_foreseen_one(side: str) -> None:
    rng = np.random.default_rng(11)
    end: Literal["high", "low"] = "high" if side == "high" else "low"
    kept = []
    for _ in range(150):
        values = list(rng.beta(2, 3, 60))
        foreseen = stats.foreseen(mean(values[:20], bounds=(0, 1)), 60, end, (0, 1))
        now = getattr(mean(values, bounds=(0, 1)), side)
        kept.append(now <= foreseen if side == "high" else now >= foreseen)
    assert np.mean(kept) > 0.9
    first = mean([0.2, 0.5, 0.9, 0.4], bounds=(0, 1))
    assert stats.foreseen(first, 4, end, (0, 1)) == pytest.approx(getattr(first, side), abs=0.05)
    assert (
        0
        <= stats.foreseen(first, 8, "low", (0, 1))
        <= first.low
        < first.high
        <= stats.foreseen(first, 8, "high", (0, 1))
        <= 1
    )
