"""Bounds on moved distributions, and total variations, against small cases computed by hand and closed forms."""

from __future__ import annotations

from itertools import combinations, product
from math import comb

import numpy as np
import pytest
import scipy.stats

from robustrank.certificates import (
    Bits,
    Floats,
    Reach,
    ScoreDistribution,
    allowed,
    lowered_mean,
    overlap,
    quantile,
    raised_mean,
    shared_mean,
    shared_quantile,
    total_variation,
    total_variation_of_deletions,
    total_variation_of_masks,
    total_variation_with_costs,
)
from robustrank.certificates.distributions import high_quantile, low_quantile, lowest_share, rise

SCORES = np.array([0.8, 0.2, 0.4, 0.6])  # not in order: every bound has to sort


@pytest.mark.parametrize(
    ("mass", "raised", "lowered"),
    [(0.0, 0.5, 0.5), (0.25, 0.7, 0.3), (0.375, 0.775, 0.225), (0.75, 0.95, 0.05), (1.0, 1.0, 0.0), (1.5, 1.0, 0.0)],
)
def test_the_lowest_scores_move_to_one_and_the_highest_to_zero(mass: float, raised: float, lowered: float) -> None:
    each = ScoreDistribution(SCORES)
    assert raised_mean(SCORES, mass) == each.raised_mean(mass) == pytest.approx(raised, abs=1e-12)
    assert lowered_mean(SCORES, mass) == each.lowered_mean(mass) == pytest.approx(lowered, abs=1e-12)


def test_a_raised_mean_is_never_above_one() -> None:
    ones = [raised_mean(np.ones(n), mass) for n in range(1, 40) for mass in (0.1, 0.3, 0.7, 0.9)]
    assert max(ones) <= 1.0
    assert raised_mean(np.full(7, 1.1), 0.1) == 1.0


@pytest.mark.parametrize(("mass", "share"), [(0.0, 0.0), (0.1, 0.02), (0.25, 0.05), (0.5, 0.15), (0.9, 0.42)])
def test_the_lowest_share_is_the_integral_of_the_quantile_function(mass: float, share: float) -> None:
    assert lowest_share(SCORES, mass) == pytest.approx(share, abs=1e-12)


def test_a_rise_is_the_variation_less_what_moves_and_never_more_than_to_one() -> None:
    each = ScoreDistribution(SCORES)
    assert rise(each, 0.25, 0.0) == pytest.approx(0.2, abs=1e-9)
    assert rise(each, 0.25, 0.25) == rise(each, 0.25, 0.5) == pytest.approx(0.25)
    assert rise(each, 0.25, 0.125) == pytest.approx(0.225)
    assert rise(each, 1.0, 0.0) == rise(each, 3.0, 0.0) == pytest.approx(0.5, abs=1e-9)
    assert rise(each, 3.0, 0.25) == pytest.approx(1.0 - 0.3, abs=1e-9)
    assert rise(each, 0.0, 0.3) == 0.0


@pytest.mark.parametrize(
    ("p", "value"),
    [(0.0, 0.2), (0.1, 0.2), (0.25, 0.2), (0.2501, 0.4), (0.5, 0.4), (0.51, 0.6), (0.75, 0.6), (1.0, 0.8), (1.01, 1.0)],
)
def test_a_quantile_is_the_least_score_with_enough_at_or_below(p: float, value: float) -> None:
    assert quantile(SCORES, p) == value


def test_a_quantile_of_tenths_is_not_moved_by_the_rounding_of_their_sum() -> None:
    tenths = np.arange(10) / 10
    assert quantile(tenths, 0.1 + 0.2) == 0.2  # 0.1 + 0.2 > 0.3 in binary
    assert quantile(tenths, 0.3 + 1e-6) == 0.3


def at_most(count: int, n: int, p: float) -> float:
    """Probability that a binomial variable is at most ``count``."""
    return sum(comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(count + 1))


@pytest.mark.parametrize("n", [1, 2, 5, 20, 33])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("level", [0.3, 0.05, 0.001])
def test_order_statistics_are_the_sharpest_that_the_level_allows(n: int, p: float, level: float) -> None:
    ordered = np.linspace(0.1, 0.9, n)
    each = ScoreDistribution(np.random.default_rng(n).permutation(ordered))
    valid = [0.0, *(ordered[rank - 1] for rank in range(1, n + 1) if at_most(rank - 1, n, p) <= level)]
    assert low_quantile(each, p, level) == pytest.approx(max(valid))
    for variation in (0.0, 0.07, 0.2):
        moved = p + variation
        enough = [ordered[rank] for rank in range(n) if moved < 1 and 1 - at_most(rank, n, moved) <= level]
        assert high_quantile(each, p, variation, level) == pytest.approx(min([*enough, 1.0]))


def test_an_inverse_of_the_binomial_that_is_off_is_put_right(monkeypatch: pytest.MonkeyPatch) -> None:
    n, p, level = 20, 0.5, 0.05
    each = ScoreDistribution(np.arange(1, n + 1) / (n + 1))
    low, high = low_quantile(each, p, level), high_quantile(each, p, 0.1, level)
    monkeypatch.setattr(scipy.stats.binom, "ppf", lambda level, n, p: 9)
    monkeypatch.setattr(scipy.stats.binom, "isf", lambda level, n, p: 11)
    assert low_quantile(each, p, level) == low
    assert high_quantile(each, p, 0.1, level) == high
    assert low_quantile(each, p, 1e-9) == 0.0
    assert high_quantile(each, p, 0.1, 1e-9) == 1.0
    at_the_level = at_most(8, n, p)
    monkeypatch.setattr(scipy.stats.binom, "cdf", at_most)
    assert low_quantile(each, p, at_the_level) == 9 / (n + 1)  # a probability equal to the level is allowed
    monkeypatch.setattr(scipy.stats.binom, "sf", lambda rank, n, p: 0.25)
    assert high_quantile(each, p, 0.1, 0.25) == 12 / (n + 1)


def test_quantiles_known_exactly_need_no_level() -> None:
    each = ScoreDistribution(SCORES, exact=True)
    assert low_quantile(each, 0.5, 1e-9) == 0.4
    assert high_quantile(each, 0.5, 0.0, 1e-9) == 0.4
    assert high_quantile(each, 0.5, 0.2, 1e-9) == 0.6
    assert high_quantile(each, 0.5, 0.25, 1e-9) == 0.8  # on the border, rounding is for the attacker
    assert high_quantile(each, 0.5, 0.75, 1e-9) == 1.0
    tenths = ScoreDistribution(np.arange(10) / 10, exact=True)
    assert high_quantile(tenths, 0.1, 0.1, 1e-9) == 0.2
    assert high_quantile(tenths, 0.1, 0.1 - 1e-8, 1e-9) == 0.1


def touched(*words: list[list[int]]) -> tuple[Bits, ...]:
    return tuple(np.array(things, dtype=np.bool_) for things in words)


def test_shared_draws_rise_by_the_best_thing_for_each_of_the_best_words() -> None:
    each = ScoreDistribution(SCORES, touched=touched([[1, 0, 0, 0], [0, 0, 1, 1]], [[0, 1, 0, 0]], [[1, 0, 0, 0]]))
    assert shared_mean(each, 0) == 0.5
    assert shared_mean(each, 1) == pytest.approx(0.5 + (0.6 + 0.4) / 4)
    assert shared_mean(each, 2) == pytest.approx(0.5 + (0.6 + 0.4) / 4 + 0.8 / 4)
    assert shared_mean(each, 3) == pytest.approx(1.0)


def test_a_draw_that_no_word_touches_keeps_its_score_whatever_the_attack() -> None:
    each = ScoreDistribution(SCORES, touched=touched([[0, 1, 1, 0]], [[0, 1, 0, 0]]))
    assert shared_mean(each, 2) == pytest.approx((0.8 + 1 + 1 + 0.6) / 4)  # not the sum of both words' gains
    assert shared_mean(ScoreDistribution(SCORES, touched=()), 2) == 0.5
    assert shared_quantile(ScoreDistribution(SCORES, touched=()), 0.5, 2) == 0.4


def test_without_shared_draws_an_attack_may_bring_every_score_to_one() -> None:
    assert shared_mean(ScoreDistribution(SCORES), 1) == 1.0
    assert shared_quantile(ScoreDistribution(SCORES), 0.5, 1) == 1.0


def attacked_quantile(scores: Floats, things: tuple[Bits, ...], p: float, words: int) -> float:
    """The largest quantile over every attack, where draws that it touches come to 1."""
    largest = quantile(scores, p)
    for chosen in combinations(things, min(words, len(things))):
        for rows in product(*chosen):
            largest = max(largest, quantile(np.where(np.any([*rows], axis=0), 1.0, scores), p))
    return largest


@pytest.mark.parametrize("seed", range(8))
def test_the_shared_quantile_is_that_of_the_worst_attack(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.permutation(np.arange(10) / 10)
    apart = []  # words that touch different draws, so that their losses add up
    for part in np.array_split(rng.permutation(10), 3):
        word = np.zeros((2, 10), dtype=np.bool_)
        word[rng.integers(2, size=len(part)), part] = True
        apart.append(word)
    anywhere = tuple(rng.random((3, 10)) < 0.3 for _ in range(3))
    for p, words in product((0.1, 0.3, 0.5, 0.95), (0, 1, 2, 3)):
        shared = ScoreDistribution(scores, touched=tuple(apart))
        assert shared_quantile(shared, p, words) == attacked_quantile(scores, tuple(apart), p, words)
        mixed = ScoreDistribution(scores, touched=anywhere)
        truth = attacked_quantile(scores, anywhere, p, words)
        assert shared_quantile(mixed, p, words) >= truth
        if words == 1:
            assert shared_quantile(mixed, p, words) == truth
        assert shared_mean(mixed, words) >= scores.mean()


def test_the_shared_quantile_counts_as_the_quantile_does() -> None:
    each = ScoreDistribution(np.arange(10) / 10, touched=touched([[0] * 10]))
    assert shared_quantile(each, 0.1 + 0.2, 1) == 0.2
    assert shared_quantile(each, 0.3 + 1e-6, 1) == 0.3
    everything = ScoreDistribution(np.arange(10) / 10, touched=touched([[1] * 10]))
    assert shared_quantile(everything, 0.1, 1) == 1.0
    assert shared_quantile(everything, 0.1, 0) == 0.0
    overlapping = ScoreDistribution(np.arange(10) / 10, touched=touched([[1] * 3 + [0] * 7], [[1] * 3 + [0] * 7]))
    assert shared_quantile(overlapping, 0.5, 2) == 0.7  # three draws are lost, not twice three


@pytest.mark.parametrize(
    ("radius", "length", "words"),
    [(1, 9, 1), (1.0, 9, 1), (2.7, 9, 2), (3, 2, 3), (0.25, 10, 2), (0.29, 100, 29), (0.99, 1, 0), (0.5, 3, 1)],
)
def test_a_radius_below_one_is_a_share_of_the_words_rounded_down(radius: float, length: int, words: int) -> None:
    assert allowed(radius, length) == words


def test_an_overlap_is_relative_to_the_larger_set() -> None:
    assert overlap(["a", "b", "c"], ["b", "c", "d"]) == pytest.approx(2 / 3)
    assert overlap(["a"], ["a", "b"]) == overlap(["a", "b"], ["a"]) == 0.5
    assert overlap(["a"], ["b"]) == 0.0


def test_a_reach_is_of_no_words_unless_it_says_so() -> None:
    assert Reach(0.25) == (0.25, 0)


@pytest.mark.parametrize("budget", range(8))
def test_words_of_different_costs_are_chosen_as_by_enumeration(budget: int) -> None:
    choices = [[(1, 0.7), (2, 0.3)], [(3, 0.2)], [(1, 0.9)], [(2, 0.5), (4, 0.1)], []]
    options = [[(0, 1.0), *word] for word in choices]
    least = min(
        float(np.prod([kept for _, kept in chosen]))
        for chosen in product(*options)
        if sum(cost for cost, _ in chosen) <= budget
    )
    assert total_variation_with_costs(choices, budget) == pytest.approx(1 - least)


def test_words_of_cost_one_are_the_plain_case() -> None:
    overlaps = [0.9, 0.5, 0.8]
    for radius in range(4):
        by_costs = total_variation_with_costs([[(1, kept)] for kept in overlaps], radius)
        assert by_costs == pytest.approx(total_variation(overlaps, radius))


def test_a_masked_document_reads_none_of_the_rewritten_words_with_the_share_of_subsets() -> None:
    for length, kept, radius in product(range(1, 6), range(4), range(4)):
        if kept <= length:
            subsets = list(combinations(range(length), kept))
            read = sum(any(place < radius for place in subset) for subset in subsets) / len(subsets)
            assert total_variation_of_masks(length, kept, radius) == pytest.approx(read)
    assert total_variation_of_masks(0, 0, 1) == total_variation_of_masks(0, 1, 1) == 0.0
    assert total_variation_of_masks(2, 1, 5) == 1.0
    assert total_variation_of_masks(2, 0, 5) == 0.0


def test_a_deletion_keeps_one_of_the_changed_words_unless_all_are_deleted() -> None:
    assert total_variation_of_deletions(0.2, 3) == pytest.approx(1 - 0.8**3)
    assert total_variation_of_deletions(0.2, 0) == 0.0
    assert total_variation_of_deletions(1.0, 1) == 1.0
