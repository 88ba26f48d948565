"""The tasks of detectors: one on the clean documents of a source, and one on a list with its attacked texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import NamedTuple

from robustrank.core.detector_types import Detector, shown
from robustrank.core.errors import ContractError
from robustrank.core.interfaces import Ranker, lends_gradients
from robustrank.core.types import Document, Query, Status, Surface
from robustrank.storage.hashing import digest
from robustrank.work.base import Place, RankTask, Task, tried
from robustrank.work.clean_documents import attacked_collection, drawn, sources
from robustrank.work.detection_records import CleanDetectionRecord, DetectionRecord, JudgedText
from robustrank.work.records import AttackRecord, RankingRecord, Record
from robustrank.work.transfer import current
from robustrank.work.workbench import Workbench


class Text(NamedTuple):
    """What an attack made of a document."""

    attack: str
    doc_id: str
    text: str


class Judge:
    """A detector, asked about documents; keeps the first thing that went wrong."""

    def __init__(self, bench: Workbench, name: str, place: Place, background: Sequence[str]) -> None:
        self.detector: Detector = bench.detector(name)
        self._who, self._background, self.error = f"detector {name!r}", background, ""
        victim = place.victim(bench).ranker
        self._ranker: Ranker | None = victim if lends_gradients(victim.ranker) else None

    def values(self, query: Query, asked: Sequence[Document], documents: Sequence[Document]) -> list[float | None]:
        """What it says of each document of a list; ``None`` where it cannot tell or fails."""
        every = []
        for document in asked:
            value, error = tried(lambda doc=document: self._value(query, doc, documents), None, self._who)  # type: ignore[misc]
            self.error = self.error or error
            every.append(value)
        return every

    def _value(self, query: Query, document: Document, documents: Sequence[Document]) -> float | None:
        seen = shown(
            self.detector.card, document, query=query, documents=documents, background=self._background,
            ranker=self._ranker,
        )  # fmt: skip
        value = self.detector.suspicion(document, seen)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise ContractError(f"{self._who} gave {value!r:.60}, which is no finite number")
        return float(value)


@dataclass(frozen=True, kw_only=True)
class DetectionTask:
    """Ask a detector about a list, and about what attacks made of its documents."""

    place: Place
    detector: str
    texts: tuple[Text, ...]
    kind = "detection"

    def key(self, bench: Workbench) -> str:
        """Hash of what the record depends on."""
        card = bench.detector(self.detector).card
        seen = drawn(bench, self.place.collection).digest if card.background else ""
        return digest(self.kind, self.place.identity(bench), self.detector, card.fingerprint, seen, self.texts)

    def perform(self, bench: Workbench) -> DetectionRecord:
        """Every document of the list, and every text in the place of its document."""
        query, docs = self.place.query(bench), self.place.docs(bench)
        judge = Judge(bench, self.detector, self.place, drawn(bench, self.place.collection).background)
        by_id = {doc.doc_id: doc for doc in docs}
        values = judge.values(query, docs, docs)
        changed = [by_id[each.doc_id]._replace(text=each.text) for each in self.texts]
        attacked = [
            JudgedText(attack=each.attack, doc_id=each.doc_id, value=value)
            for each, value in zip(self.texts, judge.values(query, changed, docs), strict=True)
        ]
        return DetectionRecord(
            **self.place.names(), detector=self.detector, status=Status.ERROR if judge.error else Status.OK,
            error=judge.error, doc_ids=[doc.doc_id for doc in docs], values=values, attacked=attacked,
        )  # fmt: skip

    def failed(self, bench: Workbench, error: str) -> DetectionRecord:
        """A record that tells of no document."""
        docs = self.place.docs(bench)
        return DetectionRecord(
            **self.place.names(), detector=self.detector, status=Status.ERROR, error=error,
            doc_ids=[doc.doc_id for doc in docs], values=[None] * len(docs),
            attacked=[JudgedText(attack=each.attack, doc_id=each.doc_id, value=None) for each in self.texts],
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class CleanDetectionTask:
    """Ask a detector about the clean documents of a source."""

    place: Place
    detector: str
    source: str
    kind = "clean_detection"

    def key(self, bench: Workbench) -> str:
        """Hash of what the record depends on."""
        card, clean, wanted = bench.detector(self.detector).card, drawn(bench, self.source), bench.spec.detection
        assert wanted is not None, "there is a task where there is [detection]"
        ranker = self.place.victim(bench).ranker.card.fingerprint if card.gradients else ""
        texts = [(each.query.query_id, each.document.doc_id) for each in clean.candidates]
        about = [self.source, clean.kind, clean.own, clean.digest, wanted.depth, texts]
        return digest(self.kind, self.detector, card.fingerprint, self.place.ranker, ranker, about)

    def perform(self, bench: Workbench) -> CleanDetectionRecord:
        """Each document for the query that finds it."""
        clean = drawn(bench, self.source)
        judge = Judge(bench, self.detector, self.place, clean.background)
        values = [judge.values(each.query, [each.document], each.list)[0] for each in clean.candidates]
        return self._record(bench, values, judge.error)

    def failed(self, bench: Workbench, error: str) -> CleanDetectionRecord:
        """A record that tells of no document."""
        return self._record(bench, [None] * len(drawn(bench, self.source).candidates), error)

    def _record(self, bench: Workbench, values: Sequence[float | None], error: str) -> CleanDetectionRecord:
        clean, card = drawn(bench, self.source), bench.detector(self.detector).card
        needs = {
            "the query": card.query, "the list": card.others, "a background": card.background,
            "gradients": card.gradients,
        }  # fmt: skip
        return CleanDetectionRecord(
            **self.place.names(), detector=self.detector, card=card.name, trained_on=card.trained_on,
            needs=[what for what, wanted in needs.items() if wanted], source=clean.name, source_kind=clean.kind,
            own=clean.own, queries=[each.query.query_id for each in clean.candidates], values=values,
            missing=clean.missing, status=Status.ERROR if error else Status.OK, error=error,
        )  # fmt: skip


def tasks(bench: Workbench, records: Mapping[str, Record], places: Sequence[Place]) -> Sequence[Task]:
    """For every detector: one for each source (of each ranker whose gradients it asks), and each attacked list."""
    if bench.spec.detection is None:
        return []
    where = attacked_collection(bench)
    attacked = {victim.name for victim in bench.spec.victims if victim.attacked}
    mine = [place for place in places if place.collection == where and place.ranker in attacked]
    if not mine:
        return []
    texts: dict[tuple[str, str], list[Text]] = {}
    for record in records.values():
        if isinstance(record, AttackRecord) and changed(record) and current(record, bench):
            text = Text(record.attack, record.doc_id, record.after)
            texts.setdefault((record.ranker, record.query_id), []).append(text)
    made: list[Task] = []
    for name in (detector.name for detector in bench.spec.detection.detectors):
        of_rankers = {place.ranker: place for place in reversed(mine)}
        firsts = of_rankers.values() if bench.detector(name).card.gradients else [mine[0]]
        made += [
            CleanDetectionTask(place=place, detector=name, source=source)
            for place in firsts
            for source in sources(bench)
        ]
        made += [
            DetectionTask(
                place=place, detector=name, texts=tuple(sorted(texts.get((place.ranker, place.query_id), ())))
            )
            for place in mine
            if isinstance(clean := records.get(RankTask(place=place).key(bench)), RankingRecord)
            and clean.status is Status.OK
            and place.docs(bench)
        ]
    return made


def changed(record: AttackRecord) -> bool:
    """Whether an attack legally changed a document's text."""
    legal = record.status in (Status.OK, Status.BUDGET_EXHAUSTED) and not record.miscounted
    return record.threat.surface is Surface.DOCUMENT and legal and record.after != record.before
