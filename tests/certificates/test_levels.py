"""What certificate rules spend: levels of all statements add up to alpha, there are enough, and none else is used."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import log, sqrt
from typing import Any

import numpy as np
import pytest

from robustrank.certificates import RULES, Evidence, Reach, ScoreDistribution, decide, distributions, evidence, rules
from robustrank.certificates import sequential as batches
from robustrank.certificates.evidence import Statement, Statements, pair_statements
from robustrank.certificates.rules import (
    BAND_ABOVE,
    BAND_BELOW,
    DIFFERENCE,
    HIGH_QUANTILE,
    LOW_QUANTILE,
    MEAN,
)
from robustrank.stats import anytime

ALPHA = 0.05
RANDOM = [name for name, rule in RULES.items() if not rule.sampled]
SIZES = [2, 3, 7]
RADII: list[dict[float, list[float]]] = [{1.0: [0.1]}, {1.0: [0.1, 0.0], 2.0: [0.1, 0.3], 3.0: [0.5, 0.5]}]


def a_list(documents: int, exact: int, ks: Sequence[int], radii: dict[float, list[float]], n: int = 12) -> Evidence:
    """Documents with random scores; the first ``exact`` of them are known exactly."""
    scores = np.sort(np.random.default_rng(documents).random((documents, n)), axis=0)[::-1]
    known = [ScoreDistribution(row, exact=place < exact) for place, row in enumerate(scores)]
    reaches = {r: [Reach(v[place % len(v)], 1) for place in range(documents)] for r, v in radii.items()}
    return Evidence(known, reaches, ALPHA, ks)


def every_list() -> list[Evidence]:
    return [
        a_list(documents, exact, ks, radii)
        for documents, radii in product(SIZES, RADII)
        for exact in (0, 1, documents)
        for ks in ([1], [1, 2], range(1, documents + 2))
    ]


@pytest.mark.parametrize("rule", list(RULES))
def test_all_statements_of_a_rule_spend_at_most_alpha(rule: str) -> None:
    for each in every_list():
        made = RULES[rule].statements(each)
        assert made.spent <= ALPHA * (1 + 1e-12)
        assert all(statement.level > 0 or statement.number == 0 for statement in made)
        if rule in RANDOM and each.sampled and rule != "certdr-2022":
            assert made.spent == pytest.approx(ALPHA)  # and nothing is left over


@pytest.mark.parametrize("rule", RANDOM)
def test_there_is_a_statement_for_all_that_a_claim_about_the_list_needs(rule: str) -> None:
    """Counted from the theorems of docs/certificates.md, not from the code."""
    for each in every_list():
        sampled = [place for place, known in enumerate(each.distributions) if not known.exact]
        n = len(each.distributions)
        variations = {(place, row[place].variation) for row in each.reaches.values() for place in sampled}
        pairs = sum((n - 1) + (n - k) for k in set(each.ks) if k < n)
        needed = {
            BAND_BELOW: len(sampled), BAND_ABOVE: len(sampled), MEAN: len(sampled), LOW_QUANTILE: len(sampled),
            HIGH_QUANTILE: len(variations), DIFFERENCE: min(pairs, n * (n - 1)),
        }  # fmt: skip
        for statement in RULES[rule].statements(each):
            assert statement.number >= (1 if rule == "certdr-2022" else needed[statement.what])


class Spending:
    """Notes the level at which every bound is computed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.levels: dict[str, set[float]] = {}
        half_width, lower_bets = distributions.half_width, anytime.lower_bets

        def noted_width(level: float, samples: int) -> float:
            self.levels.setdefault("band", set()).add(level)
            return half_width(level, samples)

        def noted_bets(values: Any, *, alpha: float, **more: Any) -> Any:
            self.levels.setdefault(DIFFERENCE, set()).add(alpha)
            return lower_bets(values, alpha=alpha, **more)

        monkeypatch.setattr(evidence, "half_width", noted_width)
        monkeypatch.setattr(evidence, "lower_bets", noted_bets)
        for name, what in (("low_quantile", LOW_QUANTILE), ("high_quantile", HIGH_QUANTILE)):
            monkeypatch.setattr(rules, name, self._noted(getattr(distributions, name), what))
        noted_intervals = Evidence.intervals

        def intervals(of: Evidence, sequence: Any, level: float) -> Any:
            def noted(values: Any, *, alpha: float, **more: Any) -> Any:
                self.levels.setdefault(MEAN, set()).add(alpha)
                return sequence(values, alpha=alpha, **more)

            return noted_intervals(of, noted, level)

        monkeypatch.setattr(Evidence, "intervals", intervals)

    def _noted(self, bound: Any, what: str) -> Any:
        def noted(*arguments: Any) -> Any:
            self.levels.setdefault(what, set()).add(arguments[-1])
            return bound(*arguments)

        return noted


@pytest.mark.parametrize("rule", RANDOM)
@pytest.mark.parametrize("documents", SIZES)
def test_every_bound_is_computed_at_the_level_that_is_stated(
    rule: str, documents: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    spending = Spending(monkeypatch)
    each = a_list(documents, 0, range(1, documents), RADII[1])
    made = RULES[rule].statements(each)
    for k, radius in product(each.ks, each.reaches):
        decide(each, k, radius, rule)
    stated: dict[str, float] = {}
    for what, level, _ in made:
        stated["band" if what in (BAND_BELOW, BAND_ABOVE) else what] = level
    assert set(spending.levels) == set(stated)
    for what, levels in spending.levels.items():
        assert levels == {stated[what]}


def test_a_hoeffding_bound_at_a_level_is_the_closed_form() -> None:
    assert distributions.half_width(0.01, 50) == pytest.approx(sqrt(log(100) / 100))
    assert distributions.half_width(1.0, 50) == 0.0


def test_pairs_are_counted_as_in_the_theorem() -> None:
    assert pair_statements(10, [3]) == 9 + 7
    assert pair_statements(10, [3, 3, 5, 10, 12]) == 9 + 7 + 9 + 5
    assert pair_statements(3, [1, 2]) == min(3 * 2, 2 + 2 + 2 + 1) == 6
    assert pair_statements(1, [1]) == 1


@pytest.mark.parametrize("documents", SIZES)
@pytest.mark.parametrize("ks", [[1], [1, 2, 6], [9]])
def test_certificates_in_batches_spend_alpha_over_all_pairs(documents: int, ks: list[int]) -> None:
    made = batches.statements(documents, ks, ALPHA)
    pairs = sum((documents - 1) + (documents - k) for k in ks if k < documents)
    assert made.spent == pytest.approx(ALPHA)
    assert sum(each.number for each in made) >= min(pairs, documents * (documents - 1))


def test_certificates_in_batches_look_at_the_level_that_is_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    levels, lower_bets = set(), anytime.lower_bets

    def noted(values: Any, *, alpha: float, **more: Any) -> Any:
        levels.add(alpha)
        return lower_bets(values, alpha=alpha, **more)

    monkeypatch.setattr(batches, "lower_bets", noted)
    rng = np.random.default_rng(0)
    reaches = {1.0: [Reach(0.1)] * 4, 2.0: [Reach(0.2)] * 4}
    batches.certify(
        lambda rows, start, stop: [rng.random(stop - start) for _ in rows], reaches, [1, 2], alpha=ALPHA, limit=80
    )
    assert levels == {batches.statements(4, [1, 2], ALPHA).level(DIFFERENCE)}


def test_a_statement_that_is_not_made_has_no_level() -> None:
    made = Statements([Statement(MEAN, 0.01, 2), Statement(DIFFERENCE, 0.0, 0)])
    assert made.level(MEAN) == 0.01
    assert made.level(DIFFERENCE) == 1.0
    assert made.spent == 0.02
    with pytest.raises(KeyError):
        made.level(LOW_QUANTILE)


def test_the_rise_of_a_mean_allows_for_the_sampling_error_of_the_distribution() -> None:
    """The lowest scores move; of the true distribution they may be lower still, by a band's width of mass."""
    scores = np.array([0.2, 0.4, 0.6, 0.8])
    known = distributions.rise(ScoreDistribution(scores), 0.5, 0.0)
    assert known == pytest.approx(0.5 - (0.2 + 0.4) / 4)
    assert distributions.rise(ScoreDistribution(scores), 0.5, 0.25) == pytest.approx(0.5 - 0.2 / 4)
    assert distributions.rise(ScoreDistribution(scores), 0.5, 0.6) == pytest.approx(0.5)
    assert distributions.rise(ScoreDistribution(scores), 1.5, 0.0) == pytest.approx(1 - scores.mean())


@pytest.mark.parametrize("rule", ["bernstein", "betting", "paired"])
def test_rules_that_add_a_rise_take_it_at_the_error_of_their_bands(rule: str) -> None:
    """A rise without its sampling error would be smaller wherever low scores were drawn."""
    each = a_list(3, 0, [1], {1.0: [0.4]}, n=200)
    made = RULES[rule].statements(each)
    error = distributions.half_width(made.level(BAND_ABOVE), 200)
    expected = [distributions.rise(known, 0.4, error) for known in each.distributions]
    assert each.rises(1.0, made.level(BAND_ABOVE)) == pytest.approx(expected)
    without = [distributions.rise(known, 0.4, 0.0) for known in each.distributions]
    assert all(a > b + 1e-3 for a, b in zip(expected, without, strict=True))
