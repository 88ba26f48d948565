"""State of one run of an audit: its start and what it may spend."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from time import perf_counter
from typing import TypeVar

from msgspec import structs

from robustrank.auditing.inventory import now
from robustrank.storage import hashing
from robustrank.work.check_records import CheckRecord
from robustrank.work.records import BaseRecord, SessionRecord, TaskRecord

Stamped = TypeVar("Stamped", bound=BaseRecord)


class Session:
    """One run of an audit; its records carry the seconds since its start, so that a killed run has a duration too."""

    def __init__(self) -> None:
        self._started = perf_counter()
        self._id = hashing.digest(now(), os.getpid(), self._started)[:8]

    def stamp(self, record: Stamped) -> Stamped:
        """The record with the session it came from and the seconds since its start."""
        return structs.replace(record, session=self._id, elapsed=round(perf_counter() - self._started, 3))

    def made_no(self, record: BaseRecord) -> bool:
        """Whether a record comes from another run."""
        return record.session != self._id

    def end(self) -> SessionRecord:
        """A record that the session was not interrupted."""
        return SessionRecord(key=hashing.digest("session", self._id), finished=now())


@dataclass(kw_only=True)
class Allowance:
    """Limits of a run or an audit; checked between tasks, so that the last task may exceed them.

    Args:
        tasks: How many, apart from the cheap questions at the start; ``None`` is no limit, here and below.
        pairs: Scored by the rankers.
        minutes: Of all sessions whose records were counted.
    """

    tasks: int | None = None
    pairs: int | None = None
    minutes: float | None = None
    _tasks: int = 0
    _pairs: int = 0
    _seconds: dict[str, float] = field(default_factory=dict)

    def spend(self, record: TaskRecord) -> None:
        """Count a record."""
        self._tasks += not isinstance(record, CheckRecord)
        self._pairs += record.pairs
        self._seconds[record.session] = max(self._seconds.get(record.session, 0.0), record.elapsed)

    @property
    def tasks_left(self) -> int | None:
        """How many tasks may still begin; ``None`` is no limit."""
        return None if self.tasks is None else max(0, self.tasks - self._tasks)

    @property
    def spent(self) -> bool:
        """Whether nothing is left."""
        used = (self._tasks, self._pairs, sum(self._seconds.values()) / 60)
        return any(
            limit is not None and so_far >= limit
            for so_far, limit in zip(used, (self.tasks, self.pairs, self.minutes), strict=True)
        )
