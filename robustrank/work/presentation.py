"""The task that shows one list to a ranker several times, in several orders, and with its answers repaired otherwise.

A ranker of single documents gives the same ranking each time. One that is shown a whole list may not, and what is made
of its invalid answers may depend on the order in which it was shown the documents.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from msgspec import structs

from robustrank.core.answers import Answering, Answers, Repair
from robustrank.core.ranking import order, rank_of
from robustrank.core.sentences import SENTENCES, sentences
from robustrank.core.types import Case, Document, Perturbation, Query, Status
from robustrank.core.words import words
from robustrank.perturbations.apply import perturbed_scores
from robustrank.storage.hashing import digest
from robustrank.work.attack import CLOSE, HARM_MEASURE
from robustrank.work.base import Place, RankTask, Task, tried
from robustrank.work.presentation_records import Asking, How, PresentationRecord, SentencePlace
from robustrank.work.records import INVALID_ANSWER, RankingRecord, Record
from robustrank.work.workbench import Workbench

PLACES = ("start", "middle", "end")
"""Where a sentence is moved to."""

LEAST_SENTENCES = 3
"""Of a document in which one is moved: with fewer the three places are not three."""

Scored = list[tuple[str, float]]


@dataclass(frozen=True, kw_only=True)
class PresentationTask:
    """Ask for one list again and again.

    Args:
        place: The list.
        moved: Document whose sentence is moved: the relevant one that the ranker puts highest; empty for none.
    """

    place: Place
    moved: str = ""
    kind = "presentation"

    @property
    def who(self) -> str:
        """The ranker."""
        return f"ranker {self.place.ranker!r}"

    def key(self, bench: Workbench) -> str:
        """Hash of what the record depends on."""
        wanted = bench.spec.presentation
        form = (
            []
            if wanted is None
            else ["arithmetic apart", wanted.orders, wanted.cyclic, wanted.repeats, self.moved, SENTENCES]
        )
        return digest(self.kind, self.place.identity(bench), form, bench.spec.seed, *self.place.corrected(bench))

    def pairs(self, bench: Workbench) -> int:
        """Pairs that it scores: the list once for every asking, and the document, or the list, for every place."""
        wanted, length = bench.spec.presentation, len(self.place.docs(bench))
        if wanted is None:
            return 0
        ranker = self.place.victim(bench).uncached
        askings = wanted.repeats + (length - 1 if wanted.cyclic else wanted.orders)
        askings += 2 * isinstance(ranker.ranker, Answering)  # repairs, where an answer is invalid
        alone = 1 if ranker.card.pointwise else length
        return askings * length + (len(PLACES) * alone + length if self.moved else 0)

    def perform(self, bench: Workbench) -> PresentationRecord:
        """Every call is fresh; one that fails is recorded, and the others are made."""
        wanted = bench.spec.presentation
        record = self._record(bench)
        if wanted is None:
            return record
        as_asked = range(len(record.doc_ids))
        first: dict[int, float] = {}
        again = [self._asking(bench, How.AGAIN, as_asked, first=first) for _ in range(wanted.repeats)]
        orders = [self._asking(bench, How.ORDER, shown, first=first) for shown in self._orders(bench)]
        if wanted.cyclic:  # the first shift is the list as it is
            orders = [structs.replace(again[0], how=How.ORDER), *orders]
        repairs = list(self._repairs(bench, again[0]))
        return structs.replace(self._with_sentence(bench, record), askings=[*again, *orders, *repairs])

    def failed(self, bench: Workbench, error: str) -> PresentationRecord:
        """A record without calls."""
        return structs.replace(self._record(bench), status=Status.ERROR, error=error)

    def _record(self, bench: Workbench) -> PresentationRecord:
        wanted = bench.spec.presentation
        return PresentationRecord(
            **self.place.names(),
            doc_ids=[doc.doc_id for doc in self.place.docs(bench)],
            pointwise=self.place.victim(bench).uncached.card.pointwise,
            cyclic=wanted is not None and wanted.cyclic,
        )

    def _orders(self, bench: Workbench) -> Iterator[list[int]]:
        """The other orders, as numbers of documents; the same for every ranker."""
        wanted, numbers = bench.spec.presentation, list(range(len(self.place.docs(bench))))
        if wanted is None:
            return
        if wanted.cyclic:
            yield from (numbers[shift:] + numbers[:shift] for shift in numbers[1:])
            return
        rng = Random(f"{bench.spec.seed}|presentation|{self.place.query_id}")
        for _ in range(wanted.orders):
            yield rng.sample(numbers, len(numbers))

    def _asking(
        self, bench: Workbench, how: How, shown: Sequence[int], repair: Repair | None = None, *,
        first: dict[int, float] | None = None,
    ) -> Asking:  # fmt: skip
        """One call.

        Args:
            bench: Of the audit.
            how: In which way.
            shown: Numbers of the documents, in the order shown.
            repair: Another one than the deployed ranker's.
            first: Scores of the first call by number, which it fills. Those of a ranker of single documents may differ
                from call to call by what arithmetic depends on the batch; as close as that, the first ones count.
        """
        victim, docs, query = self.place.victim(bench), self.place.docs(bench), self.place.query(bench)
        ranker, deployed = victim.uncached, victim.ranker.ranker
        if isinstance(deployed, Answering):
            ranker = ranker if repair is None else victim.beside(deployed.repaired(repair))
            repair = repair or deployed.repair
        before, nothing = victim.answers, list[float]()
        listed = [docs[number] for number in shown]
        scores, error = tried(lambda: ranker.score(query, listed), nothing, self.who)
        answers = victim.answers - before
        made = Asking(
            how=how, shown=list(shown), repair=repair or "", answers=answers if answers.lists else None, error=error
        )
        if error:
            return made
        number = {doc.doc_id: n for n, doc in enumerate(docs)}
        if first is not None and ranker.card.pointwise:
            scores = _settled(dict(zip(shown, scores, strict=True)), first)
        scored = [(doc.doc_id, score) for doc, score in zip(listed, scores, strict=True)]
        value = self.place.judged(bench, [HARM_MEASURE], scored)[HARM_MEASURE]
        return structs.replace(made, ranking=[number[doc_id] for doc_id in order(scored)], measure=value)

    def _repairs(self, bench: Workbench, deployed: Asking) -> Iterator[Asking]:
        """The list under each repair. Answers that are valid are the same under all of them, so nothing is asked."""
        ranker = self.place.victim(bench).ranker.ranker
        if not isinstance(ranker, Answering):
            return
        for repair in Repair:
            if repair is ranker.repair or deployed.valid:
                yield structs.replace(deployed, how=How.REPAIR, repair=repair)
            elif repair is Repair.ERROR:
                lost = Answers(lists=1, invalid_lists=1, lost_lists=1)
                yield Asking(
                    how=How.REPAIR, shown=deployed.shown, repair=repair, answers=lost, error="an answer was invalid"
                )
            else:
                yield self._asking(bench, How.REPAIR, deployed.shown, repair)

    def _with_sentence(self, bench: Workbench, record: PresentationRecord) -> PresentationRecord:
        """The record with the places of the moved sentence; without them where the document has too few."""
        texts = moved_texts(self._document(bench), self.place.query(bench)) if self.moved else {}
        if not texts:
            return record
        victim, nothing = self.place.victim(bench), list[SentencePlace]()
        invalid = victim.answers.invalid_lists
        placed, error = tried(lambda: self._placed(bench, texts), nothing, self.who)
        if victim.answers.invalid_lists > invalid:
            error = error or f"{self.who}: {INVALID_ANSWER}"
        return structs.replace(record, sentence_of=self.moved, sentences=placed, sentence_error=error)

    def _document(self, bench: Workbench) -> Document:
        return next(doc for doc in self.place.docs(bench) if doc.doc_id == self.moved)

    def _placed(self, bench: Workbench, texts: Mapping[str, str]) -> list[SentencePlace]:
        docs, ranker = self.place.docs(bench), self.place.victim(bench).uncached
        query, target = self.place.query(bench), self._document(bench)
        case = Case(query, target, tuple(docs))
        clean: Scored = [(doc.doc_id, 0.0) for doc in docs]
        if ranker.card.pointwise:
            clean = [(d.doc_id, s) for d, s in zip(docs, ranker.score(query, docs), strict=True)]
        placed = []
        for where, text in texts.items():
            scored = perturbed_scores(ranker, case, Perturbation(target=text), clean)
            score = dict(scored)[target.doc_id]
            placed.append(SentencePlace(where=where, rank=rank_of(target.doc_id, score, scored), score=score))
        return placed


def _settled(scores: Mapping[int, float], first: dict[int, float]) -> list[float]:
    """The scores, or those of the first call where they differ from it by arithmetic alone; the first are kept."""
    if not first:
        first.update(scores)
    allowed = CLOSE * (max(first.values()) - min(first.values()))
    close = all(abs(score - first[number]) <= allowed for number, score in scores.items())
    return [first[number] if close else score for number, score in scores.items()]


def moved_texts(doc: Document, query: Query) -> dict[str, str]:
    """A document's text with the sentence most like the query at its start, in its middle and at its end.

    Most like the query is the sentence with the most of its words, of equal ones the first.

    Returns:
        Place to text; nothing where the document has fewer than three sentences, or none has a word of the query.
    """
    parts = [sentence.text for sentence in sentences(doc.text)]
    wanted = {word.text.lower() for word in words(query.text)}
    shared = [len(wanted & {word.text.lower() for word in words(part)}) for part in parts]
    if len(parts) < LEAST_SENTENCES or not max(shared):
        return {}
    best = shared.index(max(shared))
    others = [part for number, part in enumerate(parts) if number != best]
    places = dict(zip(PLACES, (0, len(others) // 2, len(others)), strict=True))
    return {where: "\n".join([*others[:at], parts[best], *others[at:]]) for where, at in places.items()}


def tasks(bench: Workbench, records: Mapping[str, Record], places: Sequence[Place]) -> Sequence[Task]:
    """One for every list of the home collection, of two documents or more, that its ranker answered in any way.

    A list that was lost to an invalid answer counts as answered: other repairs may rank it.
    """
    spec, wanted = bench.spec, bench.spec.presentation
    if wanted is None:
        return []
    queries = list(bench.lists(spec.home.name).queries)[: wanted.queries]
    made: list[Task] = []
    for place in places:
        if place.collection != spec.home.name or place.query_id not in queries or len(place.docs(bench)) < 2:
            continue
        clean = records.get(RankTask(place=place).key(bench))
        if isinstance(clean, RankingRecord) and (
            clean.status is Status.OK or (clean.answer and clean.answer.lost_lists)
        ):
            made.append(PresentationTask(place=place, moved=_moved(clean) if wanted.sentence else ""))
    return made


def _moved(clean: RankingRecord) -> str:
    """The relevant document that the ranker puts highest; empty without one."""
    ranking = order(list(zip(clean.doc_ids, clean.scores, strict=True)))
    return next((i for i in ranking if clean.qrels.get(i, 0) >= clean.relevant_from), "")
