"""The true worst case of BM25, against enumeration of all attacks."""

from __future__ import annotations

import json
from itertools import combinations, product
from pathlib import Path
from random import Random

import pytest

from robustrank.certificates import bm25_worst_case
from robustrank.certificates.bm25_worst_case import worst_case
from robustrank.core.errors import PluginError
from robustrank.core.types import Document, Query, RankerCard
from robustrank.core.words import substitute, words
from robustrank.perturbations.substitutes import load
from robustrank.rankers.bm25 import FittedBM25
from robustrank.rankers.controls import Identity
from robustrank.testing import check_defense
from robustrank_defenses.certified.exact_worst_case import ExactWorstCase

NAMES = ["ant", "bee", "cat", "dog", "elk", "fox", "gnu", "hen", "owl", "yak"]


def bm25(rng: Random) -> FittedBM25:
    idf = {name: rng.uniform(0.1, 6) for name in NAMES}
    return FittedBM25(RankerCard(name="bm25", fingerprint="x"), idf, rng.uniform(2, 8), 0.9, rng.uniform(0, 1))


@pytest.fixture
def table(tmp_path: Path) -> str:
    """Words that may become several others."""
    path = tmp_path / "table.json"
    pairs = {w: [NAMES[(i + 1) % 10], NAMES[(i + 3) % 10]] for i, w in enumerate(NAMES)}
    path.write_text(json.dumps(pairs), encoding="utf-8")
    return str(path)


def enumerated(ranker: FittedBM25, query: Query, text: str, table: str, radius: int) -> float:
    target_words, synonyms = words(text), load(table)
    texts = {text}
    for places in combinations(range(len(target_words)), min(radius, len(target_words))):
        options = [[target_words[i].text, *synonyms.of(target_words[i].text)] for i in places]
        texts |= {substitute(text, dict(zip(places, choice, strict=True))) for choice in product(*options)}
    return max(ranker.score(query, [Document("d", text) for text in sorted(texts)]))


def check_random_documents(table: str, cases: int, seed: int) -> None:
    rng = Random(seed)
    for _ in range(cases):
        ranker, query = bm25(rng), Query("q", " ".join(rng.choices(NAMES, k=rng.randint(1, 4))))
        text = " ".join(rng.choices(NAMES, k=rng.randint(1, 6)))
        radius = rng.randint(0, 3)
        truth = enumerated(ranker, query, text, table, radius)
        assert worst_case(ranker, query, text, load(table).of, radius) == pytest.approx(truth, abs=1e-9)


def test_the_worst_case_is_that_of_enumeration(table: str) -> None:
    check_random_documents(table, 150, seed=1)


@pytest.mark.slow
def test_the_worst_case_is_that_of_enumeration_in_a_large_sweep(table: str) -> None:
    check_random_documents(table, 3000, seed=2)


def test_too_many_sums_give_a_bound_above_the_truth(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bm25_worst_case, "STATES", 3)
    rng = Random(3)
    for _ in range(60):
        ranker, query = bm25(rng), Query("q", " ".join(rng.choices(NAMES, k=3)))
        text = " ".join(rng.choices(NAMES, k=5))
        bound = worst_case(ranker, query, text, load(table).of, 2)
        assert bound >= enumerated(ranker, query, text, table, 2) - 1e-9


def test_a_text_whose_terms_reach_over_words_is_not_bounded(table: str) -> None:
    ranker = bm25(Random(4))
    assert worst_case(ranker, Query("q", "ant"), "ant_bee", load(table).of, 1) == float("inf")


def test_it_keeps_the_contract_of_a_defense_that_certifies(table: str) -> None:
    texts = [Document(str(i), text) for i, text in enumerate(["ant bee", "cat", "no such words", "Dog's ELK"])]
    check_defense(ExactWorstCase(substitutes=table), bm25(Random(5)), Query("q", "ant dog"), texts)


def test_a_list_is_certified_exactly_where_no_attack_reaches_the_top(table: str) -> None:
    rng, certified = Random(6), 0
    for _ in range(40):
        ranker, query = bm25(rng), Query("q", " ".join(rng.choices(NAMES, k=2)))
        docs = [Document(str(i), " ".join(rng.choices(NAMES, k=4))) for i in range(4)]
        smoothed = ExactWorstCase(substitutes=table).wrap(ranker)
        scores = sorted(zip(smoothed.score(query, docs), docs, strict=True), reverse=True)
        for claim in smoothed.certify(query, docs, [1, 2], [1, 2]):
            worst = max(enumerated(ranker, query, d.text, table, int(claim.radius)) for _, d in scores[claim.k :])
            least = scores[claim.k - 1][0]
            if abs(least - worst) > 1e-4:
                assert claim.certified is (least > worst)
            certified += claim.certified
    assert certified >= 5


def test_rankers_that_do_not_count_terms_are_refused() -> None:
    with pytest.raises(PluginError, match="bm25"):
        ExactWorstCase().wrap(Identity())
