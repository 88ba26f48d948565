"""Hubs among the first-stage lists after documents were added: what a look at retrieval alone would flag."""

from __future__ import annotations

from collections import Counter

from robustrank.measures.hubs import check
from robustrank.protocols.detection.results import Hub, HubRow
from robustrank.protocols.interface import Evidence
from robustrank.work.plant_records import TOP, PlantRecord
from robustrank.work.records import RankingRecord


def rows(evidence: Evidence) -> list[HubRow]:
    """One for every attack on the corpus; the trusted snapshot are the clean lists of the same queries."""
    lists: dict[tuple[str, str], RankingRecord] = {}
    for ranked in evidence.of(RankingRecord):
        if ranked.doc_ids:
            lists.setdefault((ranked.collection, ranked.query_id), ranked)
    made: dict[str, HubRow] = {}
    for record in evidence.of(PlantRecord):
        if record.attack not in made:  # every ranker has the same first stage
            made[record.attack] = _row(record, lists, evidence.spec.seed)
    return list(made.values())


def _row(record: PlantRecord, lists: dict[tuple[str, str], RankingRecord], seed: int) -> HubRow:
    natural: dict[str, list[str]] = {}
    after: dict[str, list[str]] = {}
    for query in record.queries:
        clean = lists.get((record.collection, query.query_id))
        if clean is None or query.stage is None:
            continue
        before = list(clean.doc_ids[:TOP])
        plants = [f"{record.attack} {at}" for at, rank in enumerate(query.stage.ranks) if rank and rank <= TOP]
        natural[query.query_id] = before
        after[query.query_id] = [*plants, *before[: TOP - len(plants)]]
    row = HubRow(
        attack=record.attack, ranker=record.ranker, queries=0, natural=0.0, plants=len(record.texts),
        missing=record.error,
    )  # fmt: skip
    if len(after) < 2:
        return row if row.missing else HubRow(
            attack=row.attack, ranker=row.ranker, queries=0, natural=0.0, plants=row.plants,
            missing="fewer than two lists with the added documents",
        )  # fmt: skip
    counts = Counter(doc for docs in natural.values() for doc in set(docs))
    rate = max(counts.values(), default=0) / len(natural)
    tested = check(after, rate, seed=seed)
    return HubRow(
        attack=record.attack, ranker=record.ranker, queries=tested.queries, natural=rate, plants=len(record.texts),
        flagged=[
            Hub(document=each.document, planted=each.document not in counts, lists=each.lists, p_holm=each.p_holm)
            for each in tested.nominees
            if each.hub
        ],
    )  # fmt: skip
