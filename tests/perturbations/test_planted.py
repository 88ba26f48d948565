"""Added documents: ids that lose ties, what verification refuses, and what the first stage lends to whom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from robustrank.core.corpus_types import CorpusCase
from robustrank.core.errors import AccessDenied, BudgetExhausted, PluginFailed
from robustrank.core.ranking import order
from robustrank.core.types import (
    Access,
    AttackSet,
    Budget,
    Collection,
    Document,
    Perturbation,
    Query,
    Surface,
    ThreatModel,
)
from robustrank.perturbations.planted import plant_ids, verify_plants
from robustrank.perturbations.stage_oracle import MeteredStage
from robustrank.retrieval.dense import Dense

QUERY = Query("q", "cats")
CASE = CorpusCase(group=(QUERY,), plants=2, words=5, payload="buy this", corpus=())


def threat(stage: Access = Access.NONE, *, payload: bool = True) -> ThreatModel:
    return ThreatModel(
        surface=Surface.CORPUS, access=Access.NONE, edits=AttackSet(operation="plant"), stage=stage, payload=payload
    )


@pytest.mark.parametrize("others", [["d1", "a", "Z"], ["0", "1"], ["!a", "x"], ["!plant-0"], [" x"], ["!"], []])
def test_a_document_that_is_added_loses_every_tie_whatever_ids_a_corpus_has(others: list[str]) -> None:
    ids = plant_ids(12, others)
    assert len(set(ids)) == 12
    assert not set(ids) & set(others)
    for scores in product((0.0, 1.0), repeat=min(3, len(others))):
        scored = [*zip(others, scores, strict=False), *((doc_id, 1.0) for doc_id in ids)]
        ranking = order(scored)
        tied = [doc_id for doc_id, score in scored if score == 1.0 and doc_id not in ids]
        assert set(ranking[: len(tied)]) == set(tied)


def test_ordinary_ids_are_readable() -> None:
    assert plant_ids(2, ["d1", "d2"]) == ["!plant-0", "!plant-1"]


@pytest.mark.parametrize(
    ("offered", "reason"),
    [
        (Perturbation(inserted=("buy this", "so buy this now", "buy this")), "adds 3 documents, the budget is 2"),
        (Perturbation(inserted=("one two three four buy this",)), "document 1 has 6 words, the budget is 5"),
        (Perturbation(inserted=("buy this", "buy  this")), "document 2 does not hold the payload"),
        (Perturbation(inserted=("buy this",), target="x"), "changes a query or a document that is there"),
        (Perturbation(query="x"), "changes a query or a document that is there"),
        (Perturbation(inserted=("buy this !!!! ;;;; ....",)), "document 1 has 8 marks more than two a word"),
    ],
)
def test_what_is_not_allowed_is_named(offered: Perturbation, reason: str) -> None:
    (violation,) = verify_plants(CASE, offered, threat()).violations
    assert violation.startswith(reason)


def test_legal_documents_are_counted_in_words() -> None:
    finding = verify_plants(CASE, Perturbation(inserted=("cats. buy this", "buy this")), threat())
    assert (finding.violations, finding.edits) == ((), 5)
    assert not verify_plants(CASE, Perturbation(inserted=("cats",)), threat(payload=False)).violations


class Lengths:
    """One dimension: the length of the text. It lends no word pieces."""

    fingerprint = "lengths"

    def encode(self, texts: Sequence[str], /, *, query: bool) -> NDArray[np.float32]:
        if any("fail" in text for text in texts):
            raise RuntimeError("out of memory")
        return np.array([[float(len(text))] for text in texts], dtype=np.float32)


DOCUMENTS = {f"d{n}": Document(f"d{n}", "x" * n) for n in range(1, 30)}


def stage(access: Access, budget: Budget = Budget()) -> MeteredStage:  # noqa: B008  # frozen
    collection = Collection(
        name="made up", documents=DOCUMENTS, queries=(QUERY,), qrels={}, query_types={}, candidates={}, digest=""
    )
    return MeteredStage(Dense(Lengths(), collection), DOCUMENTS, (QUERY,), threat(access), budget)


def test_each_access_lends_what_it_says_and_no_more() -> None:
    calls: dict[Access, Callable[[MeteredStage], object]] = {
        Access.RANKS: lambda oracle: oracle.top(QUERY),
        Access.SCORES: lambda oracle: (oracle.scores(["x"]), oracle.thresholds(3)),
        Access.WEIGHTS: lambda oracle: oracle.encode(["x"]),
    }
    for access in Access:
        for needed, call in calls.items():
            if access.level < needed.level:
                with pytest.raises(AccessDenied, match=f"needs access '{needed.value}' to the first stage"):
                    call(stage(access))
            elif needed is not Access.WEIGHTS:
                call(stage(access))
    asked = stage(Access.WEIGHTS)
    with pytest.raises(PluginFailed, match="no word pieces"):
        asked.encode(["x"])
    assert "no word pieces" in asked.failure


def test_lists_are_those_of_known_queries_and_ten_documents_long() -> None:
    oracle = stage(Access.RANKS)
    assert [doc.doc_id for doc in oracle.top(QUERY, 25)] == [f"d{n}" for n in range(29, 19, -1)]
    with pytest.raises(AccessDenied, match="not of its group"):
        oracle.top(Query("held out", "dogs"))


def test_encodes_are_counted_and_limited_and_errors_kept() -> None:
    oracle = stage(Access.SCORES, Budget(encodes=3))
    assert oracle.scores(["xx", "xxx"]).tolist() == [[8.0, 12.0]]
    assert oracle.thresholds(2).tolist() == [4.0 * 28]
    assert (oracle.spent, oracle.affordable()) == (2, 1)
    with pytest.raises(BudgetExhausted, match="2 of 3 encodes spent, 2 more requested"):
        oracle.scores(["a", "b"])
    with pytest.raises(PluginFailed, match="out of memory"):
        oracle.scores(["fail"])
    assert oracle.failure == "first stage: RuntimeError: out of memory"
