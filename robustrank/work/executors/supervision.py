"""What executors share: hand items to workers one by one, and replace workers that die or pass the time limit."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Generic, Protocol

from robustrank.core.interfaces import Item, Lost, Result


@dataclass(frozen=True)
class Done:
    """An item's result."""

    result: Any


@dataclass(frozen=True)
class Raised:
    """The function raised, which tasks never do: a fault of ours, to be raised again."""

    error: BaseException


@dataclass(frozen=True)
class Died:
    """The worker ended before the item did."""

    reason: str


class Crew(Protocol):
    """Workers by number, each with one item at a time."""

    @property
    def size(self) -> int:
        """The most workers at a time."""

    def begin(self, number: int, function: Callable[[Any], Any], item: Any) -> None:
        """Give an item to a worker, which is started if there is none of this number."""

    def began(self, number: int) -> float | None:
        """When a worker began its item, by :func:`time.monotonic`; ``None`` where it is still loading."""

    def ended(self, numbers: Sequence[int], timeout: float | None) -> list[tuple[int, Done | Raised | Died]]:
        """The workers among these that ended an item or died; waits for one, for at most some seconds."""

    def discard(self, number: int) -> None:
        """End a worker with whatever it does; where threads cannot be ended, let go of it."""


START = 600.0
"""Seconds that a worker may take to start, and to load what its item needs; they do not count as the item's."""

POLL = 1.0
"""Seconds between two looks at the clock, where there is a time limit."""


def supervised(
    crew: Crew, function: Callable[[Item], Result], items: Iterable[Item], limit: float | None
) -> Iterator[Result | Lost]:
    """Results as they finish.

    The item of a worker that died is tried once more with no other item at work, because memory may have been short;
    an item that passed the time limit is not.
    """
    run = _Run(crew, function, iter(items), limit)
    try:
        run.hand_out()
        while run.again or run.busy:
            yield from run.collect()
            run.hand_out()
    finally:  # also where the reader stops early
        for number in run.busy:
            crew.discard(number)


class _Run(Generic[Item, Result]):
    """One run over items."""

    def __init__(
        self, crew: Crew, function: Callable[[Item], Result], items: Iterator[Item], limit: float | None
    ) -> None:
        self.crew, self.function, self.limit = crew, function, limit
        self.waiting = items
        self.again: deque[Item] = deque()
        """Items whose worker died, to be tried alone."""
        self.busy: dict[int, tuple[Item, bool, float]] = {}
        """Worker to its item, whether this is its second trial, and when it was given it."""

    def hand_out(self) -> None:
        """Give items to idle workers; while an item waits to be tried alone, no other begins."""
        if self.again:
            if not self.busy:
                self._begin(0, self.again.popleft(), second=True)
            return
        for number in range(self.crew.size):
            if number not in self.busy:
                for item in self.waiting:  # the next one, if there is one
                    self._begin(number, item, second=False)
                    break

    def collect(self) -> Iterator[Result | Lost]:
        """Wait for items that end, die or pass their limit; nothing where one is to be tried again."""
        for number, outcome in self.crew.ended(list(self.busy), None if self.limit is None else self._patience()):
            (item, second, _), seconds = self.busy.pop(number), self._seconds(number)
            if isinstance(outcome, Raised):
                raise outcome.error
            if isinstance(outcome, Done):
                yield outcome.result
                continue
            self.crew.discard(number)
            if second:
                yield Lost(item=item, reason=outcome.reason, seconds=seconds)
            else:
                self.again.append(item)
        for number, why in [(n, why) for n in self.busy if (why := self._late(n))]:
            seconds = self._seconds(number)
            item, _, _ = self.busy.pop(number)
            self.crew.discard(number)
            yield Lost(item=item, reason=why, seconds=seconds)

    def _begin(self, number: int, item: Item, *, second: bool) -> None:
        self.busy[number] = item, second, monotonic()
        self.crew.begin(number, self.function, item)

    def _seconds(self, number: int) -> float:
        began = self.crew.began(number)
        return 0.0 if began is None else monotonic() - began

    def _late(self, number: int) -> str:
        """Why a worker is not waited for any longer; empty where it is."""
        if self.limit is None:
            return ""
        if self.crew.began(number) is None:
            return f"did not load within {START:g} s" if monotonic() - self.busy[number][2] > START else ""
        return over_limit(self.limit) if self._seconds(number) > self.limit else ""

    def _patience(self) -> float:
        """Until the next limit passes, at most :data:`POLL`."""
        left = [(self.limit or 0.0) - self._seconds(number) for number in self.busy]
        return max(0.01, min([POLL, *left]))


def prepare(function: Callable[[Any], Any], item: Any) -> None:
    """Load what an item needs, where the function can."""
    if (load := getattr(function, "prepare", None)) is not None:
        load(item)


def over_limit(limit: float) -> str:
    """The reason of an item that took too long."""
    return f"passed its time limit of {limit:g} s (--task-timeout, or task_timeout in the audit file)"
