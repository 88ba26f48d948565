"""The units of work of an audit: small, picklable, each giving one record. Order and executor do not matter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from time import perf_counter
from typing import Any, Protocol, TypedDict, TypeVar

from msgspec import structs

from robustrank.core import interrupts
from robustrank.core.errors import (
    BudgetExhausted,
    ContractError,
    PluginFailed,
    TimeLimitPassed,
    message,
    reason,
)
from robustrank.core.escaping import beginning
from robustrank.core.interfaces import Certifier
from robustrank.core.ranking import checked_scores, order
from robustrank.core.types import Document, Query, Status
from robustrank.measures import effectiveness
from robustrank.storage.hashing import digest
from robustrank.work.records import (
    BaseRanking,
    CertificateRecord,
    Listed,
    RankingRecord,
    TaskRecord,
)
from robustrank.work.victims import MeteredVictim
from robustrank.work.workbench import Workbench

Result = TypeVar("Result")
Text = TypeVar("Text", Query, Document)

EXHAUSTED = "budget exhausted"
"""The reason of a step that requested more pairs than its budget allows."""


class PlaceNames(TypedDict):
    """What a record says of where it happened."""

    ranker: str
    collection: str
    query_id: str
    depth: int | None


@dataclass(frozen=True, kw_only=True)
class Place:
    """One list of one ranker: where a task happens.

    Args:
        ranker: Name of the victim, plain or defended.
        collection: Name of the collection.
        query_id: The query.
        depth: Candidates taken from the first-stage list; ``None`` takes all.
    """

    ranker: str
    collection: str
    query_id: str
    depth: int | None = None

    def names(self) -> PlaceNames:
        """For records."""
        return {"ranker": self.ranker, "collection": self.collection, "query_id": self.query_id, "depth": self.depth}

    def query(self, bench: Workbench) -> Query:
        """The query."""
        return bench.lists(self.collection).queries[self.query_id]

    def docs(self, bench: Workbench) -> tuple[Document, ...]:
        """The candidates in first-stage order, which is the order of every asking of the list."""
        return bench.lists(self.collection).candidates[self.query_id][: self.depth]

    def victim(self, bench: Workbench) -> MeteredVictim:
        """The ranker."""
        return bench.victim(self.ranker, self.collection)

    def judged(
        self, bench: Workbench, measure_names: Sequence[str], scored: Sequence[tuple[str, float]]
    ) -> dict[str, float]:
        """Measure name to value for one scored list."""
        collection = bench.lists(self.collection).collection
        qrels = {self.query_id: collection.qrels[self.query_id]}
        by_measure = effectiveness.per_query(measure_names, {self.query_id: order(scored)}, qrels, collection.relevant)
        return {name: values[self.query_id] for name, values in by_measure.items()}

    def corrected(self, bench: Workbench) -> list[str]:
        """What of the ranker's declaration was put right: records made before that are of another ranker."""
        return ["audited as list-wise"] if self.ranker in bench.listwise else []

    def asked(self, bench: Workbench) -> list[str]:
        """How a changed list is asked, for keys: :meth:`corrected`, and the order, where scores depend on it."""
        whole = not self.victim(bench).ranker.card.pointwise
        return [*self.corrected(bench), *(["changed lists asked in first-stage order"] if whole else [])]

    def identity(self, bench: Workbench) -> list[Any]:
        """Everything the clean list's scores depend on, but for :meth:`corrected`."""
        fingerprint = self.victim(bench).ranker.card.fingerprint
        digest_ = bench.lists(self.collection).collection.digest
        return [self.ranker, fingerprint, self.collection, digest_, self.query_id, [d.doc_id for d in self.docs(bench)]]


@dataclass(frozen=True, kw_only=True)
class RankTask:
    """Score one list; the clean effectiveness of one query."""

    place: Place
    kind = "ranking"

    @property
    def who(self) -> str:
        """The ranker."""
        return f"ranker {self.place.ranker!r}"

    def key(self, bench: Workbench) -> str:
        """Hash of what the record depends on."""
        collection = bench.lists(self.place.collection).collection
        labels = collection.relevant, collection.query_types.get(self.place.query_id), "with judgments"
        return digest(self.kind, self.place.identity(bench), bench.spec.measures, labels, *self.place.corrected(bench))

    def perform(self, bench: Workbench) -> RankingRecord:
        """Scores in candidate order, measures, judgments, and for a defended ranker its base's on the same list."""
        place = self.place
        query, docs = place.query(bench), place.docs(bench)
        nothing: list[float] = []
        victim = place.victim(bench)
        started = perf_counter()
        scores, error = tried(lambda: checked_scores(victim.ranker, query, docs), nothing, self.who)
        seconds = perf_counter() - started
        answer = victim.answers if victim.answers.lists else None
        if error:
            return structs.replace(self.failed(bench, error), answer=answer)
        ids = [doc.doc_id for doc in docs]
        scored = list(zip(ids, scores, strict=True))
        return structs.replace(
            self._listed(bench, scored), doc_ids=ids, scores=scores, base=self._base(bench, docs), answer=answer,
            call_seconds=seconds, first=_first(docs, scored),
        )  # fmt: skip

    def _listed(self, bench: Workbench, scored: Sequence[tuple[str, float]]) -> RankingRecord:
        """The record of a scored list, but for its scores; an empty one is what users of a failing ranker get."""
        place = self.place
        collection = bench.lists(place.collection).collection
        qrels = collection.qrels[place.query_id]
        docs = place.docs(bench)
        return RankingRecord(
            **place.names(),
            candidates=len(docs),
            measures=place.judged(bench, bench.spec.measures, scored),
            judged=effectiveness.judged_at(order(scored), qrels),
            relevant=sum(qrels.get(doc.doc_id, 0) >= collection.relevant for doc in docs),
            type=collection.query_types.get(place.query_id),
            qrels=dict(qrels),
            relevant_from=collection.relevant,
            top_grade=bench.lists(place.collection).top_grade,
            rank_only=place.victim(bench).ranker.card.rank_only,
            query=beginning(place.query(bench).text, 200),
        )

    def _base(self, bench: Workbench, docs: Sequence[Document]) -> BaseRanking | None:
        """The ranking of a defended ranker's base; ``None`` for a plain ranker."""
        victim = bench.spec.victim(self.place.ranker)
        if victim.defense is None:
            return None
        base = replace(self.place, ranker=victim.ranker.name)
        behind = base.victim(bench)
        asked, started = behind.pairs, perf_counter()
        scores = checked_scores(behind.ranker, base.query(bench), docs)
        seconds = perf_counter() - started
        scored = [(doc.doc_id, score) for doc, score in zip(docs, scores, strict=True)]
        qrels = bench.lists(base.collection).collection.qrels[base.query_id]
        return BaseRanking(
            ranker=base.ranker,
            scores=scores,
            measures=base.judged(bench, bench.spec.measures, scored),
            judged=effectiveness.judged_at(order(scored), qrels),
            pairs=behind.pairs - asked,
            call_seconds=seconds,
        )

    def failed(self, bench: Workbench, error: str) -> RankingRecord:
        """A list without documents, so that no query leaves n."""
        return structs.replace(self._listed(bench, ()), status=Status.ERROR, error=error)


def _first(docs: Sequence[Document], scored: Sequence[tuple[str, float]]) -> list[Listed]:
    """The documents that a list ranks first, by their first words."""
    texts = {doc.doc_id: doc.text for doc in docs}
    return [Listed(doc_id, beginning(texts[doc_id], 90)) for doc_id in order(scored)[:3]]


@dataclass(frozen=True, kw_only=True)
class CertifyTask:
    """Ask a certifying ranker for certificates of one list."""

    place: Place
    kind = "certificate"

    @property
    def who(self) -> str:
        """The certifier."""
        return f"certifier {self.place.ranker!r}"

    def key(self, bench: Workbench) -> str:
        """Hash of what the record depends on."""
        return digest(self.kind, self.place.identity(bench), asdict(bench.spec.certify), *self.place.corrected(bench))

    def perform(self, bench: Workbench) -> CertificateRecord:
        """All certificates of the list; they hold together."""
        certifier = self.place.victim(bench).ranker.ranker
        if not isinstance(certifier, Certifier):
            raise ContractError(f"{self.place.ranker} certifies nothing")
        query, docs, wanted = self.place.query(bench), self.place.docs(bench), bench.spec.certify
        certificates = certifier.certify(query, docs, wanted.k, wanted.radius) if docs else ()
        return CertificateRecord(**self.place.names(), certificates=certificates)

    def failed(self, bench: Workbench, error: str) -> CertificateRecord:
        """A record without certificates."""
        return CertificateRecord(**self.place.names(), status=Status.ERROR, error=error)


class Task(Protocol):
    """A small value that a process can be sent; it knows its own key, and does itself."""

    @property
    def kind(self) -> str:
        """Kind of the record it makes."""

    @property
    def place(self) -> Place:
        """The list it is about."""

    def key(self, bench: Workbench) -> str:
        """Hash of what the record depends on."""

    def perform(self, bench: Workbench) -> TaskRecord:
        """The record, but for its key and what it cost."""

    def failed(self, bench: Workbench, error: str) -> TaskRecord:
        """The record of a task that raised: what is known without doing it."""


def tried(step: Callable[[], Result], fallback: Result, who: str = "") -> tuple[Result, str]:
    """A step's result, or the fallback and what went wrong: one broken plug-in must not end the audit.

    Args:
        step: What a plug-in does.
        fallback: The result where it fails, in whichever way: ``sys.exit`` and our own errors among them.
        who: The plug-in, for errors that do not name it.

    Raises:
        Stopped: The user stopped the audit.
        TimeLimitPassed: The task as a whole took too long.
    """
    try:
        return step(), ""
    except BudgetExhausted:
        return fallback, EXHAUSTED
    except TimeLimitPassed:
        raise
    except PluginFailed as problem:
        return fallback, message(problem)
    except BaseException as problem:
        interrupts.check()
        named = not who or (isinstance(problem, ContractError) and message(problem).startswith("ranker "))
        return fallback, reason(problem) if named else f"{who}: {reason(problem)}"
