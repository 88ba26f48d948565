"""The phases of an audit and their tasks. Later phases read the records of earlier ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from robustrank.auditing.targets import attack_tasks
from robustrank.core.interfaces import Certifier
from robustrank.core.types import Status
from robustrank.protocols.installed import protocols
from robustrank.work.base import CertifyTask, Place, RankTask, Task
from robustrank.work.checks import CheckTask
from robustrank.work.records import RankingRecord, Record
from robustrank.work.variations import EditTask, VaryTask, edits_of
from robustrank.work.workbench import Workbench

CHECK_LISTS, CHECK_DEPTH = 2, 5
"""Lists, and documents of each, with which a ranker is asked whether it is what it declares."""

ATTACKS = "attacks"
"""The phase of attacks on lists."""

Records = Mapping[str, Record]


class Phase(NamedTuple):
    """A name, and the function from workbench, records so far and lists to tasks."""

    name: str
    tasks: Callable[[Workbench, Records, Sequence[Place]], Sequence[Task]]


def phases(bench: Workbench, records: Records, queries: int | None = None) -> Iterator[tuple[str, Sequence[Task]]]:
    """The tasks, phase by phase.

    Args:
        bench: Of the audit.
        records: By key; read anew for each phase, so that records of earlier phases count.
        queries: The most queries of each collection, in the order of drawing; ``None`` for all.
    """
    places = _places(bench, queries)
    for phase in every_phase():
        yield phase.name, phase.tasks(bench, records, places)


def every_phase() -> Sequence[Phase]:
    """The phases of every audit, then one for each installed protocol that makes records of its own."""
    own = [Phase(protocol.name, protocol.tasks) for protocol in protocols() if protocol.tasks is not None]
    return (*PHASES, *own)


def _places(bench: Workbench, most: int | None) -> list[Place]:
    """Every list of every ranker; a defended ranker only has the queries and depth of its ``[[defense]]``."""
    places = []
    for victim in bench.spec.victims:
        defense = victim.defense
        for collection in bench.spec.collections:
            wanted = (defense.collections or (bench.spec.home.name,)) if defense else (collection.name,)
            if collection.name in wanted:
                queries = list(bench.lists(collection.name).queries)[: defense.queries if defense else None][:most]
                depth = defense.depth if defense else None
                places += [
                    Place(ranker=victim.name, collection=collection.name, query_id=q, depth=depth) for q in queries
                ]
    return places


def _ranked(bench: Workbench, records: Records, place: Place) -> RankingRecord | None:
    """The clean ranking of a list; ``None`` where it is not recorded."""
    record = records.get(RankTask(place=place).key(bench))
    return record if isinstance(record, RankingRecord) and record.status is Status.OK else None


def _rankings(bench: Workbench, records: Records, places: Sequence[Place]) -> Sequence[Task]:
    return [RankTask(place=place) for place in places]


def _checks(bench: Workbench, records: Records, places: Sequence[Place]) -> Sequence[Task]:
    """The first lists of each ranker, cut short; the same ones whichever queries a batch has."""
    lists: dict[str, list[Place]] = {}
    for place in _places(bench, None):
        if len(place.docs(bench)) > 1:
            lists.setdefault(place.ranker, []).append(
                replace(place, depth=min(CHECK_DEPTH, place.depth or CHECK_DEPTH))
            )
    return [CheckTask(places=tuple(mine[:CHECK_LISTS])) for mine in lists.values()]


def _variations(bench: Workbench, records: Records, places: Sequence[Place]) -> Sequence[Task]:
    """For plain rankers only: a smoothed one would cost a hundred times as much."""
    tasks = []
    for place in places:
        record = _ranked(bench, records, place)
        if record is None or bench.spec.victim(place.ranker).defense is not None:
            continue
        tasks += [
            VaryTask(place=place, variation=variation.name, clean_scores=tuple(record.scores), variants=variants)
            for variation in bench.spec.variations
            if place.collection in (variation.collections or (bench.spec.home.name,))
            and place.ranker in (variation.rankers or (place.ranker,))
            and (variants := bench.query_variants(variation.name, place.collection).get(place.query_id))
            and (variants.variants or variants.error)
        ]
    return tasks


def _edits(bench: Workbench, records: Records, places: Sequence[Place]) -> Sequence[Task]:
    return [EditTask(place=place) for place in places if edits_of(bench, place)]


def _attacks(bench: Workbench, records: Records, places: Sequence[Place]) -> Sequence[Task]:
    tasks = []
    for place in places:
        record = _ranked(bench, records, place)
        tasks += [] if record is None else attack_tasks(bench, record, place)
    return tasks


def _certificates(bench: Workbench, records: Records, places: Sequence[Place]) -> Sequence[Task]:
    return [CertifyTask(place=place) for place in places if isinstance(place.victim(bench).ranker.ranker, Certifier)]


PHASES = (
    Phase("checks", _checks),
    Phase("ranking", _rankings),
    Phase("variations", _variations),
    Phase("edits", _edits),
    Phase(ATTACKS, _attacks),
    Phase("certificates", _certificates),
)
"""The phases of every audit, in order."""
