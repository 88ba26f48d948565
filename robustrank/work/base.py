"""The units of work of an audit: small, picklable, each giving one record. Order and executor do not matter."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from string import ascii_lowercase, ascii_uppercase
from time import perf_counter
from typing import Any, Protocol, TypedDict, TypeVar

from msgspec import structs

from robustrank.config.specs import AuditSpec
from robustrank.core import interrupts
from robustrank.core.errors import (
    BudgetExhausted,
    ContractError,
    PluginFailed,
    TimeLimitPassed,
    reason,
)
from robustrank.core.interfaces import Certifier
from robustrank.core.ranking import checked_scores, order
from robustrank.core.types import Document, Query, Status
from robustrank.core.words import words
from robustrank.measures import effectiveness
from robustrank.storage.hashing import digest
from robustrank.work.records import (
    BaseRanking,
    CertificateRecord,
    CheckRecord,
    Differences,
    RankingRecord,
    TaskRecord,
)
from robustrank.work.surroundings import Surroundings
from robustrank.work.workbench import MeteredVictim, Workbench

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
        """The candidates in first-stage order."""
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

    def identity(self, bench: Workbench) -> list[Any]:
        """Everything the clean list's scores depend on."""
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
        return digest(self.kind, self.place.identity(bench), bench.spec.measures, labels)

    def perform(self, bench: Workbench) -> RankingRecord:
        """Scores in candidate order, measures, judgments, and for a defended ranker its base's on the same list."""
        place = self.place
        query, docs = place.query(bench), place.docs(bench)
        nothing: list[float] = []
        scores, error = tried(lambda: checked_scores(place.victim(bench).ranker, query, docs), nothing, self.who)
        if error:
            return self.failed(bench, error)
        ids = [doc.doc_id for doc in docs]
        scored = list(zip(ids, scores, strict=True))
        return structs.replace(self._listed(bench, scored), doc_ids=ids, scores=scores, base=self._base(bench, docs))

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
        )

    def _base(self, bench: Workbench, docs: Sequence[Document]) -> BaseRanking | None:
        """The ranking of a defended ranker's base; ``None`` for a plain ranker."""
        victim = bench.spec.victim(self.place.ranker)
        if victim.defense is None:
            return None
        base = replace(self.place, ranker=victim.ranker.name)
        scores = checked_scores(base.victim(bench).ranker, base.query(bench), docs)
        scored = [(doc.doc_id, score) for doc, score in zip(docs, scores, strict=True)]
        qrels = bench.lists(base.collection).collection.qrels[base.query_id]
        return BaseRanking(
            ranker=base.ranker,
            scores=scores,
            measures=base.judged(bench, bench.spec.measures, scored),
            judged=effectiveness.judged_at(order(scored), qrels),
        )

    def failed(self, bench: Workbench, error: str) -> RankingRecord:
        """A list without documents, so that no query leaves n."""
        return structs.replace(self._listed(bench, ()), status=Status.ERROR, error=error)


@dataclass(frozen=True, kw_only=True)
class CheckTask:
    """Ask a ranker questions whose answers must not differ; the red flags read the record."""

    place: Place
    kind = "check"

    @property
    def who(self) -> str:
        """The ranker."""
        return f"ranker {self.place.ranker!r}"

    def key(self, bench: Workbench) -> str:
        """Hash of what the record depends on."""
        return digest(self.kind, self.place.identity(bench), "with the card")

    def perform(self, bench: Workbench) -> CheckRecord:
        """Largest score differences: called twice, in reverse order, alone, and for another query."""
        query, docs = self.place.query(bench), self.place.docs(bench)
        victim = self.place.victim(bench)
        bare = victim.uncached
        first = checked_scores(bare, query, docs)
        again = checked_scores(bare, query, docs)
        reverse = checked_scores(bare, query, docs[::-1])[::-1]
        alone = checked_scores(bare, query, docs[:1])
        other = checked_scores(bare, Query("", "an unrelated question about nothing in particular"), docs)
        broken = {}
        for what in bare.card.invariant:
            sides = [(_changed(query, what, on), [_changed(doc, what, on) for doc in docs]) for on in (False, True)]
            broken[what] = _distance(*(checked_scores(bare, *side) for side in sides))
        differences = Differences(
            spread=max(first) - min(first),
            repeat=_distance(first, again),
            order=_distance(first, reverse),
            batch=_distance(first[:1], alone),
            query=_distance(first, other),
            invariant=broken,
        )
        card = bare.card
        return CheckRecord(
            **self.place.names(), differences=differences, pointwise=card.pointwise, deterministic=card.deterministic
        )

    def failed(self, bench: Workbench, error: str) -> CheckRecord:
        """A record without differences."""
        return CheckRecord(**self.place.names(), status=Status.ERROR, error=error)


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
        return digest(self.kind, self.place.identity(bench), asdict(bench.spec.certify))

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


def perform(spec: AuditSpec, task: Task) -> TaskRecord:
    """Do one task in whichever process this is; the record says what it cost.

    A plug-in that breaks its contract, raises anything, or leaves the working directory or a standard stream changed,
    is a record that names it: the audit goes on. Scores of other tasks are forgotten first, so that what a task costs
    does not depend on what its process did before.

    Raises:
        Stopped: The user stopped the audit.
        TimeLimitPassed: The task took too long.
    """
    bench = workbench(spec)
    meters: list[MeteredVictim] = []
    surroundings, started = Surroundings(), perf_counter()
    measuring = _measuring_seconds(bench, task)

    def measured() -> TaskRecord:
        meters.extend(_victims(bench, task))
        return task.perform(bench)

    try:
        record, error = tried(measured, None, blamed(task))
    finally:
        changed = surroundings.put_back()
    if record is None or changed:
        record = task.failed(bench, error or f"{blamed(task)}: {changed}")
    done: TaskRecord = structs.replace(
        record,
        key=task.key(bench),
        pairs=sum(m.pairs for m in meters),
        scoring_seconds=sum(m.seconds for m in meters),
        measuring_seconds=_measuring_seconds(bench, task) - measuring,
        seconds=perf_counter() - started,
    )
    return done


@dataclass(frozen=True)
class Performer:
    """:func:`perform` for an audit file, to be sent to workers."""

    spec: AuditSpec

    def __call__(self, task: Task) -> TaskRecord:
        """The record of a task."""
        return perform(self.spec, task)

    def prepare(self, task: Task) -> None:
        """Load what the task needs; what fails here fails again in the task, whose record says so."""
        bench = workbench(self.spec)
        tried(lambda: (_victims(bench, task), _measuring_seconds(bench, task)), None)


def lost(bench: Workbench, task: Task, why: str, seconds: float) -> TaskRecord:
    """The record of a task whose worker died or was ended."""
    record = task.failed(bench, f"{blamed(task)}: {why}")
    done: TaskRecord = structs.replace(record, key=task.key(bench), seconds=seconds)
    return done


def blamed(task: Task) -> str:
    """The plug-in that does a task, for messages; tasks of other packages may have a ``who`` that says it."""
    return str(getattr(task, "who", f"{task.kind} of ranker {task.place.ranker!r}"))


def _victims(bench: Workbench, task: Task) -> list[MeteredVictim]:
    """The task's ranker, and the one behind it where it is defended, with meters at nothing."""
    names = dict.fromkeys([task.place.ranker, bench.spec.victim(task.place.ranker).ranker.name])
    victims = [bench.victim(name, task.place.collection) for name in names]
    for victim in victims:
        victim.reset()
    return victims


def workbench(spec: AuditSpec) -> Workbench:
    """The process's workbench for an audit file."""
    return _workbench(_Keyed(spec))


class _Keyed:
    """An audit file that hashes by its content, to key a cache."""

    def __init__(self, spec: AuditSpec) -> None:
        self.spec = spec
        self._text = json.dumps(spec.to_json(), sort_keys=True, default=str)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Keyed) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


@lru_cache(maxsize=1)
def _workbench(keyed: _Keyed) -> Workbench:
    return Workbench(keyed.spec)


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
        return fallback, str(problem)
    except BaseException as problem:
        interrupts.check()
        return fallback, f"{who}: {reason(problem)}" if who else reason(problem)


def _measuring_seconds(bench: Workbench, task: Task) -> float:
    """Seconds inside the encoder that measures similarity, which only attacks need."""
    encoder = bench.similarity if task.kind == "attack" else None
    return 0.0 if encoder is None else encoder.seconds


def _changed(text: Text, what: str, on: bool) -> Text:
    """A query or document with its words in one order or the other, or its ASCII letters as they are or in capitals."""
    if what == "order":
        parts = [word.text for word in words(text.text)]
        return text._replace(text=" ".join(parts[::-1] if on else parts))
    return text._replace(text=text.text.translate(_CAPITALS) if on else text.text)


_CAPITALS = str.maketrans(ascii_lowercase, ascii_uppercase)


def _distance(a: Sequence[float], b: Sequence[float]) -> float:
    return max((abs(x - y) for x, y in zip(a, b, strict=True)), default=0.0)
