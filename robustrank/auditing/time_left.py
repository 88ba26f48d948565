"""About how long a run still takes: the tasks that are left, in kinds that take about equally long."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import NamedTuple

from robustrank.auditing import cost
from robustrank.auditing.phases import Records
from robustrank.work.base import Task
from robustrank.work.records import TaskRecord
from robustrank.work.workbench import Workbench


class Kind(NamedTuple):
    """Tasks that take about equally long: of one phase, ranker, collection, and attack, variation or defense."""

    phase: str
    ranker: str
    collection: str
    what: str


@dataclass
class _Sum:
    tasks: int = 0
    pairs: int = 0
    seconds: float = 0.0
    scoring: float = 0.0


@dataclass
class _Ratio:
    """Seconds to what they were spent on."""

    seconds: float = 0.0
    count: int = 0

    def add(self, seconds: float, count: int) -> None:
        """More of both."""
        self.seconds += seconds
        self.count += count


def _ratio(of: _Ratio | None) -> float:
    return of.seconds / of.count if of is not None else 0.0


class TimeLeft:
    """Counts what is left and how fast it goes.

    A kind of tasks takes what its tasks took so far; one that has not begun, what its pairs take at its ranker's speed,
    and beside that what such tasks took with other rankers.

    Args:
        bench: Of the audit.
        clock: Seconds since some moment.
    """

    def __init__(self, bench: Workbench, clock: Callable[[], float] = perf_counter) -> None:
        self._bench, self._clock = bench, clock
        self._left: dict[Kind, _Sum] = {}
        self._seen: defaultdict[Kind, _Sum] = defaultdict(_Sum)
        self._kinds: dict[str, Kind] = {}
        self._known: set[str] = set()
        self._last: float | None = None
        self._wall = self._busy = 0.0

    def foresee(self, records: Records) -> None:
        """Plan all phases anew; lists that are not ranked yet are taken in the first stage's order."""
        self._left = {}
        tasks: list[Task] = []
        for phase, made in cost.foreseen(self._bench, records):
            self._add(phase, {task.key(self._bench): task for task in made}, records)
            tasks += made
        for name, ranker, count, pairs in cost.by_protocols(self._bench, tasks):
            self._left[Kind(name, ranker, "", "")] = _Sum(count, pairs)

    def begin(self, phase: str, tasks: Mapping[str, Task], records: Records) -> None:
        """A phase begins, whose tasks are known now."""
        self._left = {kind: left for kind, left in self._left.items() if kind.phase != phase}
        self._add(phase, tasks, records)
        self._last = None

    def done(self, record: TaskRecord) -> None:
        """A task of this run is done."""
        now = self._clock()
        kind = self._kinds.get(record.key)
        if kind is None or record.key in self._known:
            return
        self._count(kind, record)
        left = self._left[kind]
        left.pairs -= round(left.pairs / left.tasks)
        left.tasks -= 1
        if self._last is not None:  # the first task of a phase waits for workers that begin
            self._wall += now - self._last
            self._busy += record.seconds
        self._last = now

    def seconds(self) -> float | None:
        """Seconds left; ``None`` while nothing has been seen."""
        if not self._seen:
            return None
        speeds, beside = self._speeds(), self._beside()
        total = 0.0
        for kind, left in self._left.items():
            if not left.tasks:
                continue
            if (seen := self._seen.get(kind)) is not None:
                total += left.tasks * seen.seconds / seen.tasks
                continue
            alike = beside.get((kind.phase, kind.what)) or beside.get((kind.phase, None))
            total += _ratio(speeds.get(kind.ranker) or speeds.get(None)) * left.pairs + _ratio(alike) * left.tasks
        return total * (self._wall / self._busy if self._busy else 1.0)

    def _speeds(self) -> dict[str | None, _Ratio]:
        """Ranker, or ``None`` for all of them, to the seconds of scoring and the pairs that were seen."""
        sums: defaultdict[str | None, _Ratio] = defaultdict(_Ratio)
        for kind, seen in self._seen.items():
            for name in (kind.ranker, None) if seen.pairs else ():
                sums[name].add(seen.scoring, seen.pairs)
        return sums

    def _beside(self) -> dict[tuple[str, str | None], _Ratio]:
        """Phase, and what is done or ``None`` for all, to the seconds beside scoring and the tasks that were seen."""
        sums: defaultdict[tuple[str, str | None], _Ratio] = defaultdict(_Ratio)
        for kind, seen in self._seen.items():
            for name in (kind.what, None):
                sums[kind.phase, name].add(seen.seconds - seen.scoring, seen.tasks)
        return sums

    def _add(self, phase: str, tasks: Mapping[str, Task], records: Records) -> None:
        for key, task in tasks.items():
            kind = Kind(phase, task.place.ranker, task.place.collection, _what(task))
            record = records.get(key)
            if isinstance(record, TaskRecord):
                self._count(kind, record)
                continue
            self._kinds[key] = kind
            left = self._left.setdefault(kind, _Sum())
            left.tasks += 1
            left.pairs += cost.price(task, self._bench)

    def _count(self, kind: Kind, record: TaskRecord) -> None:
        if record.key in self._known:
            return
        self._known.add(record.key)
        seen = self._seen[kind]
        seen.tasks += 1
        seen.pairs += record.pairs
        seen.seconds += record.seconds
        seen.scoring += record.scoring_seconds


def _what(task: Task) -> str:
    names: Sequence[str] = ("attack", "variation")
    return next((str(name) for name in (getattr(task, each, None) for each in names) if name), "")
