"""Smoothing distributions: what is drawn, and what an attack can do to it, against enumeration."""

from __future__ import annotations

import json
from collections import Counter
from hashlib import sha256
from itertools import combinations, product
from pathlib import Path
from random import Random

import numpy as np
import pytest

from robustrank.certificates import (
    RULES,
    Floats,
    Reach,
    ScoreDistribution,
    allowed,
    quantile,
    shared_mean,
    shared_quantile,
    total_variation,
    total_variation_of_deletions,
    total_variation_of_masks,
    total_variation_with_costs,
)
from robustrank.certificates.auditor import rule_audit
from robustrank.certificates.auditor.rule_audit import broken
from robustrank.certificates.smoothing import Deletion, Masking, Smoothing, Substitution
from robustrank.certificates.synonym_sets import PerturbationSets
from robustrank.core.types import AttackSet
from robustrank.core.words import substitute, words
from robustrank.perturbations.operations import covers
from robustrank.perturbations.substitutes import load

NAMES = ["ant", "bee", "cat", "dog", "elk", "fox", "gnu", "hen"]


@pytest.fixture
def ring(tmp_path: Path) -> str:
    """Eight words, each the synonym of its two neighbours."""
    path = tmp_path / "ring.json"
    path.write_text(json.dumps({w: [NAMES[(i + 1) % 8]] for i, w in enumerate(NAMES)}), encoding="utf-8")
    return str(path)


def value(text: str) -> float:
    return int.from_bytes(sha256(text.encode()).digest()[:4]) / 2**32


def scores(distribution: Smoothing, text: str, seed: int, samples: int) -> Floats:
    return np.array([value(drawn) for drawn in distribution.draws(text, seed, 0, samples)])


def attacked(distribution: Smoothing, text: str, radius: int, rng: Random) -> list[str]:
    """Every text a synonym attack can make, or for masks some with strange words."""
    found = words(text)
    if isinstance(distribution, Substitution):
        options = [[word.text, *distribution.sets.table.of(word.text)] for word in found]
    else:
        options = [[word.text, "zebu", "yak", rng.choice(NAMES)] for word in found]
    texts = {text}
    for places in combinations(range(len(found)), min(radius, len(found))):
        rows = product(*(options[i] for i in places))
        texts |= {substitute(text, dict(zip(places, row, strict=True))) for row in rows}
    return sorted(texts)


def check_deployed(ring: str, cases: int, seed: int) -> int:
    """Attacks that pass the bounds on the deployed ranker; how often the bounds say something is asserted."""
    rng, failures, telling = Random(seed), 0, 0
    for case in range(cases):
        distributions: list[Smoothing] = [
            Substitution(PerturbationSets(load(ring), rng.choice([3, 5, 8]))),
            Masking(0.4),
        ]
        distribution = distributions[case % 2]
        text = " ".join(rng.choices(NAMES, k=rng.randint(1, 4)))
        radius, samples = rng.randint(0, 2), rng.choice([1, 7, 30])
        found = ScoreDistribution(
            scores(distribution, text, case, samples), touched=distribution.touched(text, case, samples)
        )
        mean, median = shared_mean(found, radius), shared_quantile(found, 0.5, radius)
        telling += mean < 1
        for other in attacked(distribution, text, radius, rng):
            after = scores(distribution, other, case, samples)
            failures += bool(after.mean() > mean + 1e-12) + (quantile(after, 0.5) > median + 1e-12)
    assert telling > cases / 3
    return failures


def test_no_attack_passes_the_bounds_on_the_deployed_ranker(ring: str) -> None:
    assert check_deployed(ring, 150, seed=1) == 0


@pytest.mark.slow
def test_no_attack_passes_the_bounds_on_the_deployed_ranker_in_a_large_sweep(ring: str) -> None:
    assert check_deployed(ring, 4000, seed=2) == 0


def test_no_rule_certifies_what_an_attack_reaches_by_enumeration() -> None:
    assert not any(broken(300, seed=3).values())


@pytest.mark.slow
def test_no_rule_certifies_what_an_attack_reaches_in_12000_enumerated_spaces() -> None:
    assert not any(broken(12_000, seed=4).values())


def test_a_rule_that_forgets_what_an_attack_can_do_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule_audit, "space_variation", lambda space: 0.0)
    found = broken(60, seed=3)
    assert set(found) == {name for name, rule in RULES.items() if not rule.sampled}
    assert all(found.values())


def test_synonyms_are_drawn_uniformly_and_independently_at_every_place(ring: str) -> None:
    from scipy.stats import chisquare

    drawn = Substitution(PerturbationSets(load(ring), 3)).draws("cat cat", 5, 0, 9000)
    assert chisquare(sorted(Counter(drawn).values())).pvalue > 1e-4
    assert len(Counter(drawn)) == 9


def test_masks_are_uniform_over_all_choices_of_words() -> None:
    from scipy.stats import chisquare

    drawn = Counter(Masking(0.5).draws("ant bee cat dog", 5, 0, 6000))
    assert len(drawn) == 6
    assert chisquare(sorted(drawn.values())).pvalue > 1e-4


def test_words_stay_independently_of_each_other_with_their_probability() -> None:
    drawn = Counter(Deletion(0.3).draws("ant bee", 5, 0, 8000))
    assert drawn["ant bee"] / 8000 == pytest.approx(0.09, abs=0.015)
    assert drawn[""] / 8000 == pytest.approx(0.49, abs=0.025)


@pytest.mark.parametrize("distribution", [Masking(0.5), Deletion(0.5)])
def test_later_draws_go_on_where_earlier_ones_stopped_and_empty_texts_have_draws(distribution: Smoothing) -> None:
    text = "Ant, bee-cat: dog"
    assert distribution.draws(text, 1, 0, 9) == distribution.draws(text, 1, 0, 4) + distribution.draws(text, 1, 4, 9)
    assert distribution.draws("", 1, 0, 2) == ["", ""]
    assert distribution.reach("", 3).variation in (0.0, total_variation_of_deletions(0.5, 3))


def test_a_text_that_shares_its_sets_with_the_clean_one_has_the_very_same_draws(ring: str) -> None:
    distribution = Substitution(PerturbationSets(load(ring), 8))
    assert distribution.draws("Cat sat, dog.", 3, 0, 20) == distribution.draws("Dog sat, elk.", 3, 0, 20)
    assert distribution.touched("Cat sat, dog.", 3, 20) == []


def test_an_attack_on_a_word_can_do_one_thing_to_it_and_a_draw_that_scored_high_is_no_loss() -> None:
    draws = np.array([0.1, 0.2, 0.3, 0.8, 0.9])
    first, second = [1, 0, 0, 0, 0], [0, 0, 0, 1, 1]  # two synonyms of one word, and what they touch
    distribution = ScoreDistribution(draws, touched=[np.array([first, second], dtype=bool)])
    assert shared_mean(distribution, 1) == pytest.approx((1.0 + 0.2 + 0.3 + 0.8 + 0.9) / 5)
    assert shared_quantile(distribution, 0.5, 1) == 0.8  # three stay: 0.2, 0.3, 0.8
    assert shared_quantile(distribution._replace(touched=[np.array([second], dtype=bool)]), 0.5, 1) == 0.3
    assert shared_quantile(distribution, 0.5, 0) == 0.3
    other = np.array([[0, 1, 0, 0, 0]], dtype=bool)
    assert (
        shared_quantile(distribution._replace(touched=[*(distribution.touched or ()), other]), 0.5, 2) == 1.0
    )  # two stay
    assert shared_quantile(distribution._replace(touched=[np.ones((1, 5), dtype=bool)]), 0.5, 1) == 1.0


def test_masks_cover_any_replaced_word_and_deletions_any_edit_but_tables_only_their_own(ring: str) -> None:
    synonyms = AttackSet(operation="substitute", substitutes="wordnet")
    inserted = AttackSet(operation="insert")
    assert covers(Masking(0.5).edits, synonyms)
    assert not covers(Masking(0.5).edits, inserted)
    assert covers(Deletion(0.5).edits, inserted)
    assert covers(Deletion(0.5).edits, synonyms)
    assert not covers(Substitution(PerturbationSets(load(ring), 3)).edits, synonyms)
    priced = AttackSet(operation="substitute", substitutes="wordnet", costs="prices")
    assert not covers(priced, synonyms)


def test_a_radius_below_one_is_a_share_of_the_words() -> None:
    assert [allowed(0.05, n) for n in (10, 20, 39, 40)] == [0, 1, 1, 2]
    assert allowed(3, 10) == 3


def test_the_knapsack_is_exact() -> None:
    rng = Random(6)
    for _ in range(200):
        rows = [[(rng.randint(1, 4), rng.random()) for _ in range(rng.randint(0, 2))] for _ in range(4)]
        budget = rng.randint(0, 7)
        best = 1.0
        for picks in product(*([None, *row] for row in rows)):
            taken = [pick for pick in picks if pick is not None]
            if sum(cost for cost, _ in taken) <= budget:
                best = min(best, float(np.prod([kept for _, kept in taken])))
        assert total_variation_with_costs(rows, budget) == pytest.approx(1 - best)
    overlaps = [0.9, 0.5, 0.7]
    assert total_variation_with_costs([[(1, q)] for q in overlaps], 2) == pytest.approx(total_variation(overlaps, 2))


def test_costs_make_an_attack_dearer_and_the_certificate_says_so(ring: str) -> None:
    sets = PerturbationSets(load(ring), 3)
    free, priced = Substitution(sets), Substitution(sets, {"cat": 3}, "prices.json")
    assert free.reach("cat dog", 1) == Reach(free.reach("dog", 1).variation, 1)
    assert priced.reach("cat", 2) == Reach(0.0, 0)
    assert priced.reach("cat", 3).variation == free.reach("cat", 1).variation
    assert priced.reach("cat dog", 1).words == 1
    assert str(priced.edits).endswith("costs prices.json)")


def test_shifts_of_masks_and_deletions_in_closed_form() -> None:
    assert total_variation_of_masks(6, 2, 1) == pytest.approx(1 / 3)
    assert total_variation_of_masks(3, 3, 1) == 1.0
    assert total_variation_of_masks(0, 0, 1) == 0.0
    assert total_variation_of_deletions(0.1, 2) == pytest.approx(0.19)
