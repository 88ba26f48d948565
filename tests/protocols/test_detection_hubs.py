"""Hubs among the lists after an attack on the corpus: made-up lists whose only hub is known."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from robustrank.core.types import Access, AttackSet, Budget, Status, Surface, ThreatModel
from robustrank.protocols.detection import hubs
from robustrank.protocols.detection.results import HubRow
from robustrank.protocols.interface import Evidence
from robustrank.work.plant_records import Places, PlantedQuery, PlantRecord
from robustrank.work.records import RankingRecord

N = 40
THREAT = ThreatModel(surface=Surface.CORPUS, access=Access.NONE, edits=AttackSet(operation="plant"))


def ranking(query: int, ranker: str = "r", **more: Any) -> RankingRecord:
    """Twelve documents of the query's own; the first one of four queries is the same."""
    docs = [f"q{query} d{at}" for at in range(12)]
    body: dict[str, Any] = {"doc_ids": [f"shared {query // 4}", *docs[1:]], "scores": [-float(at) for at in range(12)]}
    return RankingRecord(ranker=ranker, collection="home", query_id=str(query), **body | more)


def planted(ranks: tuple[int | None, ...], name: str = "plant", ranker: str = "r", **more: Any) -> PlantRecord:
    """Documents at these ranks of the first stage for every query; behind the ranker they stand nowhere."""
    queries = [
        PlantedQuery(
            query_id=str(query), held_out=False, stage=Places(ranks=ranks, before=1.0, after=0.5),
            final=Places(ranks=[None] * len(ranks), before=1.0, after=1.0),
        )
        for query in range(N)
    ]  # fmt: skip
    body: dict[str, Any] = {"queries": queries, "texts": ["x"] * len(ranks)} | more
    return PlantRecord(
        ranker=ranker, collection="home", query_id="0", attack=name, plugin=name, threat=THREAT, budget=Budget(), **body
    )


def rows(*records: PlantRecord, lists: list[RankingRecord] | None = None) -> list[HubRow]:
    tasks = [*(lists if lists is not None else map(ranking, range(N))), *records]
    return hubs.rows(Evidence(spec=cast(Any, SimpleNamespace(seed=1)), setup=cast(Any, None), tasks=tasks))


def test_an_added_document_in_the_first_ten_of_the_first_stage_of_every_list_is_a_hub() -> None:
    (row,) = rows(planted((11, 3, None)))
    assert (row.attack, row.plants, row.queries, row.natural, row.missing) == ("plant", 3, N // 2, 4 / N, "")
    (hub,) = row.flagged
    assert (hub.document, hub.planted, hub.lists) == ("plant 1", True, N // 2)
    assert hub.p_holm < 1e-9


def test_what_stands_below_the_first_ten_or_in_no_list_is_no_hub() -> None:
    (row,) = rows(planted((11, None)))
    assert (row.queries, row.flagged, row.missing) == (N // 2, [], "")


def test_a_document_that_stood_in_every_list_before_leaves_nothing_to_show_against_a_plant() -> None:
    short = [ranking(query, doc_ids=["everywhere", f"d{query}"], scores=[0.0, 0.0]) for query in range(N)]
    (row,) = rows(planted((1,)), lists=short)
    assert row.natural == 1.0
    assert row.flagged == []  # none stands in more than all lists


def test_every_attack_has_one_row_of_the_first_ranker() -> None:
    found = rows(planted((1,)), planted((None,), ranker="other"), planted((2,), name="again"))
    assert [(row.attack, row.ranker, len(row.flagged)) for row in found] == [("plant", "r", 1), ("again", "r", 1)]


def test_an_attack_that_failed_and_lists_that_are_missing_say_why_and_flag_nothing() -> None:
    broken = [PlantedQuery(query_id=str(query), held_out=False) for query in range(N)]
    (row,) = rows(planted((1,), queries=broken, status=Status.ERROR, error="RuntimeError: no plants"))
    assert (row.queries, row.flagged, row.missing) == (0, (), "RuntimeError: no plants")
    failed = [ranking(query, doc_ids=(), scores=(), status=Status.ERROR, error="down") for query in range(1, N)]
    (row,) = rows(planted((1,)), lists=[ranking(0), *failed])
    assert (row.queries, row.flagged, row.missing) == (0, (), "fewer than two lists with the added documents")


def test_the_list_of_another_ranker_stands_in_for_one_that_failed() -> None:
    failed = [ranking(query, doc_ids=(), scores=(), status=Status.ERROR, error="down") for query in range(N)]
    (row,) = rows(planted((1,)), lists=[*failed, *(ranking(query, "other") for query in range(N))])
    assert [hub.document for hub in row.flagged] == ["plant 0"]
