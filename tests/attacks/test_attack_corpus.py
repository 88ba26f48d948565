"""Attacks that add documents: known answers on made-up encoders and on BM25, by enumeration where that is possible."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from random import Random
from typing import Any

import numpy as np
import pytest

from robustrank.core.corpus_types import CorpusCase, StageOracle
from robustrank.core.errors import ContractError
from robustrank.core.interfaces import OpenEncoder
from robustrank.core.plugin_spec import Plugin
from robustrank.core.ranking import order
from robustrank.core.types import Access, Budget, Collection, Document, Perturbation, Query, ThreatModel
from robustrank.perturbations.planted import plant_ids, verify_plants
from robustrank.perturbations.stage_oracle import MeteredStage
from robustrank.retrieval.clusters import centroid, clusters
from robustrank.retrieval.dense import Dense
from robustrank.retrieval.first_stage import searcher
from robustrank.testing import WordVectors, check_attack, check_corpus_attack
from robustrank.testing.sample_lists import COLLECTION, check
from robustrank_attacks.corpus._ascent import Aim, Plan, above, along, ascend, begun
from robustrank_attacks.corpus.plant_controls import PlantNatural, PlantPayload, PlantStuffing
from robustrank_attacks.corpus.plant_copy import PlantCopy, copied
from robustrank_attacks.corpus.plant_gaslite import PlantGaslite
from robustrank_attacks.corpus.plant_hotflip import PlantHotFlip
from robustrank_attacks.corpus.plant_hub import PlantHub
from robustrank_attacks.corpus.plant_query import PlantQuery

WORDS = ["", *(a + b for a in "bcdfg" for b in "aeiou")]


def bag(*, unit: bool = False) -> WordVectors:
    """The mean of the vectors of a text's words, compared by the inner product; a word is a piece."""
    return WordVectors(words=tuple(WORDS[1:]), unit=unit)


GROUP = tuple(Query(f"q{n}", text) for n, text in enumerate(["ba be bi", "ca ce", "da de di do", "fa fe"]))
RNG = Random(9)
DOCUMENTS = {f"d{n}": Document(f"d{n}", " ".join(RNG.choices(WORDS[1:], k=6))) for n in range(40)}


def collection(documents: dict[str, Document] = DOCUMENTS) -> Collection:
    return Collection(
        name="made up", documents=documents, queries=GROUP, qrels={}, query_types={}, candidates={}, digest=""
    )


def case(**changes: Any) -> CorpusCase:
    plain = CorpusCase(group=GROUP, plants=2, words=None, payload=None, corpus=tuple(DOCUMENTS.values()))
    return plain._replace(**changes)


def oracle(attack: object = None, encoder: WordVectors | None = None, **limits: int) -> MeteredStage:
    threat = (attack or PlantGaslite()).threat  # type: ignore[attr-defined]
    return MeteredStage(Dense(encoder or bag(), collection()), DOCUMENTS, GROUP, threat, Budget(**limits))


def test_the_bag_is_an_open_encoder() -> None:
    assert isinstance(bag(), OpenEncoder)


# HotFlip: on a mean of embeddings every flip does what its gradient says, and nothing is better than one word repeated.


def test_a_flip_gains_what_its_gradient_says_on_a_mean_of_embeddings() -> None:
    encoder, direction = bag(), bag().encode(["ba ce"], query=True)[0]
    ids = [1, 5, 9]
    (told,) = encoder.piece_gradients([encoder.text(ids)], direction)
    before = float(encoder.encode([encoder.text(ids)], query=False)[0] @ direction)
    for position, other in product(range(3), range(1, len(WORDS))):
        flipped = [*ids[:position], other, *ids[position + 1 :]]
        gain = float(encoder.encode([encoder.text(flipped)], query=False)[0] @ direction) - before
        first_order = told.gradient[position] @ (encoder.embeddings[other] - encoder.embeddings[ids[position]])
        assert gain == pytest.approx(float(first_order), abs=1e-6)


def test_hotflip_ends_at_the_single_best_word_repeated() -> None:
    attack = PlantHotFlip(pieces=4, steps=60, candidates=6)
    made = attack.perturb(case(plants=1), oracle(attack), Random(1))
    vectors = bag().encode([query.text for query in GROUP], query=True)
    best = WORDS[1 + int(np.argmax(bag().embeddings[1:] @ centroid(vectors)))]
    assert made.inserted == (" ".join([best] * 4),)


# GASLITE: one sweep over all positions with all pieces is the best text there is where pieces add up.


def test_one_iteration_with_all_candidates_is_the_best_of_all_texts() -> None:
    encoder, direction = bag(), bag().encode(["ba ce di"], query=True)[0]
    plan = Plan(iterations=1, positions=2, candidates=len(WORDS) - 1)
    done = ascend(oracle(), "gu", (1, 2), along(direction), plan, Random(0))
    texts = [f"gu {encoder.text(ids)}" for ids in product(range(1, len(WORDS)), repeat=2)]
    values = encoder.encode(texts, query=False).astype(np.float64) @ direction.astype(np.float64)
    assert done.value == pytest.approx(values.max(), abs=1e-6)
    assert done.text == texts[int(values.argmax())]


@pytest.mark.parametrize("knows", ["query", "concept", "nothing"])
def test_the_cosine_never_falls_and_no_text_exceeds_the_centroid(knows: str) -> None:
    encoder = bag(unit=True)
    direction = centroid(encoder.encode([query.text for query in GROUP], query=True))
    values = []
    for iterations in range(6):
        plan = Plan(iterations=iterations, positions=3, candidates=4, copies=3)
        values.append(ascend(oracle(encoder=encoder), "gu", (1, 2, 3, 4), along(direction), plan, Random(2)).value)
    assert values == sorted(values)
    assert values[-1] > values[0]
    assert values[-1] <= 1 + 1e-6
    attack = PlantGaslite(knows=knows, suffix=6, iterations=3)  # type: ignore[arg-type]
    made = attack.perturb(case(payload="gu go", words=8), oracle(attack, encoder), Random(3))
    assert len(made.inserted) == 2
    assert not verify_plants(case(payload="gu go", words=8), made, attack.threat).violations


def test_documents_for_a_query_are_nearer_to_it_than_stuffing() -> None:
    payload = "gu go gi ga"
    encoder, attack = bag(unit=True), PlantGaslite(knows="query", suffix=6, iterations=4)
    made = attack.perturb(case(payload=payload, plants=4), oracle(attack, encoder), Random(3)).inserted
    stuffed = [f"{payload} {query.text}" for query in GROUP]
    queries = encoder.encode([query.text for query in GROUP], query=True)
    near = (encoder.encode(made, query=False) * queries).sum(axis=1)
    assert (near > (encoder.encode(stuffed, query=False) * queries).sum(axis=1)).all()


def test_a_budget_of_encodes_is_kept_and_shared() -> None:
    attack = PlantGaslite(suffix=6, iterations=50, positions=3, candidates=4, copies=2)
    asked = oracle(attack, encodes=90)
    made = attack.perturb(case(), asked, Random(3))
    assert len(made.inserted) == 2
    assert 60 < asked.spent <= 90


def test_words_of_a_document_are_limited() -> None:
    for attack in (PlantGaslite(suffix=30, iterations=2), PlantHotFlip(steps=5), PlantHub(iterations=2)):
        given = case(words=7, payload="gu go")
        made = attack.perturb(given, oracle(attack), Random(3))
        assert made.inserted
        assert not verify_plants(given, made, attack.threat).violations


# Hubs: of equal queries the search is that for one query; in every list already, there is nothing to do.


def test_a_hub_for_equal_queries_goes_where_the_text_for_the_query_goes() -> None:
    encoder = bag()
    one = encoder.encode(["ba be bi"], query=True)
    far = np.full(3, 100.0)  # thresholds out of reach: every query pulls all the time
    plan = Plan(iterations=3, positions=3, candidates=6, copies=2)
    hub = ascend(oracle(), "", (1, 2, 3), above(np.repeat(one, 3, axis=0), far, 0.0), plan, Random(5))
    query = ascend(oracle(), "", (1, 2, 3), along(one[0]), plan, Random(5))
    assert hub.text == query.text


def test_a_document_that_is_in_every_list_is_left_as_it_is() -> None:
    asked = oracle()
    aim = above(bag().encode(["ba"], query=True), np.array([-100.0]), 0.0)
    done = ascend(asked, "", (1, 2, 3), aim, Plan(iterations=9, positions=3, candidates=6), Random(5))
    assert (done.ids, done.value, asked.spent) == ((1, 2, 3), 0.0, 1)
    assert begun(asked, "", (1, 2, 3), Aim(aim.value, aim.towards)).text == done.text


def test_hubs_stand_in_more_lists_than_any_natural_document() -> None:
    attack = PlantHub(suffix=6, margin=0.0)
    made = attack.perturb(case(plants=1), oracle(attack), Random(3)).inserted
    stage = Dense(bag(), collection())
    texts = [query.text for query in GROUP]
    tenth = [scored[9][1] for scored in stage.search(texts, 10)]
    natural = [sum(doc_id in [i for i, _ in scored] for scored in stage.search(texts, 10)) for doc_id in DOCUMENTS]
    assert int((stage.scores(texts, made)[:, 0] > tenth).sum()) >= max(natural)


# The cheap ones.


def test_a_pasted_query_on_bm25_without_saturation_has_the_maximum_and_loses_ties() -> None:
    """PoisonedRAG: with k1 = 0 a document with every term has the greatest score, whatever it says besides."""
    documents = {f"d{n}": Document(f"d{n}", text) for n, text in enumerate(["cats sleep", "cats", "dogs sleep", "x y"])}
    query = Query("q", "cats sleep")
    given = CorpusCase(group=(query,), plants=5, words=20, payload="buy this", corpus=())
    made = PlantQuery().perturb(given, oracle(PlantQuery()), Random(0)).inserted
    assert made == ("cats sleep.buy this",)
    # Binary matches: the sum of weights of the terms that a document has.
    terms = {"cats", "sleep"}
    scored = [(i, float(len(terms & set(doc.text.replace(".", " ").split())))) for i, doc in documents.items()]
    (plant,) = plant_ids(1, documents)
    ranking = order([*scored, (plant, 2.0)])
    assert ranking.index(plant) == sum(score == 2.0 for _, score in scored) == 1
    stage = searcher(Plugin(use="bm25"), collection(documents))
    assert stage.scores([query.text], made)[0, 0] > stage.search([query.text], 4)[0][1][1]


def test_equal_documents_stand_one_after_another() -> None:
    plants = plant_ids(5, DOCUMENTS)
    ranking = order([("d1", 2.0), ("d2", 0.5), *((plant, 1.0) for plant in plants)])
    assert ranking == ["d1", *sorted(plants, reverse=True), "d2"]


def test_a_copy_keeps_what_matters_to_the_query_and_carries_the_payload() -> None:
    text = "Cats sleep a lot. The weather was fine. They wake at night."
    assert copied(text, "when do cats sleep", "Buy this.", None) == "Cats sleep a lot. The weather was fine. Buy this."
    assert copied("Cats sleep.", "cats", "Buy this.", None) == "Cats sleep. Buy this."
    assert copied(text, "when do cats sleep", "Buy this.", 6) == "Cats sleep a lot. Buy this."
    assert copied(text, "when do cats sleep", "Buy this.", 4) == "Cats sleep Buy this."


def test_copies_are_of_the_first_document_of_each_query() -> None:
    attack = PlantCopy()
    made = attack.perturb(case(payload="gu go gi"), oracle(attack), Random(0)).inserted
    stage = Dense(bag(), collection())
    firsts = [DOCUMENTS[scored[0][0]].text for scored in stage.search([query.text for query in GROUP[:2]], 1)]
    assert list(made) == [f"{text} gu go gi" for text in firsts]


@pytest.mark.parametrize(
    "attack", [PlantQuery(), PlantCopy(), PlantPayload(), PlantNatural(), PlantStuffing(), PlantGaslite(iterations=1),
               PlantHotFlip(steps=1), PlantHub(iterations=1)],
)  # fmt: skip
@pytest.mark.parametrize("payload", [None, "gu go"])
@pytest.mark.parametrize("words", [None, 5])
def test_every_attack_keeps_its_limits_and_repeats_itself(attack: PlantQuery, payload: str | None, words: int) -> None:
    given = case(payload=payload, words=words, plants=3)
    made = attack.perturb(given, oracle(attack), Random(8))
    assert not verify_plants(given, made, attack.threat).violations
    assert made.inserted
    assert attack.perturb(given, oracle(attack), Random(8)) == made
    assert attack.threat.control is isinstance(attack, PlantPayload | PlantNatural | PlantStuffing)


def test_controls_are_what_they_say() -> None:
    natural = PlantNatural().perturb(case(), oracle(PlantNatural()), Random(0)).inserted
    assert set(natural) <= {doc.text for doc in DOCUMENTS.values()}
    assert PlantPayload().perturb(case(payload="gu"), oracle(PlantPayload()), Random(0)).inserted == ("gu", "gu")
    stuffed = PlantStuffing().perturb(case(payload="gu"), oracle(PlantStuffing()), Random(0)).inserted
    assert stuffed == ("gu ba be bi. da de di do", "gu ca ce. fa fe")


def test_clusters_are_the_groups_that_there_are() -> None:
    vectors = np.array([[0, 1], [5, 5], [0, 1.1], [5, 5.1], [0, 0.9]], dtype=np.float32)
    assert clusters(vectors, 2, 3) == [[0, 2, 4], [1, 3]]
    assert len(clusters(np.ones((4, 2), dtype=np.float32), 3, 0)) == 1


def test_weights_are_needed_for_gradients_only() -> None:
    stages = {type(a): a.threat.stage for a in (PlantQuery(), PlantCopy(), PlantGaslite(), PlantHub(), PlantHotFlip())}
    assert list(stages.values()) == [Access.NONE, Access.RANKS, *[Access.WEIGHTS] * 3]


ALL = [PlantQuery(), PlantCopy(), PlantPayload(), PlantNatural(), PlantStuffing(), PlantGaslite(), PlantHotFlip(),
       PlantHub(), PlantGaslite(knows="query")]  # fmt: skip


@pytest.mark.parametrize("attack", ALL)
def test_every_attack_keeps_the_contract(attack: PlantQuery) -> None:
    check(attack)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Greedy:
    """Declares nothing of the first stage, and asks it all the same; or keeps count of its calls."""

    how: str = "asks"
    calls: list[int] = field(default_factory=list)

    @property
    def threat(self) -> ThreatModel:
        return PlantQuery().threat

    def perturb(self, case: CorpusCase, oracle: StageOracle, rng: Random, /) -> Perturbation:
        if self.how == "asks":
            oracle.scores(["x"])
        if self.how == "counts":
            self.calls.append(1)
            return Perturbation(inserted=(f"call {len(self.calls)}. {case.payload or ''}",))
        return Perturbation(inserted=("one", "two", "three", "four"))


@pytest.mark.parametrize(
    ("how", "message"),
    [("asks", "needs access 'scores'"), ("counts", "not repeatable"), ("many", "adds 4 documents, the budget is 1")],
)
def test_what_breaks_the_contract_is_told(how: str, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        check_corpus_attack(Greedy(how), COLLECTION)


def test_a_corpus_attack_is_not_checked_as_an_attack_on_a_document() -> None:
    with pytest.raises(ContractError, match="check_corpus_attack"):
        check_attack(PlantQuery(), ranker=None, cases=[None])  # type: ignore[arg-type, list-item]
