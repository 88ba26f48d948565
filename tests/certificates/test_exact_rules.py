"""Every rule's bounds and statements, computed a second time from the theorems of docs/certificates.md."""

from __future__ import annotations

from collections.abc import Callable
from math import log, sqrt

import numpy as np
import pytest

from robustrank.certificates import (
    ROUNDING,
    RULES,
    Bounds,
    Evidence,
    Floats,
    Reach,
    ScoreDistribution,
    Statements,
    decide,
    evidence,
    list_bounds,
    lowered_mean,
    raised_mean,
)
from robustrank.certificates.distributions import high_quantile, low_quantile, quantile, rise, shared_mean
from robustrank.certificates.rules import BAND_ABOVE, BAND_BELOW, DIFFERENCE, HIGH_QUANTILE, LOW_QUANTILE, MEAN
from robustrank.core.errors import ContractError, PluginError
from robustrank.stats.anytime import betting, empirical_bernstein, lower_bets

ALPHA, P = 0.2, 0.4
VARIATIONS = {1.0: [0.0, 0.05, 0.3, 0.1, 0.02], 2.0: [0.1, 0.05, 0.6, 0.4, 0.04]}


def width(level: float, n: int) -> float:
    return sqrt(log(1 / level) / (2 * n))


def some_scores(kind: int, n: int) -> Floats:
    """Constant, two-valued, uniform: intervals by variance are best for the first, the band for others."""
    rng = np.random.default_rng(kind)
    return [
        np.full(n, 0.9),
        np.where(rng.random(n) < 0.9, 1.0, 0.0),
        0.6 + 0.1 * rng.random(n),
        rng.random(n) ** 2,
        np.where(rng.random(n) < 0.02, 1.0, 0.05),
    ][kind]


def a_list(n: int = 200, exact: tuple[int, ...] = (), documents: int = 5) -> Evidence:
    rng = np.random.default_rng(9)
    known = [
        ScoreDistribution(some_scores(i, n), exact=i in exact, touched=[rng.random((2, n)) < 0.1] * 2)
        for i in range(documents)
    ]
    reaches = {r: [Reach(v, int(r)) for v in row[:documents]] for r, row in VARIATIONS.items()}
    return Evidence(known, reaches, ALPHA, [1, 2], P)


LISTS = [a_list(), a_list(exact=(1,)), a_list(exact=(0, 3)), a_list(n=30), a_list(n=3000), a_list(documents=2)]


class Truth:
    """Bounds of one list at one K and radius, from widths and levels that are written out."""

    def __init__(self, of: Evidence, k: int, radius: float) -> None:
        self.all = list(of.distributions)
        self.sampled = sum(not each.exact for each in self.all)
        self.k, self.shifts = k, [reach.variation for reach in of.reaches[radius]]
        self.words = [reach.words for reach in of.reaches[radius]]
        size = len(self.all)
        counted = sum(2 * size - other - 1 for other in (1, 2) if other < size)
        self.pairs = min(counted, size * (size - 1))
        distinct = [{of.reaches[r][i].variation for r in of.reaches} for i in range(size)]
        self.radii = sum(len(each) for each, known in zip(distinct, self.all, strict=True) if not known.exact)

    def error(self, place: int, level: float) -> float:
        return 0.0 if self.all[place].exact else width(level, len(self.all[place].scores))

    @property
    def top(self) -> range:
        return range(self.k)

    @property
    def rest(self) -> range:
        return range(self.k, len(self.all))

    def low(self, place: int, level: float) -> float:
        return lowered_mean(self.all[place].scores, self.error(place, level))

    def high(self, place: int, level: float) -> float:
        return raised_mean(self.all[place].scores, self.shifts[place] + self.error(place, level))

    def rise(self, place: int, level: float) -> float:
        return rise(self.all[place], self.shifts[place], self.error(place, level))

    def interval(self, place: int, sequence: Callable[..., tuple[Floats, Floats]]) -> tuple[float, float]:
        each = self.all[place]
        if each.exact:
            return each.mean, each.mean
        low, high = sequence(each.scores, alpha=ALPHA / (2 * self.sampled), at=[len(each.scores)])
        return float(low[0]), float(high[0])

    def lead(self, a: int, b: int) -> float:
        first, second = self.all[a], self.all[b]
        if first.exact and second.exact:
            return first.mean - second.mean
        one = np.full(len(first.scores), first.mean) if first.exact else first.scores
        other = np.full(len(second.scores), second.mean) if second.exact else second.scores
        n = len(one)
        return float(lower_bets(one - other, alpha=ALPHA / (2 * self.pairs), bounds=(-1, 1), at=[n], horizon=n)[0])


def border(t: Truth, level: float) -> Bounds:
    error = max(t.error(i, level) for i in range(len(t.all)))
    return Bounds(
        min(t.all[i].mean for i in t.top) - error,
        max(t.all[i].mean for i in t.rest) + max(t.shifts[i] for i in t.rest) + error,
    )


def by_variance(t: Truth, sequence: Callable[..., tuple[Floats, Floats]]) -> Bounds:
    level = ALPHA / (4 * t.sampled)
    return Bounds(
        min(max(t.low(i, level), t.interval(i, sequence)[0]) for i in t.top),
        max(min(t.high(i, level), t.interval(i, sequence)[1] + t.rise(i, level)) for i in t.rest),
    )


def joint(t: Truth) -> Bounds:
    level = ALPHA / (2 * t.sampled)
    return Bounds(
        min(t.all[i].mean - t.error(i, level) for i in t.top),
        max(t.all[i].mean + t.shifts[i] + t.error(i, level) for i in t.rest),
    )


def cdf(t: Truth) -> Bounds:
    level = ALPHA / (2 * t.sampled)
    return Bounds(min(t.low(i, level) for i in t.top), max(t.high(i, level) for i in t.rest))


def paired(t: Truth) -> Bounds:
    level = ALPHA / (4 * t.sampled)
    leads = [max(t.low(a, level) - t.high(b, level), t.lead(a, b) - t.rise(b, level)) for a in t.top for b in t.rest]
    return Bounds(min(leads), 0.0)


def by_quantile(t: Truth) -> Bounds:
    level = ALPHA / (t.sampled + t.radii)
    return Bounds(
        min(low_quantile(t.all[i], P, level) for i in t.top),
        max(high_quantile(t.all[i], P, t.shifts[i], level) for i in t.rest),
    )


def shared(t: Truth) -> Bounds:
    return Bounds(min(t.all[i].mean for i in t.top), max(shared_mean(t.all[i], t.words[i]) for i in t.rest))


def shared_by_quantile(t: Truth) -> Bounds:
    from robustrank.certificates import shared_quantile

    top = min(quantile(t.all[i].scores, P) for i in t.top)
    return Bounds(top, max(shared_quantile(t.all[i], P, t.words[i]) for i in t.rest))


TRUTHS: dict[str, Callable[[Truth], Bounds]] = {
    "certdr-2022": lambda t: border(t, ALPHA / 2),
    "certdr-union": lambda t: border(t, ALPHA / (2 * t.sampled)),
    "certdr-joint": joint,
    "cdf": cdf,
    "bernstein": lambda t: by_variance(t, empirical_bernstein),
    "betting": lambda t: by_variance(t, betting),
    "paired": paired,
    "quantile": by_quantile,
    "shared-draws": shared,
    "shared-quantile": shared_by_quantile,
}


def test_every_rule_is_computed_a_second_time_here() -> None:
    assert list(TRUTHS) == list(RULES)


@pytest.mark.parametrize("rule", list(TRUTHS))
@pytest.mark.parametrize("number", range(len(LISTS)))
def test_the_bounds_of_a_rule_are_those_of_its_theorem(rule: str, number: int) -> None:
    of = LISTS[number]
    for k in range(1, len(of.distributions)):
        if k <= 2:
            for radius in of.reaches:
                assert decide(of, k, radius, rule) == pytest.approx(TRUTHS[rule](Truth(of, k, radius)), abs=1e-12)


def made(rule: str, of: Evidence) -> dict[str, tuple[float, int]]:
    return {what: (round(level, 12), number) for what, level, number in RULES[rule].statements(of)}


def test_the_statements_of_each_rule_are_those_that_its_proof_counts() -> None:
    """Five documents, one of them known exactly, at two radii and K of 1 and 2."""
    of = LISTS[1]
    bands = {BAND_BELOW: (ALPHA / 8, 4), BAND_ABOVE: (ALPHA / 8, 4)}
    half = {BAND_BELOW: (ALPHA / 16, 4), BAND_ABOVE: (ALPHA / 16, 4)}
    assert made("certdr-2022", of) == {BAND_BELOW: (ALPHA / 2, 1), BAND_ABOVE: (ALPHA / 2, 1)}
    assert made("certdr-union", of) == made("certdr-joint", of) == made("cdf", of) == bands
    assert made("bernstein", of) == made("betting", of) == half | {MEAN: (ALPHA / 8, 4)}
    assert made("paired", of) == half | {DIFFERENCE: (round(ALPHA / 30, 12), 15)}
    twelfth = round(ALPHA / 12, 12)
    # The second document's variation does not differ between the radii, but it is known exactly.
    assert made("quantile", of) == {LOW_QUANTILE: (twelfth, 4), HIGH_QUANTILE: (twelfth, 8)}
    assert made("quantile", LISTS[0])[HIGH_QUANTILE] == (round(ALPHA / 14, 12), 9)
    assert made("shared-draws", of) == made("shared-quantile", of) == {}
    one = a_list(exact=(0, 1, 2, 3))
    assert made("betting", one) == {
        BAND_BELOW: (ALPHA / 4, 1), BAND_ABOVE: (ALPHA / 4, 1), MEAN: (ALPHA / 2, 1),
    }  # fmt: skip


@pytest.mark.parametrize("rule", list(RULES))
def test_a_list_that_is_known_exactly_needs_no_statement(rule: str) -> None:
    of = a_list(exact=tuple(range(5)))
    numbers = {what: number for what, (_, number) in made(rule, of).items()}
    assert {number for what, number in numbers.items() if what != DIFFERENCE} <= ({1} if rule == "certdr-2022" else {0})
    lower, upper = decide(of, 1, 1.0, rule)
    assert np.isfinite([lower, upper]).all()


def test_rules_say_what_they_are_about() -> None:
    assert [name for name, rule in RULES.items() if not rule.joint] == ["certdr-2022"]
    assert [name for name, rule in RULES.items() if rule.sampled] == ["shared-draws", "shared-quantile"]
    assert [name for name, rule in RULES.items() if rule.of_quantile] == ["quantile", "shared-quantile"]
    each = ScoreDistribution(np.array([0.9, 0.0, 0.3]))
    assert RULES["cdf"].smoothed(each, 0.5) == RULES["shared-draws"].smoothed(each, 0.5) == pytest.approx(0.4)
    assert RULES["quantile"].smoothed(each, 0.5) == 0.3
    assert RULES["shared-quantile"].smoothed(each, 0.9) == 0.9


def test_bounds_have_to_be_further_apart_than_rounding() -> None:
    assert not Bounds(ROUNDING, 0.0).certified
    assert Bounds(2 * ROUNDING, 0.0).certified
    assert not Bounds(0.0, 2 * ROUNDING).certified


def test_a_list_of_its_own_is_decided_for_every_k_at_the_alpha_and_rule_of_the_call() -> None:
    of = LISTS[0]
    shifts = VARIATIONS[1.0]
    reaches = {1.0: [Reach(v) for v in shifts]}
    for alpha, rule in ((0.2, "paired"), (0.01, "cdf")):
        whole = Evidence(of.distributions, reaches, alpha, range(1, 5))
        assert list_bounds(of.distributions, shifts, 2, alpha=alpha, rule=rule) == decide(whole, 2, 1.0, rule)
    usual = list_bounds(of.distributions, shifts, 2, alpha=0.2)
    assert usual == list_bounds(of.distributions, shifts, 2, alpha=0.2, rule="certdr-joint")


def test_nothing_is_claimed_where_no_document_stands_below_the_top() -> None:
    of = LISTS[0]
    assert decide(of, 5, 1.0, "cdf") == decide(of, 6, 1.0, "cdf") == (0.0, 1.0)
    assert decide(of, 4, 1.0, "cdf") != (0.0, 1.0)


@pytest.mark.parametrize("scores", [[0.5, 1.25], [-0.25, 0.5], [np.nan, 0.5]])
def test_scores_outside_the_unit_interval_are_refused_with_their_range(scores: list[float]) -> None:
    pair = [ScoreDistribution(np.array([0.5, 0.5])), ScoreDistribution(np.array(scores))]
    least, most = np.min(scores), np.max(scores)
    with pytest.raises(ContractError, match=rf"certificates need scores in \[0, 1\], got {least:.4g} to {most:.4g}$"):
        list_bounds(pair, [0.0, 0.0], 1, alpha=0.05)


def test_scores_of_zero_and_one_are_not_refused() -> None:
    pair = [ScoreDistribution(np.array([0.0, 1.0]), exact=True), ScoreDistribution(np.zeros(2), exact=True)]
    assert list_bounds(pair, [0.0, 0.0], 1, alpha=0.05) == (0.5, 0.0)


def test_an_unknown_rule_is_named_beside_those_there_are() -> None:
    with pytest.raises(PluginError, match=r"^no certificate rule named 'cfd' \(have: certdr-2022, certdr-union, .*\)$"):
        list_bounds([], [], 1, alpha=0.05, rule="cfd")


def test_the_two_sides_of_a_list_are_bounded_at_their_own_levels() -> None:
    of = LISTS[1]
    lower, upper = of.ends(2, 2.0, 0.1, 0.01)
    t = Truth(of, 2, 2.0)
    assert lower == pytest.approx([t.low(i, 0.1) for i in t.top])
    assert upper == pytest.approx([t.high(i, 0.01) for i in t.rest])
    assert of.half_widths(0.1) == pytest.approx([width(0.1, 200), 0, *[width(0.1, 200)] * 3])


def test_rises_are_those_of_the_radius_and_the_level() -> None:
    of = a_list()
    for radius, level in ((1.0, 0.1), (2.0, 0.1), (2.0, 0.01)):
        t = Truth(of, 1, radius)
        assert of.rises(radius, level) == pytest.approx([t.rise(i, level) for i in range(5)])


def test_intervals_are_those_of_the_sequence_and_the_level() -> None:
    of = a_list(exact=(1,))
    for sequence, level in ((betting, 0.1), (betting, 0.01), (empirical_bernstein, 0.1)):
        for each, interval in zip(of.distributions, of.intervals(sequence, level), strict=True):
            low, high = sequence(each.scores, alpha=level, at=[200])
            assert interval == pytest.approx((each.mean, each.mean) if each.exact else (low[0], high[0]))


def test_gaps_are_bounds_on_the_differences_of_the_draws_in_the_order_of_the_pairs() -> None:
    of = a_list(exact=(1, 4))
    t = Truth(of, 2, 1.0)
    level = ALPHA / (2 * t.pairs)
    expected = [[t.lead(a, b) for b in (2, 3, 4)] for a in (0, 1)]
    assert of.gaps(2, level) == pytest.approx(np.array(expected), abs=1e-12)
    assert of.gaps(1, level)[0] == pytest.approx([t.lead(0, b) for b in (1, 2, 3, 4)], abs=1e-12)


def test_what_several_claims_need_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[int] = []

    def counted(values: Floats, **more: object) -> Floats:
        rows.append(len(values))
        return lower_bets(values, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(evidence, "lower_bets", counted)
    of = a_list(exact=(0, 4))
    first, again, both = of.gaps(1, 0.1), of.gaps(1, 0.1), of.gaps(2, 0.1)
    assert first.shape == (1, 4)
    assert both.shape == (2, 3)
    assert np.array_equal(first, again)
    assert both[0] == pytest.approx(first[0, 1:])
    assert rows == [3, 3]  # the first against three that were sampled, then the second against three
    assert (of.gaps(1, 0.01)[0, :3] < first[0, :3]).all()
    assert first[0, 3] == of.distributions[0].mean - of.distributions[4].mean
    assert of.rises(1.0, 0.1) is of.rises(1.0, 0.1)
    assert of.intervals(betting, 0.1) is of.intervals(betting, 0.1)


def test_statements_add_up_number_by_number() -> None:
    assert Statements().spent == 0
    assert made("betting", LISTS[0])
    assert RULES["betting"].statements(LISTS[0]).spent == pytest.approx(ALPHA)
