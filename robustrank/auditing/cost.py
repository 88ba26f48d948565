"""Estimates before an audit runs: pairs and minutes per phase and ranker, and minimum detectable differences.

The tasks are those the audit itself would plan, with the first stage's order in place of the rankings that are not
computed yet. A few pairs per ranker are scored, to measure its speed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from time import perf_counter

from robustrank.auditing import planned
from robustrank.auditing.phases import Records, phases
from robustrank.config.specs import AuditSpec
from robustrank.core.types import Access, Document, Surface
from robustrank.perturbations.oracle import MeteredRanker
from robustrank.protocols.installed import protocols
from robustrank.results.estimates import Cost, Estimates, Power
from robustrank.stats.planning import expected_detectable
from robustrank.work.attack import AttackTask
from robustrank.work.base import CertifyTask, Place, RankTask, Task
from robustrank.work.checks import CheckTask
from robustrank.work.long_documents import LongDocumentTask
from robustrank.work.planting import PlantTask
from robustrank.work.presentation import PresentationTask
from robustrank.work.records import RankingRecord
from robustrank.work.variations import EditTask, VaryTask, edits_of
from robustrank.work.workbench import Workbench

DEVIATION = 0.3
"""Assumed standard deviation of per-query differences of two rankers; for nDCG@10 it is rarely larger."""

PROBED = 6
"""Documents of the list with which a ranker's speed is measured."""


def plan(spec: AuditSpec) -> Estimates:
    """Estimates an audit.

    Raises:
        RobustRankError: As the audit itself would.
    """
    bench = Workbench(spec)
    bench.check()
    planned.check(bench, spec.gates)
    seconds = {}
    costs = []
    planned_tasks: list[Task] = []
    for phase, tasks in foreseen(bench, {}):
        planned_tasks += tasks
        groups: dict[str, list[Task]] = {}
        for task in tasks:
            groups.setdefault(task.place.ranker, []).append(task)
        for ranker, mine in groups.items():
            if ranker not in seconds:
                seconds[ranker] = _seconds_per_pair(bench, next(t.place for t in mine if t.place.docs(bench)))
            pairs = sum(price(task, bench) for task in mine)
            costs.append(
                Cost(
                    phase=phase, ranker=ranker, tasks=len(mine), pairs=pairs, minutes=pairs * seconds[ranker] / 60,
                    at_least=any(isinstance(t, AttackTask) and _unlimited(t, bench) for t in mine),
                )
            )  # fmt: skip
    for name, ranker, count, pairs in by_protocols(bench, planned_tasks):
        minutes = pairs * seconds[ranker] / 60
        costs.append(Cost(phase=name, ranker=ranker, tasks=count, pairs=pairs, minutes=minutes, at_least=False))
    power = [
        Power(collection=c.name, queries=n, detectable=expected_detectable(n, DEVIATION))
        for c in spec.collections
        if (n := len(bench.lists(c.name).queries)) > 2
    ]
    return Estimates(costs=costs, power=power, notes=planned.notes(bench))


def foreseen(bench: Workbench, records: Records) -> Iterator[tuple[str, Sequence[Task]]]:
    """The tasks that an audit will plan, phase by phase.

    Args:
        bench: Of the audit.
        records: By key; of lists without a record the first stage's order stands in.
    """
    [rankings] = [tasks for phase, tasks in islice(phases(bench, records), 2) if phase == "ranking"]
    keys = {task.key(bench): task for task in rankings if isinstance(task, RankTask)}
    stand_ins = {key: _first_stage_ranking(task, bench) for key, task in keys.items() if key not in records}
    return phases(bench, {**records, **stand_ins})


def by_protocols(bench: Workbench, tasks: Sequence[Task]) -> Iterator[tuple[str, str, int, int]]:
    """What protocols will add to such tasks: protocol, ranker, number of tasks, pairs."""
    for protocol in protocols():
        for ranker, (count, pairs) in (protocol.foreseen(bench, tasks) if protocol.foreseen else {}).items():
            yield protocol.name, ranker, count, pairs


def price(task: Task, bench: Workbench) -> int:
    """Pairs that a task scores with the innermost ranker; clean scores of attacks and variants come from records."""
    place = task.place
    card, docs = place.victim(bench).ranker.card, place.docs(bench)
    if isinstance(task, CheckTask):
        lengths = [len(each.docs(bench)) for each in task.places]
        pairs = (4 + 2 * len(card.invariant)) * sum(lengths) + len(lengths)
    elif isinstance(task, AttackTask):
        pairs = _attack(task, bench, len(docs) if not card.pointwise else 1, len(docs))
    elif isinstance(task, VaryTask):
        pairs = _variant_pairs(task, bench)
    elif isinstance(task, EditTask):
        collection = bench.lists(place.collection).collection
        edits = edits_of(bench, place)
        named = {i for edit in edits for i in (edit.before, edit.after, *edit.rivals)}
        texts = {collection.documents[i].text for i in named}
        pairs = len(texts) if card.pointwise else sum(2 * len(edit.rivals) for edit in edits)
    elif isinstance(task, PlantTask):
        pairs = _planted(task, bench, card.pointwise)
    elif isinstance(task, LongDocumentTask | PresentationTask):
        pairs = task.pairs(bench)
    else:
        pairs = len(_texts(docs)) if isinstance(task, RankTask | CertifyTask) else 0
    return pairs * card.pairs_per_score + _behind(task, bench, docs)


def _planted(task: PlantTask, bench: Workbench, pointwise: bool) -> int:
    """As if every document that may be added were retrieved for every query."""
    corpus = bench.spec.corpus
    plants = next(a.budget.plants or 0 for a in corpus.attacks if a.name == task.attack) if corpus else 0
    depth = bench.lists(task.place.collection).spec.depth
    return len(task.lists) * (plants if pointwise else depth)


def _behind(task: Task, bench: Workbench, docs: Sequence[Document]) -> int:
    """Pairs of the ranking by the ranker behind a defended one."""
    victim = bench.spec.victim(task.place.ranker)
    if victim.defense is None or not isinstance(task, RankTask):
        return 0
    return len(_texts(docs)) * bench.victim(victim.ranker.name, task.place.collection).ranker.card.pairs_per_score


def _attack(task: AttackTask, bench: Workbench, document: int, query: int) -> int:
    threat = bench.attack(task.attack).threat
    unit = query if threat.surface is Surface.QUERY else document
    calls = next(a.budget.calls for a in bench.spec.attacks if a.name == task.attack)
    return unit if threat.access is Access.NONE or calls is None else max(unit, calls)


def _unlimited(task: AttackTask, bench: Workbench) -> bool:
    spec = next(a for a in bench.spec.attacks if a.name == task.attack)
    return spec.budget.calls is None and bench.attack(task.attack).threat.access is not Access.NONE


def _variant_pairs(task: VaryTask, bench: Workbench) -> int:
    place = task.place
    clean, docs = place.query(bench).text, place.docs(bench)
    documents = bench.lists(place.collection).collection.documents
    pairs = {
        (query_variant.variant.text, text)
        for query_variant in task.variants.variants
        for text in _texts(docs) | _texts([documents[i] for i in query_variant.candidates or ()])
    }
    return sum(not (text == clean and doc in _texts(docs)) for text, doc in pairs)


def _texts(docs: Sequence[Document]) -> set[str]:
    return {doc.text for doc in docs}


def _first_stage_ranking(task: RankTask, bench: Workbench) -> RankingRecord:
    """A ranking record in the first stage's order, in place of the ranker's."""
    ids = [doc.doc_id for doc in task.place.docs(bench)]
    collection = bench.lists(task.place.collection).collection
    return RankingRecord(
        **task.place.names(),
        doc_ids=ids,
        scores=[-float(rank) for rank in range(len(ids))],
        qrels=collection.qrels[task.place.query_id],
        relevant_from=collection.relevant,
    )


def _seconds_per_pair(bench: Workbench, place: Place) -> float:
    """Measured on a second call, because the first one loads the model; on texts that are not cached."""
    victim: MeteredRanker = place.victim(bench).uncached
    query, docs = place.query(bench), place.docs(bench)[:PROBED]
    victim.score(query, docs[:1])
    fresh = [doc._replace(text=f"{doc.text} {number}") for number, doc in enumerate(docs)]
    started = perf_counter()
    victim.score(query, fresh)
    return (perf_counter() - started) / (len(docs) * victim.card.pairs_per_score)
