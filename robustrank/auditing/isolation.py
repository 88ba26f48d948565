"""Lets workers do first what the parent must do too: build plug-ins; and lets them make the variants of queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from robustrank.config.specs import AuditSpec, Victim
from robustrank.core.errors import PluginFailed
from robustrank.core.interfaces import Executor, Lost
from robustrank.core.types import Status
from robustrank.work.executors.supervision import over_limit
from robustrank.work.isolated import Build, Part, Varied, Vary
from robustrank.work.plant_records import PlantRecord
from robustrank.work.records import AttackRecord, Record, TaskRecord, VariationRecord
from robustrank.work.workbench import Workbench, did_not_load, loading_limit


def build(bench: Workbench, records: Mapping[str, Record], executor: Executor) -> None:
    """Build each plug-in in a worker, but for those that records show to work.

    Raises:
        PluginFailed: One ended or crashed its process, or hung.
    """
    spec, where = bench.spec, bench.spec.cases.collection or bench.spec.home.name
    tasks = [r for r in records.values() if isinstance(r, TaskRecord) and r.status is not Status.ERROR]
    worked = {Part("ranker", r.ranker, r.collection) for r in tasks}
    worked |= {Part("attack", r.attack, where) for r in tasks if isinstance(r, AttackRecord)}
    worked |= {Part("corpus attack", r.attack, where) for r in tasks if isinstance(r, PlantRecord)}
    worked |= {Part("variation", r.variation, spec.home.name) for r in tasks if isinstance(r, VariationRecord)}
    wanted = [
        *(Part("ranker", v.name, c) for v in spec.victims for c in _collections(v, spec)),
        *(Part("attack", a.name, where) for a in spec.attacks),
        *(Part("variation", v.name, spec.home.name) for v in spec.variations),
        *(Part("corpus attack", a.name, where) for a in (spec.corpus.attacks if spec.corpus else ())),
    ]
    todo = [part for part in wanted if part not in worked]
    limit = loading_limit(spec.task_timeout)
    for result in executor.run(Build(spec), todo, limit=limit) if todo else ():
        if isinstance(result, Lost):
            why = did_not_load(limit) if result.reason == over_limit(limit) else result.reason
            kind = "defense" if result.item.kind == "ranker" and spec.victim(result.item.name).defense else None
            raise PluginFailed(
                f"{kind or result.item.kind} {result.item.name!r}, while it was built for "
                f"{result.item.collection!r}: {why}"
            )


def _collections(victim: Victim, spec: AuditSpec) -> Sequence[str]:
    if victim.defense is None:
        return [collection.name for collection in spec.collections]
    return victim.defense.collections or (spec.home.name,)


def vary(bench: Workbench, records: Mapping[str, Record], executor: Executor) -> list[str]:
    """Make the variants of queries in workers, but for those of which records show that they can be made.

    Returns:
        In sentences, what failed.
    """
    spec = bench.spec
    worked = {
        Varied(r.variation, r.collection, r.query_id)
        for r in records.values()
        if isinstance(r, VariationRecord) and r.status is not Status.ERROR
    }
    todo = [
        item
        for variation in spec.variations
        for collection in variation.collections or (spec.home.name,)
        for query_id in [*bench.lists(collection).queries][: variation.queries]
        if (item := Varied(variation.name, collection, query_id)) not in worked
    ]
    for result in executor.run(Vary(spec), todo, limit=spec.task_timeout) if todo else ():
        if isinstance(result, Lost):
            bench.made[result.item] = (), f"variation {result.item.variation!r}: {result.reason}"
        else:
            bench.made[result.of] = result.variants, result.error
    failed: dict[str, list[str]] = {}
    for varied, (_, error) in bench.made.items():
        if error:
            failed.setdefault(varied[0], []).append(error)
    return [f"no variants of {len(errors)} queries, the first: {errors[0]}" for errors in failed.values()]
