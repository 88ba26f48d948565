"""Runs an audit: plan tasks, skip those already recorded, do the rest, sum up. Readable in one sitting.

Phases: rank every list; check every ranker; choose targets from the clean rankings and attack them; certify. Each
phase needs only the records of the ones before, so an audit killed at any moment goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from random import Random

from robustrank.audit import inventory
from robustrank.audit.session import Allowance, Plan, Session, read_plan
from robustrank.config.audit_file import AuditSpec
from robustrank.core.errors import StoreError
from robustrank.core.interfaces import Certifier, Executor
from robustrank.core.plugin_spec import Plugin
from robustrank.core.progress import Progress, Silent
from robustrank.core.ranking import order
from robustrank.core.strata import ranks
from robustrank.core.types import Surface
from robustrank.judging.gate import check_planned, judge
from robustrank.plugins import registry
from robustrank.protocols.summarise import summarise as summary_of
from robustrank.report import html as report
from robustrank.results import summary
from robustrank.results.summary import RedFlag, Sequential, Summary
from robustrank.retrieval.lists import Lists
from robustrank.storage import files, hashing
from robustrank.storage import journal as store
from robustrank.storage.journal import Journal, Record
from robustrank.storage.structure import revive
from robustrank.work.attack import AttackTask
from robustrank.work.base import CertifyTask, CheckTask, Place, RankTask, Task, perform, workbench
from robustrank.work.variations import EditTask, VaryTask, edits_of
from robustrank.work.workbench import Workbench, victims

PHASES = ("ranking", "checks", "attacks", "certificates")

CHECK_DEPTH = 8
"""Documents in the list with which a ranker's stability is checked."""


def folder(spec: AuditSpec, root: Path) -> Path:
    """Where an audit's records lie: another audit file is another folder, other gates are not."""
    return root / f"{spec.name}-{hashing.digest(spec.to_json())[:10]}"


def run(
    spec: AuditSpec,
    where: Path,
    *,
    executor: Executor | None = None,
    fresh: bool = False,
    allowance: Allowance | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Run or resume an audit; write records, ``summary.json`` and ``report.html``.

    Args:
        spec: The audit file.
        where: The audit folder (:func:`folder`).
        executor: Where tasks run; default one after another in this process.
        fresh: Put records of earlier runs aside first.
        allowance: What this run may spend; where that cuts it short, the summary says the audit is unfinished.
        progress: Who to tell.

    Raises:
        RobustRankError: A wrong audit file, plug-in or collection, a missing package, a folder in use.
    """
    executor = executor or registry.build("executor", Plugin(use="serial"))
    with Journal(where) as journal:
        if fresh:
            journal.put_aside()
        _write_spec(spec, where)
        result = _Run(spec, journal, executor, progress or Silent(), allowance or Allowance()).go()
    return _judged(result, spec, where)


class _Run:
    """One run of an audit, while it holds the journal."""

    def __init__(
        self, spec: AuditSpec, journal: Journal, executor: Executor, progress: Progress, allowance: Allowance
    ) -> None:
        self.spec, self.journal, self.executor, self.progress = spec, journal, executor, progress
        self.records = store.read(journal.folder)
        self.session = Session()
        self.now = allowance
        sequential = spec.sequential
        self.whole = Allowance(pairs=sequential.pairs, minutes=sequential.minutes) if sequential else Allowance()
        self.counted: set[str] = set()
        self.bench = workbench(spec)

    def go(self) -> Summary:
        """Do all that is left to do and allowed, and sum up."""
        self.bench.check()
        made = inventory.setup(self.bench, self.progress)
        self._note(made)
        check_planned(self.spec.gates, self.bench)
        if self.spec.sequential is None:
            plan, complete = self._do(made["key"], None)
        else:
            plan, complete = self._in_batches(made["key"], self.spec.sequential.batch)
        plan.write(self.journal.folder)
        self._note(self.session.stamp(self.session.end()))
        return _sum_up(self.records, self.spec, plan, finished=complete)

    def _in_batches(self, setup: str, batch: int) -> tuple[Plan, bool]:
        """Ask batch after batch of queries until every gate is decided; only whole batches are looked at."""
        most = max(len(self.bench.lists(c.name).queries) for c in self.spec.collections)
        asked, whole_batches = 0, None
        while True:
            asked = min(asked + batch, most)
            plan, complete = self._do(setup, asked)
            plan = replace(plan, sequential=Sequential(queries=asked, stopped=""))
            if not complete and whole_batches is not None:
                plan, complete = whole_batches, self.whole.spent
            if not complete or plan is whole_batches:
                return _stopped(plan, "budget" if complete else ""), complete
            verdicts = judge(self.spec.gates, _sum_up(self.records, self.spec, plan, finished=True), self.spec.ratchet)
            if all(verdict.outcome != "inconclusive" for verdict in verdicts):
                return _stopped(plan, "decided"), True
            if asked == most:
                return _stopped(plan, "all queries asked"), True
            whole_batches = plan

    def _do(self, setup: str, queries: int | None) -> tuple[Plan, bool]:
        """The tasks of so many queries that are not done yet, phase by phase; whether all of them are done."""
        planned = {"setup": [setup]}
        for phase, tasks in phases(self.bench, self.records, queries):
            keyed = {task.key(self.bench): task for task in tasks}
            todo = [task for key, task in keyed.items() if key not in self.records]
            planned[phase] = list(keyed)
            Plan(phases=planned).write(self.journal.folder)
            for key in (key for key in keyed if key in self.records):
                self._count(self.records[key])
            self.progress.start(phase, len(keyed))
            self.progress.advance(len(keyed) - len(todo))
            self._perform(todo)
        plan = Plan(phases=planned)
        return plan, plan.live <= self.records.keys()

    def _perform(self, todo: Sequence[Task]) -> None:
        if self.now.spent or self.whole.spent:
            return
        for result in self.executor.run(partial(perform, self.spec), todo[: self.now.tasks_left]):
            record = self.session.stamp(result)
            self._note(record)
            self._count(record)
            self.now.spend(record)
            self.progress.advance()
            if self.now.spent or self.whole.spent:
                break

    def _count(self, record: Record) -> None:
        if record["key"] not in self.counted:
            self.counted.add(record["key"])
            self.whole.spend(record)

    def _note(self, record: Record) -> None:
        if record["key"] not in self.records:
            self.journal.append(record)
            self.records[record["key"]] = record


def _stopped(plan: Plan, why: str) -> Plan:
    queries = plan.sequential.queries if plan.sequential else 0
    return replace(plan, sequential=Sequential(queries=queries, stopped=why))


def summarise(where: Path) -> Summary:
    """Sum up an audit folder again, from its records alone."""
    spec = load_spec(where)
    old = where / "summary.json"
    done = old.exists() and summary.read(old).finished is not None
    records = store.read(where)
    return _judged(_sum_up(records, spec, read_plan(where), finished=done), spec, where)


def status(where: Path) -> list[tuple[str, int, int | None]]:
    """Phase, number of finished tasks and of planned ones; ``None`` where that follows from phases not yet done."""
    records = store.read(where)
    planned = read_plan(where).phases
    return [
        (
            phase,
            sum(key in records for key in planned.get(phase, ())),
            len(planned[phase]) if phase in planned else None,
        )
        for phase in PHASES
    ]


def load_spec(where: Path) -> AuditSpec:
    """The audit file an audit folder was made with.

    Raises:
        StoreError: The folder holds none.
    """
    try:
        data = json.loads((where / "spec.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(f"{where}: not an audit folder (no readable spec.json)") from error
    spec: AuditSpec = revive(AuditSpec, data)
    return spec


def phases(
    bench: Workbench, records: Mapping[str, Record], queries: int | None = None
) -> Iterator[tuple[str, list[Task]]]:
    """The tasks, phase by phase; later phases read the records of earlier ones.

    Args:
        bench: Of the audit.
        records: So far.
        queries: Only the first so many of each collection, in the order of drawing; default all.
    """
    places = _places(bench, queries)
    yield "ranking", [RankTask(place=place) for place in places]
    seen: dict[str, Place] = {}
    for place in sorted((p for p in places if len(p.docs(bench)) > 1), key=lambda p: _flat(bench, records, p)):
        short = Place(ranker=place.ranker, collection=place.collection, query_id=place.query_id, depth=CHECK_DEPTH)
        seen.setdefault(place.ranker, short)
    yield "checks", [CheckTask(place=p) for p in seen.values()]
    yield "variations", [task for place in places for task in variation_tasks(bench, records, place)]
    yield "edits", [EditTask(place=place) for place in places if edits_of(bench, place)]
    yield "attacks", [task for place in places for task in attack_tasks(bench, records, place)]
    certifying = [p for p in places if isinstance(p.victim(bench).ranker.ranker, Certifier)]
    yield "certificates", [CertifyTask(place=place) for place in certifying]


def _flat(bench: Workbench, records: Mapping[str, Record], place: Place) -> bool:
    """Whether the checked part of a list is known to have one score throughout: it would say little of a ranker."""
    record = records.get(RankTask(place=place).key(bench))
    return record is not None and record["status"] == "ok" and len(set(record["scores"][:CHECK_DEPTH])) == 1


def _places(bench: Workbench, most: int | None) -> list[Place]:
    """Every list every ranker ranks; a defended ranker only its share."""
    places = []
    for ranker, defense in victims(bench.spec):
        for collection in bench.spec.collections:
            wanted = (defense.collections or (bench.spec.home.name,)) if defense else (collection.name,)
            if collection.name in wanted:
                queries = list(bench.lists(collection.name).queries)[: defense.queries if defense else None][:most]
                depth = defense.depth if defense else None
                places += [Place(ranker=ranker, collection=collection.name, query_id=q, depth=depth) for q in queries]
    return places


def attack_tasks(bench: Workbench, records: Mapping[str, Record], place: Place) -> list[AttackTask]:
    """The attacks on one list: some targets per stratum for document attacks, the best relevant one for query attacks.

    Targets are documents not judged relevant, because lifting those is what hurts; each is drawn with the audit's seed
    from the ranks of its stratum in the victim's own clean ranking.
    """
    spec, cases = bench.spec, bench.spec.cases
    if place.collection != (cases.collection or spec.home.name) or not _attacked(spec, place.ranker):
        return []
    lists = bench.lists(place.collection)
    record = records.get(RankTask(place=place).key(bench))
    if record is None or record["status"] != "ok" or place.query_id not in list(lists.queries)[: cases.queries]:
        return []
    known = tuple(record["scores"])
    ranking = order(list(zip(record["doc_ids"], known, strict=True)))
    relevant = [d for d in ranking if _grade(lists, place.query_id, d) >= lists.collection.relevant]
    drawn = _draw(spec, place.query_id, ranking, set(relevant))
    tasks = []
    for attack in spec.attacks:
        if attack.rankers and place.ranker not in attack.rankers:
            continue
        if bench.attack(attack.name).threat.surface is Surface.QUERY:
            targets = [("best relevant", relevant[0], len(ranking))] if relevant else []
        else:
            targets = [(stratum, target, cases.goal_rank) for stratum, target in drawn]
        tasks += [
            AttackTask(place=place, attack=attack.name, stratum=stratum, target=target, goal_rank=goal, known=known)
            for stratum, target, goal in targets
        ]
    return tasks


def variation_tasks(bench: Workbench, records: Mapping[str, Record], place: Place) -> list[VaryTask]:
    """The variations of one list, for plain rankers only: a smoothed one would cost a hundred times as much."""
    record = records.get(RankTask(place=place).key(bench))
    if record is None or record["status"] != "ok" or bench.split(place.ranker)[0] is not None:
        return []
    known = tuple(record["scores"])
    return [
        VaryTask(place=place, variation=variation.name, known=known)
        for variation in bench.spec.variations
        if place.collection in (variation.collections or (bench.spec.home.name,))
        and place.ranker in (variation.rankers or (place.ranker,))
        and bench.wordings(variation.name, place.collection).get(place.query_id)
    ]


def _draw(spec: AuditSpec, query_id: str, ranking: Sequence[str], relevant: set[str]) -> list[tuple[str, str]]:
    drawn = []
    for stratum in spec.cases.strata:
        pool = [ranking[rank - 1] for rank in ranks(stratum, len(ranking)) if ranking[rank - 1] not in relevant]
        rng = Random(f"{spec.seed}|target|{query_id}|{stratum}")
        if pool and spec.cases.targets == 1:
            drawn.append((stratum, rng.choice(pool)))
        elif pool:
            drawn += [(stratum, doc_id) for doc_id in rng.sample(pool, min(spec.cases.targets, len(pool)))]
    return drawn


def _attacked(spec: AuditSpec, ranker: str) -> bool:
    plain = {r.name: r.attacked for r in spec.rankers}
    defended = {f"{d.name} + {base}": d.attacked for d in spec.defenses for base in d.rankers}
    return {**plain, **defended}[ranker]


def _grade(lists: Lists, query_id: str, doc_id: str) -> int:
    return lists.collection.qrels[query_id].get(doc_id, 0)


def _write_spec(spec: AuditSpec, where: Path) -> None:
    files.replace(where / "spec.json", json.dumps(asdict(spec), indent=1, ensure_ascii=False))
    files.replace(where / "audit.toml", spec.source)


def _sum_up(records: Mapping[str, Record], spec: AuditSpec, plan: Plan, *, finished: bool) -> Summary:
    """The records of the audit as it is planned now, summed up."""
    live = plan.live
    current = {key: r for key, r in records.items() if key in live or r["kind"] == "session"}
    result = summary_of(current, spec, finished=finished)
    claims = {r.name: r.claimed for r in spec.rankers}
    result = replace(result, rankers=[replace(r, claimed=claims.get(r.name, {})) for r in result.rankers])
    if plan.sequential is None:
        return result
    flag = RedFlag(
        check="sequential",
        severity="warning",
        title="The gates decided how many queries were asked",
        detail="the intervals of the gates hold at any time; all others assume a number settled beforehand, and are "
        "too narrow by what looking often costs",
    )
    return replace(result, sequential=plan.sequential, red_flags=[*result.red_flags, flag])


def _judged(result: Summary, spec: AuditSpec, where: Path) -> Summary:
    """Summary and report on disk, with the gates judged; without them first, because a gate may be wrong."""
    if spec.gates:
        _write(result, where)
    return _write(replace(result, verdicts=judge(spec.gates, result, spec.ratchet)), where)


def _write(result: Summary, where: Path) -> Summary:
    summary.write(result, where / "summary.json")
    report.write(result, where / "report.html")
    return result
