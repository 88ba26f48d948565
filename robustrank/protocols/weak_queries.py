"""The clean queries that the audited ranker served worst."""

from __future__ import annotations

from collections.abc import Iterable

from robustrank.core.ranking import order
from robustrank.results.weak_queries import MOST, FirstDocument, WeakQuery
from robustrank.work.records import RankingRecord


def weakest(records: Iterable[RankingRecord], ranker: str | None, collection: str, measure: str) -> list[WeakQuery]:
    """The lists of a ranker with the least of a measure, from the worst; ties by query id.

    Args:
        records: Of clean lists.
        ranker: That the audit is about.
        collection: The home collection.
        measure: The leading one.
    """
    mine = [r for r in records if (r.ranker, r.collection) == (ranker, collection) and measure in r.measures]
    mine.sort(key=lambda record: (record.measures[measure], record.query_id))
    return [_weak(record, measure) for record in mine[:MOST]]


def _weak(record: RankingRecord, measure: str) -> WeakQuery:
    ranked = order(list(zip(record.doc_ids, record.scores, strict=True)))

    def relevant(doc_id: str) -> bool:
        return record.qrels.get(doc_id, 0) >= record.relevant_from

    return WeakQuery(
        query_id=record.query_id,
        query=record.query,
        value=record.measures[measure],
        first=[
            FirstDocument(
                doc_id=each.doc_id,
                head=each.head,
                grade=record.qrels.get(each.doc_id),
                relevant=relevant(each.doc_id),
            )
            for each in record.first
        ],
        relevant_at=next((rank for rank, doc_id in enumerate(ranked, 1) if relevant(doc_id)), None),
        relevant=record.relevant,
        candidates=record.candidates,
        error=record.error,
    )
