"""The true worst case of BM25, against enumeration of all attacks."""

from __future__ import annotations

import json
from itertools import combinations, product
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from robustrank.certificates import bm25_worst_case
from robustrank.certificates.bm25_worst_case import worst_case
from robustrank.core.errors import DataError, PluginError
from robustrank.core.types import AttackSet, Document, Query, RankerCard
from robustrank.core.words import substitute, words
from robustrank.perturbations import operations
from robustrank.perturbations.substitutes import load
from robustrank.rankers.bm25 import BM25, FittedBM25
from robustrank.rankers.controls import Identity
from robustrank.retrieval.analysis import analyze
from robustrank.testing import check_defense
from robustrank.work.record_format import AuditFormat
from robustrank.work.records import CertificateRecord
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


TWINS = {"straße": "strasse", "maß": "mass", "ıl": "il", "ſo": "so", "ﬁn": "fin", "οδος": "οδοσ"}
"""Words whose upper case does not come back as they were, and the words that it comes back as."""
PLAIN = ["weg", "haus", "café"]
ODD = [*TWINS, *TWINS.values(), *PLAIN, "ǆa", "ŉa", "ĳ"]


@given(
    pairs=st.dictionaries(st.sampled_from(PLAIN), st.lists(st.sampled_from(list(TWINS)), max_size=4), min_size=2),
    text=st.lists(
        st.tuples(st.sampled_from(ODD + 3 * PLAIN), st.sampled_from([str, str.upper, str.title])), min_size=1
    ),
    asked=st.lists(st.sampled_from(list(TWINS.values()) + ODD), min_size=1, max_size=3),
    gap=st.sampled_from([" ", "  ", ", ", "'", "-", "_"]),
    radius=st.integers(0, 3),
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_legal_attack_in_any_letters_passes_the_bound(
    tmp_path: Path, pairs: dict[str, list[str]], text: list[tuple[str, Any]], asked: list[str], gap: str, radius: int
) -> None:
    path = tmp_path / f"{abs(hash(json.dumps(pairs)))}.json"
    path.write_text(json.dumps(pairs), encoding="utf-8")
    try:
        synonyms = load(str(path))
    except DataError:
        return  # not one word each as the unit counts
    terms = {term for word in ODD for form in (word, word.upper(), word.title()) for term in analyze([form])[0]}
    ranker = FittedBM25(RankerCard(name="bm25", fingerprint="x"), dict.fromkeys(terms, 1.0), 3.0, 0.9, 0.4)
    query, document = Query("q", " ".join(asked)), gap.join(change(word) for word, change in text[:4])
    bound = worst_case(ranker, query, document, synonyms.of, radius)
    allowed = AttackSet(operation="substitute", substitutes=str(path))
    places = words(document)
    forms = [
        {
            form
            for other in synonyms.of(place.text)
            for form in (other, other.upper(), other.title(), other.capitalize())
        }
        for place in places
    ]
    for chosen in product(*([place.text, *sorted(options)] for place, options in zip(places, forms, strict=True))):
        pieces, last = [], 0
        for place, word in zip(places, chosen, strict=True):
            pieces += [document[last : place.start], word]
            last = place.end
        after = "".join([*pieces, document[last:]])
        edited = operations.named("substitute").check(document, after, allowed)
        if not edited.reasons and edited.edits <= radius:
            (score,) = ranker.score(query, [Document("d", after)])
            assert score <= bound + 1e-9, (document, after)


def test_a_street_in_capitals_is_no_false_certificate(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text(json.dumps({"weg": ["straße"]}), encoding="utf-8")
    assert substitute("BERLINER WEG karte", {1: "straße"}) == "BERLINER straße karte"
    ranker = FittedBM25(RankerCard(name="bm25", fingerprint="x"), {"strass": 1.0, "straß": 1.0}, 3.0, 0.9, 0.4)
    for text in ("BERLINER WEG karte", "berliner weg karte", "Berliner Weg Karte"):
        for asked in ("strasse", "straße"):
            query = Query("q", asked)
            (score,) = ranker.score(query, [Document("d", substitute(text, {1: "straße"}))])
            assert worst_case(ranker, query, text, load(str(path)).of, 1) == pytest.approx(score)
    allowed = AttackSet(operation="substitute", substitutes=str(path))
    illegal = operations.named("substitute").check("BERLINER WEG karte", "BERLINER STRASSE karte", allowed)
    assert illegal.reasons


def test_capital_sigmas_are_not_bounded_because_their_lower_case_hangs_on_their_neighbours(table: str) -> None:
    assert worst_case(bm25(Random(4)), Query("q", "ant"), "ant ΟΔΟΣ", load(table).of, 1) == float("inf")


@pytest.mark.parametrize(("k1", "b"), [(-0.1, 0.4), (0.9, -0.1), (0.9, 1.1), (float("nan"), 0.4), (float("inf"), 0.4)])
def test_bm25_takes_no_parameters_under_which_a_term_could_lower_a_score(k1: float, b: float) -> None:
    with pytest.raises(PluginError, match="k1 is at least 0 and b from 0 to 1"):
        BM25(k1=k1, b=b)
    assert BM25(k1=0, b=1).k1 == 0


def test_a_certificate_says_of_how_many_documents_it_speaks(table: str) -> None:
    docs = [Document(str(n), name) for n, name in enumerate(NAMES[:4])]
    for claim in ExactWorstCase(substitutes=table).wrap(bm25(Random(1))).certify(Query("q", "ant"), docs, [1], [1]):
        assert "of the 4 documents of the list, no others" in claim.assumes


def test_a_list_whose_worst_case_is_not_bounded_has_a_certificate_that_can_be_written(table: str) -> None:
    docs = [Document("1", "ant"), Document("2", "ant_bee")]
    claims = ExactWorstCase(substitutes=table).wrap(bm25(Random(4))).certify(Query("q", "ant"), docs, [1], [1])
    record = CertificateRecord(query_id="q", ranker="r", collection="home", certificates=claims)
    assert AuditFormat().loads(AuditFormat().dumps(record).encode()) == record
    assert [(claim.certified, claim.upper) for claim in claims] == [(False, None)]
