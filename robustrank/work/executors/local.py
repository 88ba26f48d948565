"""Tasks in this process: one after another, or in threads."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from time import monotonic
from types import FrameType
from typing import Any

from robustrank.core.errors import ConfigError, TimeLimitPassed
from robustrank.core.interfaces import Item, Lost, Result
from robustrank.work.executors.supervision import Died, Done, Raised, over_limit, supervised

GRACE = 30.0
"""Seconds after which a task that nothing interrupts ends the process."""


@dataclass(frozen=True, kw_only=True)
class Serial:
    """One task after another, in this process.

    A plug-in that crashes the interpreter ends the audit, and the same command resumes it. The time limit interrupts
    Python code of the main thread; code that it cannot interrupt ends the process with exit code 3.
    """

    def run(
        self, function: Callable[[Item], Result], items: Iterable[Item], /, *, limit: float | None = None
    ) -> Iterator[Result | Lost]:
        """Results in the order of the items."""
        for item in items:
            started = monotonic()
            try:
                with limited(limit):
                    result: Result | Lost = function(item)
            except TimeLimitPassed as passed:
                result = Lost(item=item, reason=str(passed), seconds=monotonic() - started)
            yield result

    def close(self) -> None:
        """Nothing was started."""


@contextmanager
def limited(limit: float | None, who: str = "a task") -> Iterator[None]:
    """Raise :class:`TimeLimitPassed` in the main thread after some seconds; where that does not help, exit with 3.

    Args:
        limit: Seconds; ``None`` is no limit.
        who: Is at work, for the message of the exit.
    """
    if limit is None:
        yield
        return
    watch = threading.Timer(limit + GRACE, _give_up, [limit, who])
    watch.daemon = True
    watch.start()
    alarms = hasattr(signal, "SIGALRM") and threading.current_thread() is threading.main_thread()

    def ring(number: int, frame: FrameType | None) -> None:
        raise TimeLimitPassed(over_limit(limit))

    before = signal.signal(signal.SIGALRM, ring) if alarms else None
    outer = (0.0, 0.0)
    try:
        if alarms:
            # Again every second, lest the plug-in swallows it.
            outer = signal.setitimer(signal.ITIMER_REAL, limit, 1.0)
        yield
    finally:
        if alarms:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            signal.setitimer(signal.ITIMER_REAL, *outer)
        watch.cancel()


def _give_up(limit: float, who: str) -> None:
    """End the process: no code of Python can end a task that does not come back to the interpreter."""
    sys.stderr.write(
        f"robustrank: {who} {over_limit(limit)} and cannot be interrupted within this process; finished tasks are "
        "recorded, and --executor 'processes(workers=1)' goes on after such a task\n"
    )
    sys.stderr.flush()
    os._exit(3)


@dataclass(frozen=True, kw_only=True)
class Threads:
    """Threads of this process, for rankers that wait for a service; rankers must allow calls from several threads.

    A plug-in that crashes the interpreter ends the audit. A task that passes the time limit is let go of: its thread
    goes on until the process ends, and another thread takes its place.

    Args:
        workers: How many.
    """

    workers: int = 8
    _crew: _Threads = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ConfigError(f"executor threads: workers must be at least 1, not {self.workers}")
        object.__setattr__(self, "_crew", _Threads(self.workers))

    def run(
        self, function: Callable[[Item], Result], items: Iterable[Item], /, *, limit: float | None = None
    ) -> Iterator[Result | Lost]:
        """Results as they finish."""
        return supervised(self._crew, function, items, limit)

    def close(self) -> None:
        """End the threads that wait for an item."""
        self._crew.close()


class _Threads:
    """Threads with a queue of items each, and one queue of results."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._items: dict[int, SimpleQueue[tuple[Callable[[Any], Any], Any] | None]] = {}
        self._ends: SimpleQueue[tuple[Any, Done | Raised]] = SimpleQueue()
        self._began: dict[int, float] = {}

    def begin(self, number: int, function: Callable[[Any], Any], item: Any) -> None:
        """Give an item to a thread."""
        if number not in self._items:
            self._items[number] = SimpleQueue()
            arguments = self._items[number], self._ends
            threading.Thread(target=_serve, args=arguments, name=f"robustrank-{number}", daemon=True).start()
        self._began[number] = monotonic()
        self._items[number].put((function, item))

    def began(self, number: int) -> float | None:
        """When a thread began its item."""
        return self._began[number]

    def ended(self, numbers: Sequence[int], timeout: float | None) -> list[tuple[int, Done | Raised | Died]]:
        """The thread that ended an item, if any; what a thread returns that was let go of is dropped."""
        try:
            queue, outcome = self._ends.get(timeout=timeout)
        except Empty:
            return []
        return [(number, outcome) for number, mine in self._items.items() if mine is queue and number in numbers]

    def discard(self, number: int) -> None:
        """Let go of a thread; it ends after its item."""
        self._items.pop(number).put(None)

    def close(self) -> None:
        """End all threads after their items."""
        for number in list(self._items):
            self.discard(number)


def _serve(items: SimpleQueue[Any], ends: SimpleQueue[Any]) -> None:
    while (work := items.get()) is not None:
        function, item = work
        try:
            outcome: Done | Raised = Done(function(item))
        except BaseException as error:
            outcome = Raised(error)
        ends.put((items, outcome))
