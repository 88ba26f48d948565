"""Puts every text that was made against one ranker before the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from msgspec import structs

from robustrank.core.ranking import order, rank_of
from robustrank.core.types import Case, Perturbation, Status, Surface
from robustrank.perturbations.apply import perturbed_scores
from robustrank.storage.hashing import digest
from robustrank.work.attack import AttackTask
from robustrank.work.base import Place, RankTask, Task, tried
from robustrank.work.records import AttackRecord, RankingRecord, Record
from robustrank.work.transfer_records import TOP, TransferRecord, handed_in
from robustrank.work.workbench import Workbench


@dataclass(frozen=True, kw_only=True)
class TransferTask:
    """Rank a list with a text that was made against another ranker."""

    place: Place
    source: str
    attack: str
    control: bool
    target: str
    text: str
    reached_there: bool
    clean_scores: tuple[float, ...]
    kind = "transfer"

    @property
    def who(self) -> str:
        """The ranker."""
        return f"ranker {self.place.ranker!r}"

    def key(self, bench: Workbench) -> str:
        """Hash of what the record depends on."""
        made = [self.source, self.attack, self.control, self.target, self.text, self.reached_there]
        return digest(self.kind, self.place.identity(bench), made, *self.place.asked(bench))

    def perform(self, bench: Workbench) -> TransferRecord:
        """By a fresh call of the ranker."""
        docs, victim = self.place.docs(bench), self.place.victim(bench)
        clean = self._clean(bench)
        by_id = {doc.doc_id: doc for doc in docs}
        case = Case(self.place.query(bench), by_id[self.target], tuple(by_id[i] for i in order(clean)), 1)
        done = Perturbation(target=self.text)
        invalid = victim.answers.invalid_lists
        after, error = tried(lambda: perturbed_scores(victim.uncached, case, done, clean), clean, self.who)
        record = self._record(clean, after, error)
        return structs.replace(record, invalid_answer=victim.answers.invalid_lists > invalid)

    def failed(self, bench: Workbench, error: str) -> TransferRecord:
        """A failure of the ranker: nothing moved."""
        clean = self._clean(bench)
        return self._record(clean, clean, error)

    def _clean(self, bench: Workbench) -> list[tuple[str, float]]:
        docs = self.place.docs(bench)
        return [(doc.doc_id, score) for doc, score in zip(docs, self.clean_scores, strict=True)]

    def _record(
        self, clean: Sequence[tuple[str, float]], after: Sequence[tuple[str, float]], error: str
    ) -> TransferRecord:
        before, changed = ((rank_of(self.target, dict(each)[self.target], each)) for each in (clean, after))
        return TransferRecord(
            **self.place.names(),
            status=Status.ERROR if error else Status.OK,
            error=error,
            source=self.source,
            attack=self.attack,
            control=self.control,
            doc_id=self.target,
            rank_before=before,
            rank_after=changed,
            list_length=len(clean),
            reached_there=self.reached_there,
        )


def tasks(bench: Workbench, records: Mapping[str, Record], places: Sequence[Place]) -> Sequence[Task]:
    """One for every changed document and every other attacked ranker that has it in its list."""
    attacked = {victim.name for victim in bench.spec.victims if victim.attacked}
    if not bench.spec.cases.transfer or len(attacked) < 2:
        return []
    texts: dict[tuple[str, str], list[AttackRecord]] = {}
    for record in records.values():
        if isinstance(record, AttackRecord) and handed_in(record) and current(record, bench):
            texts.setdefault((record.collection, record.query_id), []).append(record)
    made: list[Task] = []
    for place in (place for place in places if place.ranker in attacked):
        clean = records.get(RankTask(place=place).key(bench))
        if not isinstance(clean, RankingRecord) or clean.status is not Status.OK:
            continue
        mine = sorted(texts.get((place.collection, place.query_id), ()), key=lambda r: r.key)
        made += [
            TransferTask(
                place=place,
                source=record.ranker,
                attack=record.attack,
                control=record.control,
                target=record.doc_id,
                text=record.after,
                reached_there=record.rank_before > TOP >= record.rank_after,
                clean_scores=tuple(clean.scores),
            )
            for record in mine
            if record.ranker != place.ranker and record.doc_id in clean.doc_ids
        ]
    return made


def current(record: AttackRecord, bench: Workbench) -> bool:
    """Whether a record is of this state of the audit: the folder keeps those of earlier models and attacks too."""
    if record.attack not in {attack.name for attack in bench.spec.attacks}:
        return False
    if record.ranker not in {victim.name for victim in bench.spec.victims}:
        return False
    task = AttackTask(
        place=Place(
            ranker=record.ranker, collection=record.collection, query_id=record.query_id, depth=record.depth
        ),
        attack=record.attack, stratum=record.stratum, target=record.doc_id, goal_rank=record.goal_rank,
        clean_scores=(),
    )  # fmt: skip
    return task.key(bench) == record.key


def foreseen(bench: Workbench, planned: Sequence[Task]) -> dict[str, tuple[int, int]]:
    """Ranker to the most tasks and pairs, from the attacks that are planned."""
    attacked = [victim.name for victim in bench.spec.victims if victim.attacked]
    cases = [
        task
        for task in planned
        if isinstance(task, AttackTask) and bench.attack(task.attack).threat.surface is Surface.DOCUMENT
    ]
    if not bench.spec.cases.transfer or len(attacked) < 2:
        return {}
    most = {}
    for ranker in attacked:
        others = [task for task in cases if task.place.ranker != ranker]
        if others:
            card = bench.victim(ranker, others[0].place.collection).ranker.card
            length = len(others[0].place.docs(bench))
            pairs = len(others) * (1 if card.pointwise else length) * card.pairs_per_score
            most[ranker] = (len(others), pairs)
    return most
