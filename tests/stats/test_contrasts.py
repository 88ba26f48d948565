"""Contrasts: by a plain second computation, by closed forms, by coverage, and what cannot be told."""

from __future__ import annotations

from itertools import pairwise
from math import inf

import numpy as np
import pytest
from scipy.stats import binom, norm, t

from robustrank.core.types import Estimate
from robustrank.stats import contrasts, intervals, resampling
from robustrank.stats.contrasts import Contrast, change, contrast, corners
from robustrank.stats.resampling import RESAMPLES, Floats

SHARE = (0.0, 1.0)


def difference(means: Floats) -> Floats:
    less: Floats = means[:, 0] - means[:, 1]
    return less


def gap(a: Floats, b: Floats) -> Floats:
    less: Floats = a[:, 0] - b[:, 0]
    return less


def sure(found: Contrast | None) -> Contrast:
    assert found is not None
    return found


def plainly(a: list[float], b: list[float], seed: int = 0) -> tuple[float, float, float, float]:
    """Mean of a minus mean of b: value, interval and p by BCa with t tails, written out; no guard."""
    drawn = np.zeros(RESAMPLES)
    for place, (sign, group) in enumerate(((1, a), (-1, b))):
        rows = np.random.default_rng((seed, place, 0)).integers(0, len(group), size=(RESAMPLES, len(group)))
        drawn += sign * np.array(group)[rows].mean(axis=1)
    value, n = float(np.mean(a) - np.mean(b)), min(len(a), len(b))
    bias = norm.ppf(((drawn < value).sum() + (drawn == value).sum() / 2) / RESAMPLES)
    acts = np.r_[(np.array(a) - np.mean(a)) / len(a), -(np.array(b) - np.mean(b)) / len(b)]
    acceleration = (acts**3).sum() / (6 * (acts**2).sum() ** 1.5)
    root = (n / (n - 1)) ** 0.5
    ends = []
    for z in (t.ppf(0.025, n - 1) * root, t.ppf(0.975, n - 1) * root):
        ends.append(np.quantile(drawn, norm.cdf(bias + (bias + z) / (1 - acceleration * (bias + z)))))
    below = ((drawn < 0).sum() + (drawn == 0).sum() / 2 + 0.5) / (RESAMPLES + 1)
    away = norm.ppf(below) - bias
    p = 2 * t.cdf(-abs(away / (1 + acceleration * away) - bias) / root, n - 1)
    return value, float(ends[0]), float(ends[1]), float(p)


@pytest.mark.parametrize("seed", [0, 3])
def test_a_difference_of_two_groups_equals_a_plain_second_computation(seed: int) -> None:
    rng = np.random.default_rng(5)
    a, b = [0.0, 1.0, *rng.random(13)], [0.0, 1.0, *rng.random(18) ** 2]  # all of [0, 1] is covered: no guard
    groups = [[[x] for x in a], [[x] for x in b]]
    found = sure(contrast(groups, gap, unseen=[corners(SHARE)] * 2, seed=seed))
    value, low, high, p = plainly(a, b, seed)
    assert found.estimate == pytest.approx((value, low, high, 15, 0.95))
    assert found.p == pytest.approx(p)


@pytest.mark.parametrize("n", [2, 4, 20])
def test_queries_that_agree_say_what_clopper_and_pearson_say_and_p_is_that_of_their_signs(n: int) -> None:
    found = sure(contrast([[[1.0, 0.0]] * n], difference, unseen=[corners(SHARE, SHARE)]))
    missed = 1 - 0.025 ** (1 / n)
    assert found.estimate.value == pytest.approx(1)
    assert found.estimate.high == pytest.approx(1)
    assert found.estimate.low == pytest.approx(1 - 2 * missed, abs=5e-3)
    # A share of a half or more was missed with probability 2 ** -n, on either side; of many queries t is what remains.
    assert found.p == pytest.approx(max(2 * 0.5**n, 0.00123), rel=0.01)


def test_nearly_equal_queries_are_no_surer_than_equal_ones() -> None:
    def low(values: list[float]) -> float:
        return sure(contrast([[[x] for x in values]], lambda m: m[:, 0], unseen=[corners(SHARE)])).estimate.low

    lows = [low([1.0] * 19 + [last]) for last in (1.0, 0.999, 0.99, 0.9)]
    assert lows[0] == pytest.approx(intervals.share([True] * 20).low)
    assert max(lows) < 0.86
    assert all(abs(a - b) < 0.03 for a, b in pairwise(lows))
    assert low([0.99, 1.0]) < 0.17


def test_rankers_with_the_same_values_may_differ_on_queries_that_were_not_drawn() -> None:
    rows = [[x, x] for x in np.random.default_rng(0).random(20)]
    found = sure(contrast([rows], difference, unseen=[corners(SHARE, SHARE)]))
    assert found.estimate.low < found.estimate.value == 0.0 < found.estimate.high
    assert found.p == 1.0


def test_no_width_is_left_only_where_no_query_could_change_the_statistic() -> None:
    found = sure(contrast([[[0.5, 0.5]] * 4], difference, unseen=[[(0.0, 0.0), (1.0, 1.0)]]))
    assert found.estimate[:3] == (0.0, 0.0, 0.0)
    assert found.p == 1.0


def test_one_query_says_nothing() -> None:
    found = sure(contrast([[[0.3]], [[0.2]] * 9], gap, unseen=[corners(SHARE)] * 2))
    assert found.estimate.low <= -0.2
    assert found.estimate.high >= 0.8
    assert found.estimate.n == 1
    assert found.p == 1.0


def test_a_ratio_to_nothing_is_not_told() -> None:
    def ratio(means: Floats) -> Floats:
        found: Floats = means[:, 1] / means[:, 0]
        return found

    unseen = [corners(SHARE, SHARE)]
    assert contrast([[[0.0, 1.0]] * 5], ratio, unseen=unseen) is None
    rows = [[0.0, 0.5]] * 6 + [[1.0, 0.5]] * 4  # six of a thousand resamples have a mean of 0
    assert contrast([rows], ratio, unseen=unseen, undefined=0.0) is None
    assert contrast([rows], ratio, unseen=unseen) is not None
    few = [[0.0, 0.5]] * 7 + [[1.0, 0.5]] * 3  # 28 of a thousand
    assert contrast([few], ratio, unseen=unseen) is None


def test_p_and_interval_agree_about_zero() -> None:
    rng = np.random.default_rng(3)
    for shift in (0.0, 0.1, 0.2, 0.4):
        rows = np.c_[rng.normal(shift, 0.3, 25), np.zeros(25)]
        found = sure(contrast([rows.tolist()], difference, unseen=[corners((-1, 1), (0, 0))]))
        assert (found.p < 0.05) == (found.estimate.low > 0 or found.estimate.high < 0)


def test_corners_are_all_rows_of_extremes() -> None:
    assert corners((0, 1)) == [(0,), (1,)]
    assert corners((0, 1), (-1, 2)) == [(0, -1), (0, 2), (1, -1), (1, 2)]


def covered(found: list[Estimate], truth: float) -> bool:
    """Whether so many misses are no surprise (one in a thousand) for intervals that miss one time in twenty."""
    hits = sum(e.low <= truth <= e.high for e in found)
    return bool(hits >= binom.ppf(0.001, len(found), 0.95))


@pytest.mark.statistical
def test_the_intervals_of_a_change_cover_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(6)
    found = [change(list(rng.beta(3, 2, 40)), list(rng.beta(2, 3, 12)), bounds=SHARE) for _ in range(150)]
    assert covered([each.difference.estimate for each in found], -0.2)
    assert covered([sure(each.relative).estimate for each in found], -1 / 3)
    assert binom.cdf(sum(each.difference.p < 0.05 for each in found), 150, 0.3) > 0.001  # and it has power


def test_a_change_is_that_of_the_means_and_of_their_ratio() -> None:
    home, away = [0.5, 0.6, 0.9, 0.4], [0.2, 0.1, 0.4]
    found = change(home, away, [0.5] * 4, [0.4] * 3, bounds=SHARE)
    mean_away = sum(away) / 3
    assert found.difference.estimate.value == pytest.approx(mean_away - 0.6)
    assert sure(found.relative).estimate.value == pytest.approx(mean_away / 0.6 - 1)
    assert sure(found.versus_baseline).estimate.value == pytest.approx(mean_away / 0.6 - 1 - (0.4 / 0.5 - 1))
    assert found.difference.estimate.n == 3


def test_a_change_has_one_interval_with_or_without_a_baseline() -> None:
    rng = np.random.default_rng(2)
    home, away = list(rng.random(12)), list(rng.random(9))
    alone = change(home, away, bounds=SHARE)
    with_base = change(home, away, list(rng.random(12)), list(rng.random(9)), bounds=SHARE)
    assert alone[:2] == with_base[:2]
    assert alone.versus_baseline is None
    assert change(home, away, bounds=SHARE, seed=1) != alone


def test_a_baseline_changes_by_nothing_against_itself() -> None:
    home, away = [0.5, 0.6, 0.9, 0.4], [0.2, 0.1, 0.4]
    against = sure(change(home, away, home, away, bounds=SHARE).versus_baseline)
    assert against.estimate.value == 0
    assert against.p == 1
    half = change([x / 2 for x in home], [x / 2 for x in away], home, away, bounds=SHARE).versus_baseline
    assert sure(half).estimate.value == pytest.approx(0, abs=1e-12)


def test_a_share_of_a_mean_that_may_be_nothing_is_not_told() -> None:
    home = [0.0] * 6 + [1.0] * 4  # six of a thousand resamples have a mean of 0
    found = change(home, [0.5] * 10, home, [0.5] * 10, bounds=SHARE)
    assert found.difference.estimate.value == pytest.approx(0.1)
    assert found[1:] == (None, None)
    assert change([0.5, 0.4, 0.6], [0.5, 0.5], [0.0, 0.0, 0.1], [0.5, 0.5], bounds=SHARE)[2] is None


def test_a_few_queries_that_all_agree_do_not_prove_a_change() -> None:
    found = change([0.9, 0.8, 1.0, 0.7] * 20, [1.0] * 3, bounds=SHARE).difference
    assert found.estimate.value > 0
    assert found.estimate.low < -0.3
    assert found.p > 0.05


def test_measures_without_bounds_have_changes_too() -> None:
    found = change([100.0] * 6, [100.0] * 6, bounds=(0.0, float("inf")))
    assert found.difference.estimate.low < 0 < found.difference.estimate.high
    assert sure(found.relative).p == 1


def guarded(mean: float, n: int, values: list[float]) -> Floats:
    """Means with what a sample may have missed, one level after another, at 0 and at 1."""
    fade = 1 - (max(values) - min(values))
    levels = [(i + 0.5) / RESAMPLES for i in range(RESAMPLES // 2)]
    moved = []
    for level in levels:
        missed = fade * (1 - level ** (1 / n))
        moved += [mean + missed * (end - mean) for end in (0.0, 1.0)]
    drawn: Floats = np.array(moved)
    return drawn


@pytest.mark.parametrize("seed", [0, 2])
def test_the_guard_is_the_wider_interval_where_values_cover_little(seed: int) -> None:
    a, b = [0.5, 0.52, 0.55, 0.51, 0.5, 0.53], [0.4, 0.45, 0.41, 0.43, 0.46]
    found = sure(contrast([[[x] for x in a], [[x] for x in b]], gap, unseen=[corners(SHARE)] * 2, seed=seed))
    value, low, high, p = plainly(a, b, seed)
    drawn = []
    for place, group in enumerate((a, b)):
        rows = np.random.default_rng((seed, place, 0)).integers(0, len(group), size=(RESAMPLES, len(group)))
        drawn.append(np.array(group)[rows].mean(axis=1))
    lows, highs, ps = [low], [high], [p]
    for moved in (guarded(sum(a) / 6, 6, a) - drawn[1], drawn[0] - guarded(sum(b) / 5, 5, b)):
        lows.append(float(np.quantile(moved, 0.025, method="hazen")))
        highs.append(float(np.quantile(moved, 0.975, method="hazen")))
        below = ((moved < 0).sum() + (moved == 0).sum() / 2 + 0.5) / (RESAMPLES + 1)
        ps.append(2 * min(below, 1 - below))
    assert found.estimate == pytest.approx((value, min(lows), max(highs), 5, 0.95))
    assert found.p == pytest.approx(max(ps))
    assert low > min(lows)


def test_a_statistic_is_undefined_beyond_the_share_that_is_allowed() -> None:
    rows = [[0.0, 0.5]] * 6 + [[1.0, 0.5]] * 4
    weights = np.random.default_rng((0, 0, 0)).integers(0, 10, size=(RESAMPLES, 10))
    share = float((weights < 6).all(axis=1).mean())

    def ratio(means: Floats) -> Floats:
        quotient: Floats = means[:, 1] / means[:, 0]
        return quotient

    unseen = [corners(SHARE, SHARE)]
    assert contrast([rows], ratio, unseen=unseen, undefined=share + 1e-9) is not None
    assert contrast([rows], ratio, unseen=unseen, undefined=share - 1e-9) is None
    found = sure(contrast([rows], ratio, unseen=unseen))
    assert np.isfinite(found.estimate).all()
    assert found == contrast([rows], ratio, unseen=unseen, undefined=0.01, seed=0)


def test_corrections_by_hand_and_none_where_they_are_undefined() -> None:
    drawn = np.array([-1.0, 0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    rows = [np.array([0.0, 1.0, 5.0]), np.array([2.0, -2.0])]
    acts = np.array([-2 / 3, -1 / 3, 1.0, 1.0, -1.0])
    bias, acceleration = contrasts._corrections(0.0, drawn, rows)
    assert bias == pytest.approx(norm.ppf(2 / 8))
    assert acceleration == pytest.approx((acts**3).sum() / (6 * (acts**2).sum() ** 1.5))
    assert contrasts._corrections(-2.0, drawn, rows) == (0.0, 0.0)
    assert contrasts._corrections(6.0, drawn, rows) == (0.0, 0.0)
    assert contrasts._corrections(0.0, drawn, [np.zeros(3)]) == (0.0, 0.0)
    assert contrasts._corrections(0.0, drawn, [np.array([0.0, 0.0, 1e-8])])[1] != 0.0


def relative(a: Floats, b: Floats) -> Floats:
    changes: Floats = b[:, 0] / a[:, 0] - 1
    return changes


def test_changes_are_contrasts_of_home_and_away() -> None:
    home, away = [0.5, 0.6, 0.9, 0.4], [0.2, 0.1, 0.4]
    base_home, base_away = [0.3, 0.4, 0.5, 0.6], [0.3, 0.2, 0.6]
    found = change(home, away, base_home, base_away, bounds=(-1, 2), seed=3)
    sides = [[[x] for x in home], [[x] for x in away]]
    unseen = [corners((-1, 2))] * 2
    assert found.difference == contrast(sides, lambda a, b: -gap(a, b), unseen=unseen, seed=3)
    inside = change(home, away, base_home, base_away, bounds=SHARE, seed=3)
    assert inside.relative == contrast(sides, relative, unseen=[corners(SHARE)] * 2, seed=3)
    both = [list(zip(home, base_home, strict=True)), list(zip(away, base_away, strict=True))]
    expected = contrast(
        both, lambda a, b: b[:, 0] / a[:, 0] - b[:, 1] / a[:, 1], unseen=[corners(SHARE, SHARE)] * 2, seed=3
    )
    assert expected is not None
    assert sure(inside.versus_baseline).estimate == pytest.approx(expected.estimate)
    assert sure(inside.versus_baseline).p == pytest.approx(expected.p)
    assert change(home, away, bounds=SHARE) == change(home, away, bounds=SHARE, seed=0)
    with pytest.raises(ValueError, match="shorter"):
        change(home, away, base_home[:3], base_away, bounds=SHARE)
    assert change(home, away, base_home, None, bounds=SHARE).versus_baseline is None
    assert change(home, away, None, base_away, bounds=SHARE).versus_baseline is None


def test_infinite_bounds_of_a_change_are_those_of_both_sides_together() -> None:
    home, away = [2.0, 3.0, 4.0], [9.0, 8.0, 9.5]
    ends = resampling.finite((0.0, inf), np.array([*home, *away]))
    assert change(home, away, bounds=(0.0, inf)).difference == change(home, away, bounds=ends).difference
    assert ends == (0.0, 11.5)


def test_the_guard_of_one_group_does_not_hang_on_that_of_another() -> None:
    wide, narrow = [0.0, 1.0] + [0.5] * 18, [0.5, 0.51, 0.5, 0.52, 0.5, 0.5]
    one = sure(contrast([[[x] for x in wide], [[x] for x in narrow]], gap, unseen=[corners(SHARE)] * 2)).estimate
    rows = [np.random.default_rng((0, place, 0)).integers(0, n, size=(RESAMPLES, n)) for place, n in ((0, 20), (1, 6))]
    drawn = np.array(wide)[rows[0]].mean(axis=1) - guarded(sum(narrow) / 6, 6, narrow)
    low, high = np.quantile(drawn, (0.025, 0.975), method="hazen")
    _, plain_low, plain_high, _ = plainly(wide, narrow)
    assert one[1:3] == pytest.approx((min(plain_low, float(low)), max(plain_high, float(high))))
    assert one.low < plain_low


def test_p_is_the_same_from_either_side() -> None:
    a, b = [0.9, 0.92, 0.95, 0.91, 0.9, 0.93], [0.0, 0.05, 0.01, 0.03, 0.06, 0.04]
    up = sure(contrast([[[x - y] for x, y in zip(a, b, strict=True)]], lambda m: m[:, 0], unseen=[corners((-1, 1))]))
    down = sure(contrast([[[y - x] for x, y in zip(a, b, strict=True)]], lambda m: m[:, 0], unseen=[corners((-1, 1))]))
    assert up.p == pytest.approx(down.p, rel=0.05)
    assert up.p < 0.1
    assert up.estimate[:3] == pytest.approx((-down.estimate.value, -down.estimate.high, -down.estimate.low), abs=1e-3)


def test_nothing_over_nothing_is_undefined_too() -> None:
    def ratio(means: Floats) -> Floats:
        quotient: Floats = means[:, 1] / means[:, 0]
        return quotient

    rows = [[0.0, 0.0]] * 6 + [[1.0, 0.5]] * 4
    assert contrast([rows], ratio, unseen=[corners(SHARE, SHARE)], undefined=0.0) is None
    found = sure(contrast([rows], ratio, unseen=[corners(SHARE, SHARE)]))
    assert found.estimate.value == 0.5
    assert contrast([[[0.0, 0.0]] * 5], ratio, unseen=[corners(SHARE, SHARE)]) is None


def test_every_group_has_extremes_of_its_own() -> None:
    with pytest.raises(ValueError, match="shorter"):
        contrast([[[0.1]] * 3, [[0.2]] * 3], gap, unseen=[corners(SHARE)])


def test_a_baseline_that_may_be_nothing_leaves_no_comparison_with_it() -> None:
    base = [0.0] * 6 + [1.0] * 4  # six of a thousand resamples have a mean of 0
    found = change([0.5, 0.4] * 5, [0.5] * 10, base, [0.5] * 10, bounds=SHARE)
    assert found.relative is not None
    assert found.versus_baseline is None


def test_integers_are_numbers() -> None:
    groups, wanted = [[[1], [0], [1]]], [[[1.0], [0.0], [1.0]]]
    found = contrast(groups, lambda m: m[:, 0], unseen=[corners((0, 1))])
    assert found == contrast(wanted, lambda m: m[:, 0], unseen=[corners(SHARE)])
