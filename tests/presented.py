"""Lists shown to made-up rankers in several orders, and the evidence that protocols read of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

from robustrank.config import audit_file
from robustrank.core.interfaces import Defense, Ranker
from robustrank.core.types import Document, Query
from robustrank.protocols.interface import Evidence
from robustrank.work.base import Place, RankTask
from robustrank.work.presentation import PresentationTask
from robustrank.work.presentation import tasks as presentation_tasks
from robustrank.work.records import Record, TaskRecord
from robustrank.work.victims import MeteredVictim
from robustrank.work.workbench import Workbench

SPEC = """
name = "shown"
measures = ["nDCG@10"]
[[collection]]
name = "home"
use = "scifact"
[[ranker]]
name = "r"
use = "random"
[presentation]
{0}
"""
QUERY = "red apples"


class Bench:
    """What a task asks of a workbench: several lists of one ranker; the longest texts are relevant."""

    listwise: frozenset[str] = frozenset()

    def __init__(
        self, ranker: Ranker, lists: Mapping[str, Sequence[str]], wanted: str = "", defense: Defense | None = None
    ) -> None:
        self.spec = audit_file.parse(SPEC.format(wanted))
        self._victim = MeteredVictim(ranker, defense)
        self.docs = {
            query: tuple(Document(f"{query}-{n}", text) for n, text in enumerate(texts))
            for query, texts in lists.items()
        }

    def victim(self, ranker: str, collection: str) -> MeteredVictim:
        return self._victim

    def lists(self, name: str) -> Any:
        grades = {q: {doc.doc_id: int(len(doc.text) >= 10) for doc in docs} for q, docs in self.docs.items()}
        collection = SimpleNamespace(qrels=grades, relevant=1, digest="home digest", query_types={}, documents={})
        queries = {query: Query(query, QUERY) for query in self.docs}
        return SimpleNamespace(queries=queries, candidates=self.docs, collection=collection, top_grade=1)


def shown(bench: Bench) -> Evidence:
    """The evidence of clean lists, and of lists shown in several orders."""
    made = cast(Workbench, bench)
    places = [Place(ranker="r", collection="home", query_id=query) for query in bench.docs]
    ranked: dict[str, Record] = {}
    for place in places:
        bench.victim("r", "home").reset()
        task = RankTask(place=place)
        ranked[task.key(made)] = task.perform(made)
    records: list[TaskRecord] = [record for record in ranked.values() if isinstance(record, TaskRecord)]
    for each in presentation_tasks(made, ranked, places):
        assert isinstance(each, PresentationTask)
        bench.victim("r", "home").reset()
        records.append(each.perform(made))
    home = SimpleNamespace(name="home", query_keys=dict.fromkeys(bench.docs, ""))
    setup = cast(Any, SimpleNamespace(collections=[home], rankers=[]))
    return Evidence(spec=bench.spec, setup=setup, tasks=records)
