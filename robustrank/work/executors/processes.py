"""Tasks in worker processes of this machine."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from time import monotonic
from typing import Any, NamedTuple
from weakref import finalize

from robustrank.core.cores import THREADS, cores
from robustrank.core.cores import threads as limited
from robustrank.core.errors import ConfigError, RobustRankError, reason
from robustrank.core.interfaces import Item, Lost, Result
from robustrank.work.executors.supervision import Died, Done, Raised, prepare, supervised

PATIENCE = 2.0
"""Seconds for idle processes to end by themselves."""
_SPAWN = get_context("spawn")  # a fork would copy locks that threads of torch hold


@dataclass(frozen=True, kw_only=True)
class Processes:
    """Worker processes of this machine; each loads its own copy of what it needs, and computes on its share of cores.

    A worker that a plug-in crashes or hangs is ended and replaced: only its task is lost. Workers end with this
    process. With one worker, the default of ``robustrank audit``, models load once and use every core.

    Args:
        workers: How many; by default one per core.
    """

    workers: int | None = None
    _crew: _Processes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise ConfigError(f"executor processes: workers must be at least 1, not {self.workers}")
        crew = _Processes(self.workers or cores())
        object.__setattr__(self, "_crew", crew)
        finalize(self, crew.close)  # also at the interpreter's exit

    def run(
        self, function: Callable[[Item], Result], items: Iterable[Item], /, *, limit: float | None = None
    ) -> Iterator[Result | Lost]:
        """Results as they finish."""
        return supervised(self._crew, function, items, limit)

    def close(self) -> None:
        """End the workers."""
        self._crew.close()


class _Worker(NamedTuple):
    process: Any
    """A process of the spawn context."""
    pipe: Connection


class _Processes:
    """Processes with a pipe each, so that one that dies leaves no lock behind."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._workers: dict[int, _Worker] = {}
        self._given: dict[int, Callable[[Any], Any]] = {}
        self._began: dict[int, float] = {}

    def begin(self, number: int, function: Callable[[Any], Any], item: Any) -> None:
        """Send an item to a process, and the function if it has another one: an audit file of many rankers is large."""
        worker = self._workers.get(number)
        if worker is None or not worker.process.is_alive():
            worker = self._workers[number] = self._start()
            self._given.pop(number, None)
        self._began.pop(number, None)
        new = self._given.get(number) is not function
        with suppress(OSError):  # of a process that just died, as its sentinel says
            worker.pipe.send((function if new else None, item))
            self._given[number] = function

    def began(self, number: int) -> float | None:
        """When a process had loaded what its item needs."""
        return self._began.get(number)

    def ended(self, numbers: Sequence[int], timeout: float | None) -> list[tuple[int, Done | Raised | Died]]:
        """Answers of processes, and deaths."""
        mine = {number: self._workers[number] for number in numbers}
        ready = wait([each for w in mine.values() for each in (w.pipe, w.process.sentinel)], timeout)
        ends = []
        for number, worker in mine.items():
            if worker.pipe in ready or worker.process.sentinel in ready:
                outcome = _outcome(worker)
                if outcome is None:
                    self._began[number] = monotonic()
                else:
                    ends.append((number, outcome))
        return ends

    def discard(self, number: int) -> None:
        """Kill a process, and what it started."""
        worker = self._workers.pop(number, None)
        self._given.pop(number, None)
        if worker is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(worker.process.pid, signal.SIGKILL)
        worker.process.kill()
        worker.process.join()
        worker.pipe.close()

    def close(self) -> None:
        """End all of them: idle ones end when their pipe does, others are killed, as they have nothing to write.

        What a killed process leaves, such as the semaphores of progress bars, Python complains of on the console.
        """
        for worker in self._workers.values():
            worker.pipe.close()
        until = monotonic() + PATIENCE
        for worker in self._workers.values():
            worker.process.join(max(0.0, until - monotonic()))
        for number in list(self._workers):
            self.discard(number)

    def _start(self) -> _Worker:
        ours, theirs = _SPAWN.Pipe()
        threads = max(1, cores() // self.size)
        process = _SPAWN.Process(target=serve, args=(theirs, threads, os.getpid()), name="robustrank worker")
        process.start()
        theirs.close()
        return _Worker(process, ours)


def _outcome(worker: _Worker) -> Done | Raised | Died | None:
    """What a worker says; ``None``: it begins."""
    try:
        if worker.pipe.poll():
            outcome: Done | Raised | None = worker.pipe.recv()
            return outcome
    except (EOFError, OSError):
        pass
    except Exception as error:
        return Raised(RobustRankError(f"a worker's answer cannot be read: {reason(error)}"))
    worker.process.join(5)  # it closed its pipe, and is about to end
    return Died(_death(worker.process.exitcode))


def _death(code: int | None) -> str:
    if code is None:
        return "the worker process closed its connection"
    if code >= 0:
        return f"the worker process ended with exit code {code}"
    name = signal.Signals(-code).name if -code in {*signal.Signals} else "unknown"
    hint = "; perhaps the system ran out of memory" if name == "SIGKILL" else ""
    return f"the worker process died (signal {-code}, {name}{hint})"


def serve(pipe: Connection, threads: int, parent: int) -> None:
    """The life of a worker: items in, outcomes out, until the pipe closes or the parent ends."""
    _end_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides; a KeyboardInterrupt is a plug-in's own
    limit = str(limited(threads))
    for name in THREADS:
        os.environ.setdefault(name, limit)
    with suppress(OSError):
        os.dup2(2, 1)  # what plug-ins print is no part of our output
    function: Any = None
    while True:
        try:
            new, item = pipe.recv()
        except (EOFError, OSError):
            return
        function = function if new is None else new
        try:
            prepare(function, item)
            pipe.send(None)
            outcome: Done | Raised = Done(function(item))
        except BaseException as error:
            outcome = Raised(error)
        try:
            pipe.send(outcome)
        except OSError:
            return
        except Exception as error:
            pipe.send(Raised(RobustRankError(f"a worker's answer cannot be sent: {error}")))


def _end_with_parent(parent: int) -> None:
    """Own process group, and the end of it when the parent ends, whatever ended that."""
    if hasattr(os, "setpgrp"):
        os.setpgrp()
    if sys.platform == "linux":
        import ctypes

        with suppress(OSError, AttributeError):  # of a system library without prctl
            ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if hasattr(os, "getppid") and os.getppid() != parent:
        os._exit(1)
    threading.Thread(target=_watch, daemon=True).start()


def _watch() -> None:
    process = parent_process()
    if process is not None:
        wait([process.sentinel])
        if hasattr(os, "killpg"):
            os.killpg(0, signal.SIGKILL)
        os._exit(1)
