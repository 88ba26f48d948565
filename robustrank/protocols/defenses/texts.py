"""Attacks on the base as attacks on the defended ranker: the texts that were made against the base, put before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import structs

from robustrank.core.ranking import order, rank_of
from robustrank.core.types import Status
from robustrank.measures import arrays
from robustrank.protocols.worst_case import TOP
from robustrank.results.outcomes import reason, undecided
from robustrank.work.records import AttackRecord, RankingRecord
from robustrank.work.transfer_records import TransferRecord, handed_in

MEASURE = "nDCG@10"

Transfers = Mapping[tuple[str, str, str], TransferRecord]
"""Attack, query and document to where the base's text stands under the defended ranker."""


def worth(record: RankingRecord, ranking: Sequence[str]) -> float:
    """nDCG@10 of an order of a list."""
    query = record.query_id
    runs = {"list": {query: ranking}}
    return arrays.per_query([MEASURE], runs, {query: record.qrels}, record.relevant_from)["list"][MEASURE][query]


def before(
    ranker: str, made: Sequence[AttackRecord], lists: Mapping[str, RankingRecord], transfers: Transfers
) -> list[AttackRecord]:
    """The attacks on the base as if they had been on the defended ranker, in its lists.

    A text that was not changed stands where the document stands. The nDCG@10 of a list is right for point-wise rankers:
    there the other documents keep their order.

    Args:
        ranker: The defended one.
        made: Attacks on its base.
        lists: Query to the defended ranker's clean list, of every query of the attacks.
        transfers: Of texts made against the base.
    """
    clean = {q: _Clean(record) for q, record in lists.items() if not undecided(record)}
    moved = []
    for record in made:
        failed = lists[record.query_id]
        if record.query_id not in clean:
            moved.append(
                structs.replace(
                    record, ranker=ranker, status=Status.ERROR, error=reason(failed), rank_before=TOP + 1,
                    rank_after=TOP + 1, harm_before=1.0, harm_after=1.0,
                )
            )  # fmt: skip
            continue
        mine = clean[record.query_id]
        if record.doc_id in mine.ranks:
            moved.append(_moved(ranker, record, mine, transfers))
    return moved


class _Clean:
    """A clean list and what it is worth when one document moves."""

    def __init__(self, record: RankingRecord) -> None:
        scored = list(zip(record.doc_ids, record.scores, strict=True))
        self.record = record
        self.order = order(scored)
        self.ranks = {doc_id: rank_of(doc_id, score, scored) for doc_id, score in scored}
        self._worth: dict[tuple[str, int], float] = {}

    def worth(self, doc_id: str, rank: int) -> float:
        if (doc_id, rank) not in self._worth:
            rest = [each for each in self.order if each != doc_id]
            self._worth[doc_id, rank] = worth(self.record, [*rest[: rank - 1], doc_id, *rest[rank - 1 :]])
        return self._worth[doc_id, rank]


def _moved(ranker: str, record: AttackRecord, clean: _Clean, transfers: Transfers) -> AttackRecord:
    rank = clean.ranks[record.doc_id]
    as_it_was = clean.worth(record.doc_id, rank)
    stays = structs.replace(
        record, ranker=ranker, rank_before=rank, rank_after=rank, harm_before=as_it_was, harm_after=as_it_was
    )
    if not handed_in(record):
        return stays
    seen = transfers.get((record.attack, record.query_id, record.doc_id))
    if seen is None:
        return structs.replace(stays, status=Status.ERROR, error="its text was not put before the defended ranker")
    return structs.replace(
        stays, status=seen.status, error=seen.error, invalid_answer=seen.invalid_answer, rank_before=seen.rank_before,
        rank_after=seen.rank_after, harm_after=clean.worth(record.doc_id, seen.rank_after),
    )  # fmt: skip
