"""The task of a corpus attack: documents are added to a collection, retrieved or not, and ranked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from random import Random
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from msgspec import structs

from robustrank.config.specs import AttackSpec, CorpusSpec
from robustrank.core.corpus_types import CorpusCase
from robustrank.core.errors import AccessDenied, shortened
from robustrank.core.ranking import checked_scores, order
from robustrank.core.types import Document, Perturbation, Query, Status
from robustrank.core.words import UNIT, words
from robustrank.perturbations.planted import plant_ids, verify_plants
from robustrank.perturbations.stage_oracle import MeteredStage, lends
from robustrank.plugins import registry
from robustrank.retrieval.clusters import centroid, clusters
from robustrank.retrieval.dense import Dense, inner
from robustrank.retrieval.searching import Scored
from robustrank.storage.hashing import digest
from robustrank.work.attack import HARM_MEASURE, LONGEST_TEXT
from robustrank.work.base import EXHAUSTED, Place, RankTask, Task, tried
from robustrank.work.plant_records import TOP, Displaced, Places, PlantedQuery, PlantRecord
from robustrank.work.records import INVALID_ANSWER, RankingRecord, Record
from robustrank.work.workbench import Workbench


class Group(NamedTuple):
    """Queries of a collection, in the order of drawing."""

    known: tuple[Query, ...]
    held_out: tuple[Query, ...]


def group(bench: Workbench) -> Group:
    """The queries that corpus attacks know, and those held out, by the audit file's ``[corpus]``."""
    spec, lists = settings(bench), bench.lists(where(bench))
    wanted = None if spec.about is None else spec.about.lower()
    of_concept = [
        query
        for query in lists.queries.values()
        if wanted is None or wanted in {word.text.lower() for word in words(query.text)}
    ]
    return Group(tuple(of_concept[: spec.queries]), tuple(of_concept[spec.queries : spec.queries + spec.held_out]))


def settings(bench: Workbench) -> CorpusSpec:
    """``[corpus]`` of the audit file, which must be there."""
    assert bench.spec.corpus is not None
    return bench.spec.corpus


def where(bench: Workbench) -> str:
    """The name of the collection that documents are added to."""
    return settings(bench).collection or bench.spec.home.name


class Clean(NamedTuple):
    """A query's clean list: its scores, or why there are none."""

    query_id: str
    scores: tuple[float, ...]
    error: str = ""


class Made(NamedTuple):
    """What an attack wrote, and what of it counts."""

    offered: tuple[str, ...] = ()
    done: tuple[str, ...] = ()
    """Nothing where the texts are illegal or the attack failed."""
    words: int = 0
    encodes: int = 0
    status: Status = Status.OK
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class PlantTask:
    """Let one attack write documents, add them to the collection, and rank every query of the group again.

    The attack asks the ranker nothing, so it writes the same documents for every ranker.

    Args:
        place: Ranker and collection, and the first query.
        attack: Name of the attack in the audit file.
        lists: The ranker's clean lists, of the queries that the attacker knows and of those held out.
    """

    place: Place
    attack: str
    lists: tuple[Clean, ...]
    kind = "plant"

    @property
    def who(self) -> str:
        """The attack, and the ranker behind the first stage."""
        return f"corpus attack {self.attack!r} before {self.place.ranker!r}"

    def key(self, bench: Workbench) -> str:
        """Hash of what the record depends on."""
        places = [replace(self.place, query_id=each.query_id).identity(bench) for each in self.lists]
        known = [query.query_id for query in group(bench).known]
        return digest(
            self.kind, places, known, bench.lists(self.place.collection).spec.depth, identity(bench, self.attack),
            *self.place.corrected(bench),
        )  # fmt: skip

    def perform(self, bench: Workbench) -> PlantRecord:
        """What the documents did, query by query."""
        made = written(bench, self.attack)
        if made.status in (Status.ERROR, Status.INVALID):
            return self._record(bench, made, [self._nothing(bench, each, made.error) for each in self.lists])
        searcher = bench.searcher(self.place.collection)
        ids = plant_ids(len(made.done), bench.lists(self.place.collection).collection.documents)
        plants = [Document(doc_id, text) for doc_id, text in zip(ids, made.done, strict=True)]
        queries = [replace(self.place, query_id=each.query_id).query(bench).text for each in self.lists]
        found = searcher.search(queries, self._depth(bench))
        scores = searcher.scores(queries, made.done).tolist() if plants else [[] for _ in queries]
        ideal = _ideal(bench, self.attack, queries, found)
        outcomes = [
            self._outcome(bench, clean, stage, plants, own, best)
            for clean, stage, own, best in zip(self.lists, found, scores, ideal, strict=True)
        ]
        first = next((each.error for each in outcomes if each.error), "")
        if first and made.status is Status.OK:
            made = made._replace(status=Status.ERROR, error=first)
        return self._record(bench, made, outcomes)

    def failed(self, bench: Workbench, error: str) -> PlantRecord:
        """No query is known to be harmed, or not."""
        made = Made(status=Status.ERROR, error=error)
        return self._record(bench, made, [self._nothing(bench, each, error) for each in self.lists])

    def _depth(self, bench: Workbench) -> int:
        return min(filter(None, [self.place.depth, bench.lists(self.place.collection).spec.depth]))

    def _record(self, bench: Workbench, made: Made, queries: Sequence[PlantedQuery]) -> PlantRecord:
        spec = _spec(bench, self.attack)
        return PlantRecord(
            **self.place.names(),
            status=made.status,
            error=made.error,
            attack=self.attack,
            plugin=str(spec.plugin),
            threat=bench.corpus_attack(self.attack).threat,
            budget=spec.budget,
            texts=made.offered,
            words=made.words,
            encodes=made.encodes,
            queries=queries,
        )

    def _nothing(self, bench: Workbench, clean: Clean, error: str) -> PlantedQuery:
        return PlantedQuery(query_id=clean.query_id, held_out=_held_out(bench, clean.query_id), error=error)

    def _outcome(
        self, bench: Workbench, clean: Clean, stage: Scored, plants: Sequence[Document], scores: Sequence[float],
        ideal: int | None,
    ) -> PlantedQuery:  # fmt: skip
        """One query: what the first stage retrieves of the plants, and where the ranker puts that."""
        place, ids = replace(self.place, query_id=clean.query_id), [plant.doc_id for plant in plants]
        matching = [(doc_id, score) for doc_id, score in zip(ids, scores, strict=True) if score > float("-inf")]
        together = dict([*stage, *matching])
        kept = order([*stage, *matching])[: self._depth(bench)]
        planted = PlantedQuery(
            query_id=clean.query_id,
            held_out=_held_out(bench, clean.query_id),
            stage=Places(
                ranks=[_place(doc_id, kept) for doc_id in ids],
                before=place.judged(bench, [HARM_MEASURE], stage)[HARM_MEASURE],
                after=place.judged(bench, [HARM_MEASURE], [(i, together[i]) for i in kept])[HARM_MEASURE],
            ),
            ideal=ideal,
            error=clean.error,
        )
        if clean.error:
            return planted
        before = [(doc.doc_id, score) for doc, score in zip(place.docs(bench), clean.scores, strict=True)]
        victim = place.victim(bench)
        invalid = victim.answers.invalid_lists
        after, error = tried(lambda: self._ranked(bench, place, before, kept, plants), before, self.who)
        if victim.answers.invalid_lists > invalid:
            error = error or f"ranker {place.ranker!r}: {INVALID_ANSWER}"
        if error:
            return _with(planted, error=error)
        old, new = order(before), order(after)
        qrels = bench.lists(place.collection).collection.qrels[place.query_id]
        relevant = bench.lists(place.collection).collection.relevant
        return _with(
            planted,
            final=Places(
                ranks=[_place(doc_id, new) for doc_id in ids],
                before=place.judged(bench, [HARM_MEASURE], before)[HARM_MEASURE],
                after=place.judged(bench, [HARM_MEASURE], after)[HARM_MEASURE],
            ),
            displaced=[
                Displaced(doc_id=i, grade=qrels.get(i, 0), rank_before=rank, rank_after=_place(i, new))
                for rank, i in enumerate(old[:TOP], start=1)
                if i not in new[:TOP]
            ],
            lost=sum(qrels.get(doc_id, 0) >= relevant for doc_id in set(old) - set(new)),
        )

    def _ranked(
        self, bench: Workbench, place: Place, before: Scored, kept: Sequence[str], plants: Sequence[Document]
    ) -> Scored:
        """The ranker's scores of the candidates with the plants among them; only new pairs where it is point-wise."""
        entered = [plant for plant in plants if plant.doc_id in kept]
        if not entered:
            return before
        ranker, query = place.victim(bench).uncached, place.query(bench)
        if ranker.card.pointwise:
            new = zip(entered, checked_scores(ranker, query, entered), strict=True)
            return [*(pair for pair in before if pair[0] in kept), *((plant.doc_id, score) for plant, score in new)]
        by_id = {doc.doc_id: doc for doc in (*place.docs(bench), *entered)}
        docs = [by_id[doc_id] for doc_id in kept]
        return [(doc.doc_id, score) for doc, score in zip(docs, checked_scores(ranker, query, docs), strict=True)]


def tasks(bench: Workbench, records: Mapping[str, Record], places: Sequence[Place]) -> Sequence[Task]:
    """One for every attacked ranker and corpus attack, once all lists of the group are ranked."""
    if bench.spec.corpus is None:
        return []
    wanted, made = [query.query_id for part in group(bench) for query in part], []
    for ranker in dict.fromkeys(place.ranker for place in places if bench.spec.victim(place.ranker).attacked):
        mine = {p.query_id: p for p in places if p.ranker == ranker and p.collection == where(bench)}
        defense = bench.spec.victim(ranker).defense
        mine_wanted = [q for q in wanted if defense is None or q in mine]  # a defended ranker has fewer queries
        clean = [_clean(bench, records, mine[q]) for q in mine_wanted if q in mine]
        lists = [each for each in clean if each is not None]
        if not lists or len(lists) < len(mine_wanted):
            continue
        for attack in settings(bench).attacks:
            if attack.rankers and ranker not in attack.rankers:
                continue
            stage = bench.corpus_attack(attack.name).threat.stage
            if attack.if_possible and not lends(bench.searcher(where(bench)), stage):
                continue
            made.append(PlantTask(place=mine[lists[0].query_id], attack=attack.name, lists=tuple(lists)))
    return made


def _clean(bench: Workbench, records: Mapping[str, Record], place: Place) -> Clean | None:
    record = records.get(RankTask(place=place).key(bench))
    if not isinstance(record, RankingRecord):
        return None
    failed = record.status is not Status.OK
    return Clean(place.query_id, () if failed else tuple(record.scores), record.error if failed else "")


def identity(bench: Workbench, attack: str) -> list[Any]:
    """Everything the documents that an attack writes depend on."""
    spec, of = _spec(bench, attack), settings(bench)
    version = registry.version("attack", spec.plugin.use)
    stage = bench.lists(where(bench)).spec.first_stage.use, bench.searcher(where(bench)).identity
    known = [query.query_id for query in group(bench).known]
    collection = bench.lists(where(bench)).collection.digest
    limits = asdict(spec.budget)
    read = [of.payload, of.sample]
    return [attack, str(spec.plugin), version, limits, stage, known, collection, read, bench.spec.seed, UNIT]


_WRITTEN: WeakKeyDictionary[Workbench, dict[str, Made]] = WeakKeyDictionary()
"""What attacks wrote, so that one is not run again for every ranker in the same process."""


def written(bench: Workbench, attack: str) -> Made:
    """The documents of an attack, checked."""
    kept, key = _WRITTEN.setdefault(bench, {}), digest(identity(bench, attack))
    if key not in kept:
        made = _write(bench, attack)
        if made.status is Status.ERROR:
            return made
        kept[key] = made
    return kept[key]


def _write(bench: Workbench, name: str) -> Made:
    spec, attack, lists = _spec(bench, name), bench.corpus_attack(name), bench.lists(where(bench))
    case = CorpusCase(
        group=group(bench).known,
        plants=spec.budget.plants or 0,
        words=spec.budget.plant_words,
        payload=settings(bench).payload,
        corpus=sample(bench),
    )
    documents = lists.collection.documents
    oracle = MeteredStage(bench.searcher(where(bench)), documents, case.group, attack.threat, spec.budget)
    # The ranker is left out on purpose: the documents are the same for every one.
    rng = Random(digest(identity(bench, name)))

    def acted() -> Any:
        try:
            return attack.perturb(case, oracle, rng)
        except AccessDenied as denied:
            return denied

    returned, failed = tried(acted, Perturbation(), f"corpus attack {name!r}")
    offered, breach = _checked(returned)
    finding = verify_plants(case, offered, attack.threat)
    broken = shortened("; ".join(filter(None, [breach, *finding.violations])))
    made = Made(offered=offered.inserted, words=finding.edits, encodes=oracle.spent)
    wrong = oracle.failure or ("" if failed == EXHAUSTED else failed)
    if wrong:
        return made._replace(status=Status.ERROR, error=wrong)
    if broken:
        return made._replace(status=Status.INVALID, error=broken)
    return made._replace(status=Status.BUDGET_EXHAUSTED) if failed else made._replace(done=offered.inserted)


def sample(bench: Workbench) -> tuple[Document, ...]:
    """Documents of the corpus that the attacker has read, the same for every attack."""
    collection = bench.lists(where(bench)).collection
    ids = sorted(collection.documents)
    drawn = Random(f"{bench.spec.seed}|corpus|{collection.digest}").sample(ids, min(settings(bench).sample, len(ids)))
    return tuple(collection.documents[doc_id] for doc_id in drawn)


def _checked(returned: Any) -> tuple[Perturbation, str]:
    """What an attack returned if it is what corpus attacks return, or nothing and why it is not."""
    if isinstance(returned, AccessDenied):
        return Perturbation(), str(returned)
    if not isinstance(returned, Perturbation):
        return Perturbation(), f"the attack returned {type(returned).__name__}, not a Perturbation"
    if not isinstance(returned.inserted, tuple | list) or not all(isinstance(t, str) for t in returned.inserted):
        return Perturbation(), "the attack returned documents that are no texts"
    if any(len(text) > LONGEST_TEXT for text in returned.inserted):
        return Perturbation(), f"the attack returned a document of more than {LONGEST_TEXT:,} characters"
    plain = tuple(str.__str__(text) for text in returned.inserted)  # a subclass of str may be stored as something else
    return replace(returned, inserted=plain), ""


def _ideal(bench: Workbench, attack: str, queries: Sequence[str], found: Sequence[Scored]) -> list[int | None]:
    """For each query the best rank of a centroid of the known queries, as a vector that no text need have."""
    searcher = bench.searcher(where(bench))
    if not isinstance(searcher, Dense):
        return [None] * len(queries)
    known = searcher.query_vectors([query.text for query in group(bench).known])
    groups = clusters(known, _spec(bench, attack).budget.plants or 1, bench.spec.seed)
    centroids = searcher.longest * np.stack([centroid(known[rows]) for rows in groups])
    best = inner(searcher.query_vectors(queries), centroids).max(axis=1).tolist()
    ranks = [1 + sum(other >= score for _, other in stage) for score, stage in zip(best, found, strict=True)]
    return [rank if rank <= bench.lists(where(bench)).spec.depth else None for rank in ranks]


def _spec(bench: Workbench, attack: str) -> AttackSpec:
    return next(each for each in settings(bench).attacks if each.name == attack)


def _held_out(bench: Workbench, query_id: str) -> bool:
    return query_id not in {query.query_id for query in group(bench).known}


def _place(doc_id: str, ranking: Sequence[str]) -> int | None:
    return ranking.index(doc_id) + 1 if doc_id in ranking else None


def _with(planted: PlantedQuery, **changes: Any) -> PlantedQuery:
    changed: PlantedQuery = structs.replace(planted, **changes)
    return changed
