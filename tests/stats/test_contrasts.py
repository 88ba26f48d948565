"""Contrasts: by a plain second computation, by closed forms, by coverage, and what cannot be told."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
from scipy.stats import binom

from robustrank.core.types import Estimate
from robustrank.stats import resampling
from robustrank.stats.contrasts import Contrast, change, contrast, corners
from robustrank.stats.resampling import DRAWS, Floats, exponentials

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


def test_rankers_with_the_same_values_may_differ_on_queries_that_were_not_drawn() -> None:
    rows = [[x, x] for x in np.random.default_rng(0).random(20)]
    found = sure(contrast([rows], difference, unseen=[corners(SHARE, SHARE)]))
    assert found.estimate.low < found.estimate.value == 0.0 < found.estimate.high
    assert found.p == 1.0


def test_no_width_is_left_only_where_no_query_could_change_the_statistic() -> None:
    found = sure(contrast([[[0.5, 0.5]] * 4], difference, unseen=[[(0.0, 0.0), (1.0, 1.0)]]))
    assert found.estimate[:3] == (0.0, 0.0, 0.0)
    assert found.p == 1.0


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


def test_a_few_queries_that_all_agree_do_not_prove_a_change() -> None:
    found = change([0.9, 0.8, 1.0, 0.7] * 20, [1.0] * 3, bounds=SHARE).difference
    assert found.estimate.value > 0
    assert found.estimate.low < -0.3
    assert found.p > 0.05


def test_measures_without_bounds_have_changes_too() -> None:
    found = change([100.0] * 6, [100.0] * 6, bounds=(0.0, float("inf")))
    assert found.difference.estimate.low < 0 < found.difference.estimate.high
    assert sure(found.relative).p == 1


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
    assert ends == (0.0, 17.0)


def test_p_is_the_same_from_either_side() -> None:
    a, b = [0.9, 0.92, 0.95, 0.91, 0.9, 0.93], [0.0, 0.05, 0.01, 0.03, 0.06, 0.04]
    up = sure(contrast([[[x - y] for x, y in zip(a, b, strict=True)]], lambda m: m[:, 0], unseen=[corners((-1, 1))]))
    down = sure(contrast([[[y - x] for x, y in zip(a, b, strict=True)]], lambda m: m[:, 0], unseen=[corners((-1, 1))]))
    assert up.p == pytest.approx(down.p, rel=0.05)
    assert up.p < 0.1
    assert up.estimate[:3] == pytest.approx((-down.estimate.value, -down.estimate.high, -down.estimate.low), abs=1e-3)


def test_every_group_has_extremes_of_its_own() -> None:
    with pytest.raises(ValueError, match="shorter"):
        contrast([[[0.1]] * 3, [[0.2]] * 3], gap, unseen=[corners(SHARE)])


def test_integers_are_numbers() -> None:
    groups, wanted = [[[1], [0], [1]]], [[[1.0], [0.0], [1.0]]]
    found = contrast(groups, lambda m: m[:, 0], unseen=[corners((0, 1))])
    assert found == contrast(wanted, lambda m: m[:, 0], unseen=[corners(SHARE)])


def plain_means(values: list[float], place: int, seed: int, further: float | None = None) -> Floats:
    """Weighted means, one resample after another, with or without a further query."""
    rows = [exponentials(seed, place, 1)[: len(values)]]
    points = list(values)
    if further is not None:
        rows.append(exponentials(seed, place, 0))
        points.append(further)
    weights = np.concatenate(rows)
    means: Floats = np.array(points) @ (weights / weights.sum(axis=0))
    return means


@pytest.mark.parametrize("seed", [0, 3])
def test_a_difference_of_two_groups_equals_a_plain_second_computation(seed: int) -> None:
    rng = np.random.default_rng(5)
    a, b = list(rng.random(15)), list(rng.random(20) ** 2)
    found = sure(contrast([[[x] for x in a], [[x] for x in b]], gap, unseen=[corners(SHARE)] * 2, seed=seed))
    low = np.sort(plain_means(a, 0, seed, 0.0) - plain_means(b, 1, seed, 1.0))
    high = np.sort(plain_means(a, 0, seed, 1.0) - plain_means(b, 1, seed, 0.0))
    value = np.mean(a) - np.mean(b)
    assert found.estimate == pytest.approx((value, low[499], high[-500], 15, 0.95))
    beyond = (low <= 0).sum() if value > 0 else (high >= 0).sum()
    assert found.p == pytest.approx(min(1.0, 2 * (1 + beyond) / (DRAWS + 1)))
    spread = plain_means(a, 0, seed) - plain_means(b, 1, seed)
    assert found.error == pytest.approx(spread.std() * (16 / 14) ** 0.5)
    assert found.error == pytest.approx((np.var(a, ddof=1) / 15 + np.var(b, ddof=1) / 20) ** 0.5, rel=0.05)


def test_one_query_says_next_to_nothing() -> None:
    found = sure(contrast([[[0.3]], [[0.2]] * 9], gap, unseen=[corners(SHARE)] * 2))
    assert found.estimate.low < -0.2
    assert found.estimate.high > 0.7
    assert found.estimate.n == 1
    assert found.p > 0.5
    assert found.error == float("inf")


def quotient(means: Floats) -> Floats:
    found: Floats = means[:, 1] / means[:, 0]
    return found


def test_a_ratio_to_nothing_is_not_told_and_one_to_next_to_nothing_is_wide() -> None:
    unseen = [corners(SHARE, SHARE)]
    assert contrast([[[0.0, 1.0]] * 5], quotient, unseen=unseen) is None
    assert contrast([[[0.0, 0.0]] * 5], quotient, unseen=unseen) is None
    found = sure(contrast([[[0.0, 0.5]] * 6 + [[1.0, 0.5]] * 4], quotient, unseen=unseen))
    assert found.estimate.value == pytest.approx(1.25)
    assert found.estimate.high > 3


def test_resamples_in_which_a_statistic_is_undefined_count_as_beyond_the_end() -> None:
    rows = [[x] for x in np.linspace(0.2, 0.8, 30)]

    def cut(above: float) -> Contrast | None:
        def figure(means: Floats) -> Floats:
            kept: Floats = np.where(means[:, 0] < above, np.nan, means[:, 0])
            return kept

        return contrast([rows], figure, unseen=[corners(SHARE)], undefined=0.04)

    whole = sure(cut(0.0)).estimate
    # What is undefined lies beyond the end, and does not move it inwards.
    assert sure(cut(whole.low)).estimate.low == pytest.approx(whole.low, abs=2e-3)
    higher = sure(cut(whole.low + 0.002)).estimate
    assert higher.low == -float("inf")
    assert cut(0.48) is None


def test_an_end_that_bias_draws_towards_the_estimate_is_put_back() -> None:
    rng = np.random.default_rng(1)
    rows = [[x, y] for x, y in rng.random((12, 2))]

    def distance(means: Floats) -> Floats:
        away: Floats = np.abs(means[:, 0] - means[:, 1])
        return away

    found = sure(contrast([rows], distance, unseen=[[(0.5, 0.5)]]))
    weights = exponentials(0, 0, 1)[:12]
    means = (weights / weights.sum(axis=0)).T @ np.array(rows)
    bias = distance(means).mean() - distance(means.mean(axis=0, keepdims=True))[0]
    with_spare = np.concatenate([weights, exponentials(0, 0, 0)])
    moved = distance((with_spare / with_spare.sum(axis=0)).T @ np.array([*rows, [0.5, 0.5]]))
    assert bias > 0
    assert found.estimate.low == pytest.approx(np.sort(moved)[499] - 2 * bias)
    assert found.estimate.high == pytest.approx(max(np.sort(moved)[-500], found.estimate.value))


def test_part_of_a_query_may_move_a_statistic_further_than_the_whole() -> None:
    rows = [[x, x * x] for x in [0.1] * 18 + [0.12, 0.08]]

    def variation(means: Floats) -> Floats:
        ratio: Floats = np.sqrt(np.maximum(means[:, 1] - means[:, 0] ** 2, 0)) / means[:, 0]
        return ratio

    unseen = [[(0.0, 0.0), (1.0, 1.0)]]
    whole = sure(contrast([rows], variation, unseen=unseen))
    parts = sure(contrast([rows], variation, unseen=unseen, parts=(1.0, 0.5, 0.2)))
    assert parts.estimate.high > whole.estimate.high
    assert parts.estimate.low <= whole.estimate.low
    mean = [sure(contrast([rows], lambda m: m[:, 0], unseen=unseen, parts=p)) for p in ((1.0,), (1.0, 0.3))]
    assert mean[0] == mean[1]


def test_a_mean_away_from_nothing_at_home_has_no_share() -> None:
    found = change([0.0] * 10, [0.5] * 10, bounds=SHARE)
    assert found.difference.estimate.value == pytest.approx(0.5)
    assert found[1:] == (None, None)
    assert change([0.5] * 10, [0.5] * 10, [0.0] * 10, [0.5] * 10, bounds=SHARE).versus_baseline is None
    assert change([-0.04, 0.01, 0.05], [0.5] * 10, bounds=(-0.05, 0.95)).relative is None
