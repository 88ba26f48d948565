"""BM25, functions and controls as rankers."""

from __future__ import annotations

import pickle
from pathlib import Path

import bm25s
import pytest

from robustrank.collections.bundled import SciFact
from robustrank.core.errors import ContractError, PluginError
from robustrank.core.interfaces import CollectionRanker, Ranker
from robustrank.core.types import Collection, Document, Query
from robustrank.rankers.bm25 import BM25
from robustrank.rankers.controls import Identity, Random
from robustrank.rankers.function import CallableRanker, FunctionRanker
from robustrank.retrieval.analysis import analyze
from robustrank.testing import check_ranker


@pytest.fixture(scope="module")
def scifact() -> Collection:
    return SciFact().load()


@pytest.fixture(scope="module")
def bm25(scifact: Collection) -> Ranker:
    return BM25().fit(scifact)


def test_bm25_scores_equal_those_of_bm25s(scifact: Collection, bm25: Ranker) -> None:
    ids = sorted(scifact.documents)
    index = bm25s.BM25(method="lucene", k1=0.9, b=0.4, dtype="float64")
    index.index(analyze([scifact.documents[i].text for i in ids]), show_progress=False)
    for query in scifact.queries[:20]:
        terms = [term for term in analyze([query.text])[0] if term in index.vocab_dict]
        expected = index.get_scores(terms)
        ours = bm25.score(query, [scifact.documents[i] for i in ids[:300]])
        assert ours == pytest.approx(expected[:300].tolist(), abs=1e-9)


def test_perturbing_one_document_changes_no_other_score(scifact: Collection, bm25: Ranker) -> None:
    query, (first, second) = scifact.queries[0], list(scifact.documents.values())[:2]
    spam = first._replace(text=f"{query.text} " * 50)
    assert bm25.score(query, [spam, second])[1] == bm25.score(query, [first, second])[1]


def test_classic_rankers_keep_the_contract(scifact: Collection, bm25: Ranker) -> None:
    docs = list(scifact.documents.values())[:10]
    for ranker in (bm25, Random(), Identity()):
        check_ranker(ranker, scifact.queries[0], docs)


def test_bm25_is_blind_to_word_order_and_case(scifact: Collection, bm25: Ranker) -> None:
    query = scifact.queries[3]
    doc = next(scifact.documents[i] for i in scifact.qrels[query.query_id])
    shuffled = doc._replace(text=" ".join(sorted(doc.text.split())).upper())
    assert bm25.score(query, [shuffled]) == pytest.approx(bm25.score(query, [doc]))


def test_bm25_needs_a_collection_first() -> None:
    assert isinstance(BM25(), CollectionRanker)
    with pytest.raises(ContractError, match="call fit"):
        BM25().score(Query("q", "x"), [])


def test_random_scores_are_repeatable_pointwise_and_differ_by_seed() -> None:
    query, docs = Query("q", "x"), [Document(str(i), f"text {i}") for i in range(5)]
    scores = Random().score(query, docs)
    assert Random().score(query, docs[::-1]) == scores[::-1]
    assert Random(seed=1).score(query, docs) != scores
    assert len(set(scores)) == 5


def test_identity_keeps_the_order_it_is_given() -> None:
    assert Identity().score(Query("q", ""), [Document("b", ""), Document("a", "")]) == [0.0, -1.0]
    assert not Identity().card.pointwise


def test_a_function_is_a_ranker() -> None:
    ranker = FunctionRanker(lambda query, docs: [doc.count(query) for doc in docs], "counts")
    assert ranker.score(Query("q", "a"), [Document("1", "banana"), Document("2", "kiwi")]) == [3.0, 0.0]


def test_a_function_is_found_by_its_import_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_ranker.py").write_text("def lengths(query, docs):\n    return [len(d) for d in docs]\nnumber = 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    ranker = CallableRanker(function="my_ranker:lengths")
    assert ranker.score(Query("q", ""), [Document("1", "four")]) == [4.0]
    assert pickle.loads(pickle.dumps(ranker)).card == ranker.card  # noqa: S301 - our own object, to show it travels
    for wrong, message in {
        "my_ranker": "must be 'package.module:name'",
        "my_ranker:nothing": "cannot be imported",
        "nowhere:x": "cannot be imported",
        "my_ranker:number": "a int, not a function",
    }.items():
        with pytest.raises(PluginError, match=message):
            _ = CallableRanker(function=wrong).card


def test_a_function_that_returns_no_numbers_breaks_the_contract() -> None:
    with pytest.raises(ContractError, match="returned list, not numbers"):
        FunctionRanker(lambda query, docs: ["good"], "words").score(Query("q", ""), [Document("1", "")])  # type: ignore[arg-type]
