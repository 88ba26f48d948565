"""The worst clean queries: which they are, what was ranked first, and where the first relevant document was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from robustrank.core.types import Status
from robustrank.protocols.weak_queries import weakest
from robustrank.work.records import Listed, RankingRecord


def ranked(query_id: str, value: float, scores: Mapping[str, float], **more: Any) -> RankingRecord:
    return RankingRecord(**{
        "key": query_id, "ranker": "net", "collection": "home", "query_id": query_id, "measures": {"nDCG@10": value},
        "doc_ids": list(scores), "scores": list(scores.values()), "candidates": len(scores), "query": f"ask {query_id}",
        "first": [Listed(doc, f"text of {doc}") for doc in sorted(scores, key=lambda d: -scores[d])[:3]], **more,
    })  # fmt: skip


LISTS = {f"d{n}": float(n) for n in range(6)}


def test_they_are_the_least_values_of_the_ranker_and_collection_ties_by_id() -> None:
    lists = [ranked(f"q{n:02}", value=(n * 7) % 12 / 12, scores=LISTS) for n in range(12)]
    other = [ranked("q99", 0.0, LISTS, ranker="bm25"), ranked("q98", 0.0, LISTS, collection="away")]
    found = weakest([*lists, *other, ranked("q13", 1 / 12, LISTS)], "net", "home", "nDCG@10")
    assert [each.value for each in found] == sorted([n / 12 for n in range(9)] + [1 / 12])
    assert [each.query_id for each in found[:3]] == ["q00", "q07", "q13"]


def test_each_says_what_came_first_and_where_the_first_relevant_document_was() -> None:
    (found,) = weakest(
        [ranked("q", 0.2, LISTS, qrels={"d5": 0, "d2": 2, "d4": 1}, relevant_from=2, relevant=1)],
        "net",
        "home",
        "nDCG@10",
    )
    assert [(d.doc_id, d.head, d.grade, d.relevant) for d in found.first] == [
        ("d5", "text of d5", 0, False), ("d4", "text of d4", 1, False), ("d3", "text of d3", None, False),
    ]  # fmt: skip
    assert (found.relevant_at, found.relevant, found.candidates, found.query) == (4, 1, 6, "ask q")


def test_a_list_that_failed_or_has_nothing_relevant_says_so() -> None:
    failed = ranked("a", 0.0, {}, status=Status.ERROR, error="HTTP 429")
    without = ranked("b", 0.0, LISTS)
    found = weakest([failed, without], "net", "home", "nDCG@10")
    assert [(each.error, each.relevant_at, len(each.first)) for each in found] == [("HTTP 429", None, 0), ("", None, 3)]
