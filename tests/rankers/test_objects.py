"""Rankers of other libraries: PyTerrier, and what has the calls of rerankers, LangChain or Haystack."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from robustrank.core.errors import ConfigError, ContractError, PluginError
from robustrank.core.types import Document, Query
from robustrank.rankers.adapter import Adapter
from robustrank.rankers.pyterrier import PyTerrier
from robustrank.testing import check_ranker

QUERY = Query("q", "what do cats eat")
DOCS = [Document(f"doc {n}", text) for n, text in enumerate(["cats eat mice", "rain", "what cats do", "eat"])]
SCORES = [2.0, 0.0, 3.0, 1.0]


def overlap(query: str, text: str) -> float:
    return float(len({*query.split()} & {*text.split()}))


class Stage:
    """A transformer after PyTerrier's documentation: a data frame in, a data frame out."""

    def transform(self, frame: Any) -> Any:
        assert list(frame.columns) == ["qid", "query", "docno", "text", "score", "rank"]
        new = frame.assign(score=[overlap(*pair) for pair in zip(frame["query"], frame["text"], strict=True)])
        return new.sort_values("score", ascending=False).assign(rank=range(len(new)))


class Cut(Stage):
    def transform(self, frame: Any) -> Any:
        return super().transform(frame).head(2)


class Retriever(Stage):
    def transform(self, frame: Any) -> Any:
        return frame.assign(docno="of the index")


class NoScores(Stage):
    def transform(self, frame: Any) -> Any:
        return frame[["docno"]]


class Pipeline(list):  # type: ignore[type-arg]
    """Stages one after another, as ``a >> b`` is."""

    def transform(self, frame: Any) -> Any:
        for stage in self:
            frame = stage.transform(frame)
        return frame


whole = Pipeline([Retriever(), Stage()])


@dataclass
class Result:
    document: Any
    score: float | None


class Rerankers:
    def rank(self, query: str, docs: Sequence[str], doc_ids: Sequence[int]) -> Any:
        rows = [Result(SimpleNamespace(doc_id=i), overlap(query, text)) for i, text in zip(doc_ids, docs, strict=True)]
        return SimpleNamespace(results=sorted(rows, key=lambda row: -(row.score or 0)))


class LangChain:
    top_n = 10
    scores = True

    def compress_documents(self, documents: Sequence[Any], query: str, callbacks: Any = None) -> Sequence[Any]:
        best = sorted(documents, key=lambda document: -overlap(query, document.page_content))[: self.top_n]
        for document in best if self.scores else ():
            document.metadata["relevance_score"] = overlap(query, document.page_content)
        return best


class CutLangChain(LangChain):
    top_n = 3


class OrderLangChain(LangChain):
    scores = False


@dataclass
class HaystackDocument:
    id: str
    content: str
    meta: dict[str, Any] = field(default_factory=dict)
    score: float | None = None


class Haystack:
    ready = False

    def warm_up(self) -> None:
        self.ready = True

    def run(self, query: str, documents: Sequence[Any], top_k: int = 2) -> dict[str, Any]:
        assert self.ready
        scored = [HaystackDocument(d.id, d.content, d.meta, overlap(query, d.content)) for d in documents]
        return {"documents": sorted(scored, key=lambda document: -(document.score or 0))[:top_k]}


class Twice:
    def rank(self, query: str, docs: Sequence[str], doc_ids: Sequence[int]) -> Any:
        return SimpleNamespace(results=[Result(SimpleNamespace(doc_id=0), 1.0)] * len(docs))


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """This module, by a short name."""
    monkeypatch.setitem(sys.modules, "own_objects", sys.modules[__name__])


@pytest.mark.parametrize("name", ["Rerankers", "LangChain", "Haystack"])
def test_the_calls_of_three_libraries_give_their_scores(name: str) -> None:
    ranker = Adapter(object=f"own_objects:{name}")
    assert ranker.score(QUERY, DOCS) == SCORES
    check_ranker(ranker, QUERY, DOCS)


def test_an_answer_without_scores_counts_by_its_order() -> None:
    assert Adapter(object="own_objects:OrderLangChain").score(QUERY, DOCS) == [3.0, 1.0, 4.0, 2.0]


def test_documents_that_are_cut_off_are_an_error_or_last_as_said() -> None:
    with pytest.raises(ContractError, match=r"3 of 4 documents; raise its cut-off .*missing = \"last\""):
        Adapter(object="own_objects:CutLangChain").score(QUERY, DOCS)
    last = Adapter(object="own_objects:CutLangChain", missing="last")
    assert last.score(QUERY, DOCS) == [2.0, 0.0, 3.0, 1.0]
    assert not last.card.pointwise
    with pytest.raises(ConfigError, match="missing"):
        Adapter(object="own_objects:LangChain", missing="first")


def test_an_answer_with_a_document_twice_and_an_object_without_a_call_are_refused() -> None:
    with pytest.raises(ContractError, match="a document twice"):
        Adapter(object="own_objects:Twice").score(QUERY, DOCS)
    with pytest.raises(PluginError, match="without `rank` or `compress_documents` or `run`"):
        Adapter(object="own_objects:QUERY").score(QUERY, DOCS)


@pytest.mark.parametrize(("name", "skip"), [("Stage", 0), ("whole", 1)])
def test_a_transformer_and_the_rest_of_a_pipeline_score_the_texts_asked(name: str, skip: int) -> None:
    pytest.importorskip("pandas")
    ranker = PyTerrier(object=f"own_objects:{name}", skip=skip)
    assert ranker.score(QUERY, DOCS) == SCORES
    check_ranker(ranker, QUERY, DOCS)


def test_a_pipeline_that_retrieves_cuts_off_or_does_not_score_is_refused() -> None:
    pytest.importorskip("pandas")
    with pytest.raises(ContractError, match="does a stage retrieve by itself"):
        PyTerrier(object="own_objects:whole").score(QUERY, DOCS)
    with pytest.raises(ContractError, match="2 of 4 documents"):
        PyTerrier(object="own_objects:Cut").score(QUERY, DOCS)
    assert PyTerrier(object="own_objects:Cut", missing="last").score(QUERY, DOCS) == [2.0, 1.0, 3.0, 0.0]
    with pytest.raises(ContractError, match="columns docno and score"):
        PyTerrier(object="own_objects:NoScores").score(QUERY, DOCS)
    with pytest.raises(ConfigError, match="has 2 stages"):
        PyTerrier(object="own_objects:whole", skip=2).score(QUERY, DOCS)


def test_another_version_or_parameter_is_another_ranker() -> None:
    one = Adapter(object="own_objects:Rerankers")
    assert one.card.fingerprint != replace(one, version="2").card.fingerprint
    assert one.card.can_change


def real() -> Any:
    """A pipeline of PyTerrier itself, all in Python."""
    import pyterrier as pt

    retriever = pt.apply.generic(lambda frame: frame.assign(docno="of the index"))
    return retriever >> pt.apply.doc_score(lambda row: overlap(row["query"], row["text"]))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:The inplace keyword")
def test_pipelines_of_pyterrier_itself() -> None:
    pytest.importorskip("pyterrier")
    assert PyTerrier(object="own_objects:real", skip=1).score(QUERY, DOCS) == SCORES
    with pytest.raises(ContractError, match=r"does a stage retrieve by itself|a document twice"):
        PyTerrier(object="own_objects:real").score(QUERY, DOCS)
