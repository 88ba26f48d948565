"""Does one task in whichever process this is: a plug-in that fails is a record that names it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from time import perf_counter

from msgspec import structs

from robustrank.config.specs import AuditSpec
from robustrank.core.answers import Answers
from robustrank.core.usage import Usage, counting
from robustrank.work.base import Task, tried
from robustrank.work.records import TaskRecord
from robustrank.work.surroundings import Surroundings
from robustrank.work.victims import MeteredVictim
from robustrank.work.workbench import Workbench


def perform(spec: AuditSpec, task: Task) -> TaskRecord:
    """Do one task in whichever process this is; the record says what it cost.

    A plug-in that breaks its contract, raises anything, or leaves the working directory or a standard stream changed,
    is a record that names it: the audit goes on. Scores of other tasks are forgotten first, so that what a task costs
    does not depend on what its process did before.

    Raises:
        Stopped: The user stopped the audit.
        TimeLimitPassed: The task took too long.
    """
    bench = workbench(spec)
    meters: list[MeteredVictim] = []
    surroundings, started = Surroundings(), perf_counter()
    measuring = _measuring_seconds(bench, task)

    def measured() -> TaskRecord:
        meters.extend(_victims(bench, task))
        return task.perform(bench)

    try:
        with counting() as used:
            record, error = tried(measured, None, blamed(task))
    finally:
        changed = surroundings.put_back()
    if record is None or changed:
        record = task.failed(bench, error or f"{blamed(task)}: {changed}")
    done: TaskRecord = structs.replace(
        record,
        key=task.key(bench),
        pairs=sum(m.pairs for m in meters),
        scoring_seconds=sum(m.seconds for m in meters),
        measuring_seconds=_measuring_seconds(bench, task) - measuring,
        seconds=perf_counter() - started,
        answers=answers if (answers := sum((m.answers for m in meters), Answers())).lists else None,
        service=used if used != Usage() else None,
    )
    return done


@dataclass(frozen=True)
class Performer:
    """:func:`perform` for an audit file, to be sent to workers.

    Args:
        spec: The audit file.
        listwise: Rankers that are treated as list-wise, whatever their cards say.
    """

    spec: AuditSpec
    listwise: frozenset[str] = frozenset()

    def __call__(self, task: Task) -> TaskRecord:
        """The record of a task."""
        workbench(self.spec).listwise = self.listwise
        return perform(self.spec, task)

    def prepare(self, task: Task) -> None:
        """Load what the task needs; what fails here fails again in the task, whose record says so."""
        bench = workbench(self.spec)
        bench.listwise = self.listwise
        tried(lambda: (_victims(bench, task), _measuring_seconds(bench, task)), None)


def lost(bench: Workbench, task: Task, why: str, seconds: float) -> TaskRecord:
    """The record of a task whose worker died or was ended."""
    record = task.failed(bench, f"{blamed(task)}: {why}")
    done: TaskRecord = structs.replace(record, key=task.key(bench), seconds=seconds)
    return done


def blamed(task: Task) -> str:
    """The plug-in that does a task, for messages; tasks of other packages may have a ``who`` that says it."""
    return str(getattr(task, "who", f"{task.kind} of ranker {task.place.ranker!r}"))


def _victims(bench: Workbench, task: Task) -> list[MeteredVictim]:
    """The task's ranker, and the one behind it where it is defended, with meters at nothing."""
    names = dict.fromkeys([task.place.ranker, bench.spec.victim(task.place.ranker).ranker.name])
    victims = [bench.victim(name, task.place.collection) for name in names]
    for victim in victims:
        victim.reset()
    return victims


def workbench(spec: AuditSpec) -> Workbench:
    """The process's workbench for an audit file."""
    last = _LAST[0] if _LAST else None
    if last is None or last.spec is not spec:  # another thread may have another audit
        last = _Keyed(spec)
        _LAST[:] = [last]
    return _workbench(last)


class _Keyed:
    """An audit file that hashes by its content, to key a cache."""

    def __init__(self, spec: AuditSpec) -> None:
        self.spec = spec
        self._text = json.dumps(spec.to_json(), sort_keys=True, default=str)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Keyed) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


_LAST: list[_Keyed] = []
"""The last one: writing out an audit file of many rankers takes longer than to score a short list."""


@lru_cache(maxsize=1)
def _workbench(keyed: _Keyed) -> Workbench:
    return Workbench(keyed.spec)


def _measuring_seconds(bench: Workbench, task: Task) -> float:
    """Seconds inside the encoder that measures similarity, which only attacks need."""
    encoder = bench.similarity if task.kind == "attack" else None
    return 0.0 if encoder is None else encoder.seconds
