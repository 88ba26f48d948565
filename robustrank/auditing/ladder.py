"""Attacks tried one after another: what can show no worse case than one that was tried before is not tried.

Of a point-wise ranker a target that stands first does as much harm as it can, whichever edit brought it there. So an
attack is left out on a target that an earlier one with the same kind of edit, and no more access, brought to the first
rank: the worst case over attacks of every kind and access stays what it would be with all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from robustrank.core.types import Goal, Surface
from robustrank.results.outcomes import undecided
from robustrank.work.attack import AttackTask
from robustrank.work.base import Task
from robustrank.work.records import AttackRecord, Record
from robustrank.work.workbench import Workbench


def rounds(bench: Workbench, tasks: Sequence[Task], records: Mapping[str, Record]) -> Iterator[Sequence[Task]]:
    """The attacks to make, again after each round: those made, and of each target the next one.

    Args:
        bench: Of the audit.
        tasks: All attacks; on one target in the order in which they are tried.
        records: By key; read anew for each round.
    """
    keyed = [(task, task.key(bench)) for task in tasks]
    before = -1
    while len(now := standing(bench, keyed, records)) != before:
        before = len(now)
        yield now


def standing(bench: Workbench, keyed: Sequence[tuple[Task, str]], records: Mapping[str, Record]) -> Sequence[Task]:
    """The attacks that were made or are next; those after one that is not made yet are for later rounds."""
    first: dict[tuple[str, str, str], list[tuple[str, int]]] = {}
    waiting: set[tuple[str, str, str]] = set()
    kept: list[Task] = []
    for task, key in keyed:
        if not isinstance(task, AttackTask) or not _climbs(bench, task):
            kept.append(task)
            continue
        threat, target = bench.attack(task.attack).threat, (task.place.ranker, task.place.query_id, task.target)
        operation, level = str(threat.edits.operation), threat.access.level
        record = records.get(key)
        won = any(same == operation and weaker <= level for same, weaker in first.get(target, ()))
        if (won or target in waiting) and record is None:
            continue
        kept.append(task)
        if not isinstance(record, AttackRecord):
            waiting.add(target)
        elif undecided(record) is None and record.rank_after == 1:
            first.setdefault(target, []).append((operation, level))
    return kept


def _climbs(bench: Workbench, task: AttackTask) -> bool:
    """Whether an attack promotes a document, and is no control, on a ranker of single documents."""
    threat = bench.attack(task.attack).threat
    promotes = threat.surface is Surface.DOCUMENT and threat.goal is Goal.PROMOTE and not threat.control
    return promotes and task.place.victim(bench).ranker.card.pointwise
