"""Runs an audit: plan tasks, skip those already recorded, do the rest, sum up. Readable in one sitting.

Phases: rank every list; check every ranker; choose targets from the clean rankings and attack them; certify. Each
phase needs only the records of the ones before, so an audit killed at any moment goes on where it was.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from random import Random
from time import perf_counter

from robustrank import findings, inventory, registry, report, store, summary
from robustrank.config import AuditSpec, Plugin
from robustrank.errors import StoreError
from robustrank.gate import judge
from robustrank.interfaces import Certifier, Executor
from robustrank.inventory import Progress, now
from robustrank.plain import revive
from robustrank.ranking import order
from robustrank.store import Journal, Record
from robustrank.summary import Summary
from robustrank.tasks import AttackTask, CertifyTask, CheckTask, Place, RankTask, Task, perform, workbench
from robustrank.types import Surface
from robustrank.workbench import Lists, Workbench, victims

CHECK_DEPTH = 8
"""Documents in the list with which a ranker's stability is checked."""


@dataclass
class Silent:
    """Progress for nobody."""

    def start(self, phase: str, total: int) -> None:
        """Ignored."""

    def advance(self, n: int = 1) -> None:
        """Ignored."""

    def message(self, text: str) -> None:
        """Ignored."""


class Session:
    """One run of an audit; its records say when they came, so that even a killed one knows how long it took."""

    def __init__(self) -> None:
        self._started = perf_counter()
        self._id = store.digest(now(), os.getpid(), self._started)[:8]

    def stamp(self, record: Record) -> Record:
        """The record with the session it came from and the seconds since its start."""
        return {**record, "session": self._id, "elapsed": round(perf_counter() - self._started, 3)}

    def end(self) -> Record:
        """A record of the session having ended by itself."""
        return {"key": store.digest("session", self._id), "kind": "session", "finished": now()}


def folder(spec: AuditSpec, root: Path) -> Path:
    """Where an audit's records lie: another audit file is another folder, other gates are not."""
    return root / f"{spec.name}-{store.digest(spec.to_json())[:10]}"


def run(
    spec: AuditSpec,
    where: Path,
    *,
    executor: Executor | None = None,
    fresh: bool = False,
    limit: int | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Run or resume an audit; write records, ``summary.json`` and ``report.html``.

    Args:
        spec: The audit file.
        where: The audit folder (:func:`folder`).
        executor: Where tasks run; default one after another in this process.
        fresh: Put records of earlier runs aside first.
        limit: Do at most so many tasks now; the summary then says the audit is unfinished.
        progress: Who to tell.

    Raises:
        RobustRankError: A wrong audit file, plug-in or collection, a missing package, a folder in use.
    """
    progress = progress or Silent()
    executor = executor or registry.build("executor", Plugin(use="serial"))
    session = Session()
    with Journal(where) as journal:
        if fresh:
            journal.put_aside()
        records = store.read(where)
        _write_spec(spec, where)
        bench = workbench(spec)
        bench.check()
        made = inventory.setup(bench, progress)
        _note(journal, records, made)
        live = {made["key"]}
        left = limit
        complete = True
        for phase, tasks in phases(bench, records):
            keyed = {task.key(bench): task for task in tasks}
            todo = [task for key, task in keyed.items() if key not in records]
            live.update(keyed)
            store.replace(where / "keys.json", json.dumps(sorted(live)))
            progress.start(phase, len(keyed))
            progress.advance(len(keyed) - len(todo))
            complete &= left is None or len(todo) <= left
            for record in executor.run(partial(perform, spec), todo[:left]):
                _note(journal, records, session.stamp(record))
                progress.advance()
            left = None if left is None else max(0, left - len(todo))
        _note(journal, records, session.stamp(session.end()))
    return _judged(findings.summarise(_current(records, live), spec, finished=complete), spec, where)


def summarise(where: Path) -> Summary:
    """Sum up an audit folder again, from its records alone."""
    spec = load_spec(where)
    old = where / "summary.json"
    done = old.exists() and summary.read(old).finished is not None
    records = store.read(where)
    keys = where / "keys.json"
    if not keys.exists():
        raise StoreError(f"{where}: nothing is recorded there yet; run the audit's command first")
    live = set(json.loads(keys.read_text(encoding="utf-8")))
    return _judged(findings.summarise(_current(records, live), spec, finished=done), spec, where)


def status(where: Path) -> list[tuple[str, int]]:
    """Phase and number of finished tasks."""
    records = store.read(where)
    kinds = [record["kind"] for record in records.values()]
    return [(kind, kinds.count(kind)) for kind in ("ranking", "check", "attack", "certificate")]


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


def phases(bench: Workbench, records: Mapping[str, Record]) -> Iterator[tuple[str, list[Task]]]:
    """The tasks, phase by phase; later phases read the records of earlier ones."""
    places = _places(bench)
    yield "ranking", [RankTask(place=place) for place in places]
    seen: dict[str, Place] = {}
    for place in (p for p in places if len(p.docs(bench)) > 1):
        short = Place(ranker=place.ranker, collection=place.collection, query_id=place.query_id, depth=CHECK_DEPTH)
        seen.setdefault(place.ranker, short)
    yield "checks", [CheckTask(place=p) for p in seen.values()]
    yield "attacks", [task for place in places for task in attack_tasks(bench, records, place)]
    certifying = [p for p in places if p.docs(bench) and isinstance(p.victim(bench).ranker.ranker, Certifier)]
    yield "certificates", [CertifyTask(place=place) for place in certifying]


def _places(bench: Workbench) -> list[Place]:
    """Every list every ranker ranks; a defended ranker only its share."""
    places = []
    for ranker, defense in victims(bench.spec):
        for collection in bench.spec.collections:
            wanted = (defense.collections or (bench.spec.home.name,)) if defense else (collection.name,)
            if collection.name in wanted:
                queries = list(bench.lists(collection.name).queries)[: defense.queries if defense else None]
                depth = defense.depth if defense else None
                places += [Place(ranker=ranker, collection=collection.name, query_id=q, depth=depth) for q in queries]
    return places


def attack_tasks(bench: Workbench, records: Mapping[str, Record], place: Place) -> list[AttackTask]:
    """The attacks on one list: one target per stratum for document attacks, the best relevant one for query attacks.

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


def _draw(spec: AuditSpec, query_id: str, ranking: Sequence[str], relevant: set[str]) -> list[tuple[str, str]]:
    drawn = []
    for stratum in spec.cases.strata:
        first, _, last = stratum.partition("-")
        pool = [doc_id for doc_id in ranking[int(first) - 1 : int(last)] if doc_id not in relevant]
        if pool:
            drawn.append((stratum, Random(f"{spec.seed}|target|{query_id}|{stratum}").choice(pool)))
    return drawn


def _attacked(spec: AuditSpec, ranker: str) -> bool:
    plain = {r.name: r.attacked for r in spec.rankers}
    defended = {f"{d.name} + {base}": d.attacked for d in spec.defenses for base in d.rankers}
    return {**plain, **defended}[ranker]


def _grade(lists: Lists, query_id: str, doc_id: str) -> int:
    return lists.collection.qrels[query_id].get(doc_id, 0)


def _note(journal: Journal, records: dict[str, Record], record: Record) -> None:
    if record["key"] not in records:
        journal.append(record)
        records[record["key"]] = record


def _write_spec(spec: AuditSpec, where: Path) -> None:
    store.replace(where / "spec.json", json.dumps(asdict(spec), indent=1, ensure_ascii=False))
    store.replace(where / "audit.toml", spec.source)


def _current(records: Mapping[str, Record], live: Set[str]) -> dict[str, Record]:
    """The records of the audit as it is now: a model trained again leaves those of the old one behind, unused."""
    return {key: r for key, r in records.items() if key in live or r["kind"] == "session"}


def _judged(result: Summary, spec: AuditSpec, where: Path) -> Summary:
    """Summary and report on disk, with the gates judged; without them first, because a gate may be wrong."""
    if spec.gates:
        _write(result, where)
    return _write(replace(result, verdicts=judge(spec.gates, result)), where)


def _write(result: Summary, where: Path) -> Summary:
    summary.write(result, where / "summary.json")
    report.write(result, where / "report.html")
    return result
