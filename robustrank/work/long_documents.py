"""The task that puts one long document into a list, and asks the ranker for the whole list once.

A page of any length is an upload away, and lists are scored together: one long document can be cut, be dropped, slow
down its batch, move the others, or make the whole call fail.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from random import Random
from time import perf_counter
from typing import Any, NamedTuple

from msgspec import structs

from robustrank.core.ranking import order
from robustrank.core.types import Document, Status
from robustrank.core.usage import count, counting
from robustrank.core.words import words
from robustrank.storage.hashing import digest
from robustrank.work.base import Place, RankTask, Task, tried
from robustrank.work.long_document_records import CallOutcome, LongDocumentRecord
from robustrank.work.records import RankingRecord, Record
from robustrank.work.workbench import Workbench

LETTERS = 6
"""Characters that stand for a word where the padding has none."""


class _Call(NamedTuple):
    """What one call of the ranker gave."""

    scores: Sequence[float]
    error: str = ""
    timed_out: bool = False
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class LongDocumentTask:
    """Score a list as it is, and with one document padded.

    Args:
        place: The list.
        words: Words of padding.
        where: ``"start"`` or ``"end"`` of the document.
        filler: What it is padded with.
        target: Document id of the document.
    """

    place: Place
    words: int
    where: str
    filler: str
    target: str
    kind = "long_document"

    @property
    def who(self) -> str:
        """The ranker."""
        return f"ranker {self.place.ranker!r}"

    def key(self, bench: Workbench) -> str:
        """Hash of what the record depends on."""
        form = [self.words, self.where, self.filler, self.target, bench.spec.seed]
        return digest(self.kind, self.place.identity(bench), form, *self.place.corrected(bench))

    def pairs(self, bench: Workbench) -> int:
        """Pairs that it scores: the list twice, and the document alone up to three times."""
        return 2 * len(self.place.docs(bench)) + 3

    def perform(self, bench: Workbench) -> LongDocumentRecord:
        """Both calls, each made once and uncached."""
        docs = self.place.docs(bench)
        padding = filler_text(bench, self)
        long_text = {doc.doc_id: self._padded(doc.text, padding) for doc in docs if doc.doc_id == self.target}
        padded = [doc._replace(text=long_text.get(doc.doc_id, doc.text)) for doc in docs]
        clean = self._call(bench, docs)
        if clean.error or not all(map(isfinite, clean.scores)):
            return self._record(bench, status=Status.ERROR, error=clean.error or "a score is not a finite number")
        long = self._call(bench, padded)
        before = [(doc.doc_id, score) for doc, score in zip(docs, clean.scores, strict=True)]
        ranks = order(before)
        record = self._record(
            bench, error=long.error, clean_seconds=clean.seconds, long_seconds=long.seconds,
            rank_before=ranks.index(self.target) + 1,
        )  # fmt: skip
        if long.error:
            outcome = CallOutcome.TIMED_OUT if long.timed_out else CallOutcome.FAILED
            return structs.replace(record, outcome=outcome, others_lost=len(docs) - 1)
        after = [(doc.doc_id, score) for doc, score in zip(docs, long.scores, strict=True) if isfinite(score)]
        return self._compared(record, ranks, order(after), self._unread(bench, padding))

    def failed(self, bench: Workbench, error: str) -> LongDocumentRecord:
        """The process died or the task took too long: the list as it is was ranked before, so the padding did it."""
        outcome = CallOutcome.TIMED_OUT if PASSED in error else CallOutcome.FAILED
        others = len(self.place.docs(bench)) - 1
        return self._record(bench, status=Status.ERROR, error=error, outcome=outcome, others_lost=others)

    def _record(self, bench: Workbench, **more: Any) -> LongDocumentRecord:
        return LongDocumentRecord(
            **self.place.names(), words=self.words, where=self.where, filler=self.filler, doc_id=self.target,
            list_length=len(self.place.docs(bench)), **more,
        )  # fmt: skip

    def _compared(
        self, record: LongDocumentRecord, before: Sequence[str], after: Sequence[str], unread: str
    ) -> LongDocumentRecord:
        """The record with what an answered call changed."""
        kept = [doc_id for doc_id in before if doc_id in set(after) and doc_id != self.target]
        others = [doc_id for doc_id in after if doc_id != self.target]
        moved = sum(one != other for one, other in zip(kept, others, strict=True))
        lost = len(before) - 1 - len(others)
        rank = after.index(self.target) + 1 if self.target in after else None
        if lost or moved:
            outcome = CallOutcome.OTHERS_MOVED
        elif rank is None:
            outcome = CallOutcome.TARGET_DROPPED
        else:
            outcome = CallOutcome.OK if rank == record.rank_before else CallOutcome.TARGET_MOVED
        return structs.replace(
            record, outcome=outcome, rank_after=rank, others_lost=lost, others_moved=moved, unread=unread
        )

    def _padded(self, text: str, padding: str) -> str:
        return f"{padding} {text}" if self.where == "start" else f"{text} {padding}"

    def _unread(self, bench: Workbench, padding: str) -> str:
        """Which end of the padded document, scored alone, the ranker does not read."""
        if not self.place.victim(bench).uncached.card.pointwise:
            return ""
        doc = next(doc for doc in self.place.docs(bench) if doc.doc_id == self.target)
        texts = (self._padded(doc.text, padding), doc.text, padding)
        calls = [self._call(bench, [doc._replace(text=text)]) for text in texts]
        if any(call.error for call in calls):
            return ""
        padded, plain, filler = (call.scores[0] for call in calls)
        if plain == filler:  # both ends look alike to it
            return ""
        if padded == plain:
            return self.where
        return ("end" if self.where == "start" else "start") if padded == filler else ""

    def _call(self, bench: Workbench, docs: Sequence[Document]) -> _Call:
        """One call of the ranker, of which a retry and an invalid answer are failures: it was not answered as sent."""
        victim, query = self.place.victim(bench), self.place.query(bench)
        ranker, invalid = victim.uncached, victim.answers.invalid_lists
        started = perf_counter()
        nothing: Sequence[float] = ()
        timed_out = False

        def score() -> Sequence[float]:
            nonlocal timed_out
            try:
                return ranker.unchecked(query, docs)
            except Exception as problem:
                timed_out = _timed_out(problem)
                raise

        with counting() as used:
            scores, error = tried(score, nothing, self.who)
        count(**asdict(used))
        if not error and used.retries:
            error = f"{self.who}: the first attempt failed; answered after {used.retries} more"
        if not error and victim.answers.invalid_lists > invalid:
            error = f"{self.who}: its answer was invalid"
        return _Call(() if error else scores, error, timed_out, perf_counter() - started)


PASSED = "passed its time limit"
"""In the errors of tasks that executors ended (:func:`robustrank.work.executors.supervision.over_limit`)."""


def _timed_out(problem: BaseException | None) -> bool:
    """Whether an error is, or comes from, a time-out."""
    while problem is not None:
        if isinstance(problem, TimeoutError) or "Timeout" in type(problem).__name__:
            return True
        problem = problem.__cause__ or problem.__context__
    return False


def filler_text(bench: Workbench, task: LongDocumentTask) -> str:
    """The padding, from the audit's seed and the query.

    ``"neutral"`` is text of other documents of the collection without words of the query, ``"corpus"`` that text as it
    is, ``"word"`` one word of as many letters, ``"invisible"`` as many zero-width spaces, ``"brackets"`` nested ones.
    """
    characters = LETTERS * task.words
    if task.filler == "word":
        return "x" * characters
    if task.filler == "invisible":
        return "\u200b" * characters
    if task.filler == "brackets":
        return "(" * (characters // 2) + ")" * (characters // 2)
    documents = bench.lists(task.place.collection).collection.documents
    listed = {doc.doc_id for doc in task.place.docs(bench)}
    ids = [doc_id for doc_id in sorted(documents) if doc_id not in listed]
    query = {word.text.lower() for word in words(task.place.query(bench).text)}
    rng = Random(f"{bench.spec.seed}|long document|{task.place.query_id}")
    added: list[str] = []
    for doc_id in rng.sample(ids, len(ids)):
        added += [
            w.text for w in words(documents[doc_id].text) if task.filler == "corpus" or w.text.lower() not in query
        ]
        if len(added) >= task.words:
            break
    added = added or ["filler"]
    added *= -(-task.words // len(added))  # a collection that is shorter than the padding is repeated
    return " ".join(added[: task.words])


def tasks(bench: Workbench, records: Mapping[str, Record], places: Sequence[Place]) -> Sequence[Task]:
    """One for every form of padding, and every list of the home collection that its ranker ranked."""
    spec = bench.spec
    wanted = spec.long_document
    if wanted is None:
        return []
    attacked = {victim.name for victim in spec.victims if victim.attacked}
    queries = list(bench.lists(spec.home.name).queries)[: wanted.queries]
    made: list[Task] = []
    for place in places:
        if place.collection != spec.home.name or place.ranker not in attacked or place.query_id not in queries:
            continue
        clean = records.get(RankTask(place=place).key(bench))
        if not isinstance(clean, RankingRecord) or clean.status is not Status.OK or len(clean.doc_ids) < 2:
            continue
        ranking = order(list(zip(clean.doc_ids, clean.scores, strict=True)))
        made += [
            LongDocumentTask(place=place, words=many, where=where, filler=filler, target=ranking[len(ranking) // 2])
            for filler in wanted.filler
            for where in wanted.where
            for many in wanted.words
        ]
    return made
