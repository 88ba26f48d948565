"""Tasks on a Ray cluster, or on a Ray started for the occasion on this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from robustrank.core.errors import ConfigError, MissingExtra
from robustrank.core.interfaces import Item, Lost, Result
from robustrank.work.executors.supervision import Died, Done, Raised, prepare, supervised


@dataclass(frozen=True, kw_only=True)
class Ray:
    """Ray workers; each process loads what it needs once and keeps it for its later tasks.

    Every machine of the cluster needs this package, the plug-ins and the files that the audit file names. A worker that
    a plug-in crashes or hangs is ended and replaced: only its task is lost.

    Args:
        address: Of a running cluster, for example ``"auto"``; by default Ray is started here.
        workers: How many; by default one for each processor of the cluster.
    """

    address: str | None = None
    workers: int | None = None
    _crew: _Actors = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise ConfigError(f"executor ray: workers must be at least 1, not {self.workers}")
        object.__setattr__(self, "_crew", _Actors(self.address, self.workers))

    def run(
        self, function: Callable[[Item], Result], items: Iterable[Item], /, *, limit: float | None = None
    ) -> Iterator[Result | Lost]:
        """Results as they finish.

        Raises:
            MissingExtra: Ray is not installed.
        """
        self._crew.connect()
        return supervised(self._crew, function, items, limit)

    def close(self) -> None:
        """End the workers, and a Ray that was started here."""
        self._crew.close()


class _Actors:
    """Ray actors, one for each worker."""

    def __init__(self, address: str | None, workers: int | None) -> None:
        self.size = workers or 1
        self._wanted = workers
        self._address = address
        self._ray: Any = None
        self._ours = False
        self._actors: dict[int, Any] = {}
        self._ready: dict[int, Any] = {}
        self._answers: dict[int, Any] = {}
        self._began: dict[int, float] = {}

    def connect(self) -> None:
        """Start Ray, or connect to the cluster."""
        if self._ray is not None:
            return
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ImportError as error:
            raise MissingExtra("the ray executor", extra="ray", package="ray") from error
        if not ray.is_initialized():
            ray.init(address=self._address, include_dashboard=False, log_to_driver=False)
            self._ours = True
        self._ray = ray
        if self._wanted is None:
            self.size = max(1, int(ray.cluster_resources().get("CPU", 1)))

    def begin(self, number: int, function: Callable[[Any], Any], item: Any) -> None:
        """Send an item to an actor."""
        if number not in self._actors:
            actor = self._ray.remote(_Actor).options(num_cpus=1, max_restarts=0, max_task_retries=0)
            self._actors[number] = actor.remote(sys.path)
        self._began.pop(number, None)
        self._ready[number] = self._actors[number].prepare.remote(function, item)
        self._answers[number] = self._actors[number].do.remote(function, item)

    def began(self, number: int) -> float | None:
        """When an actor had loaded what its item needs; ``None`` while it does, or the cluster starts it."""
        if number not in self._began and self._ray.wait([self._ready[number]], timeout=0)[0]:
            self._began[number] = monotonic()
        return self._began.get(number)

    def ended(self, numbers: Sequence[int], timeout: float | None) -> list[tuple[int, Done | Raised | Died]]:
        """Answers of actors, and deaths."""
        mine = {self._answers[number]: number for number in numbers}
        ready, _ = self._ray.wait(list(mine), timeout=timeout)
        return [(mine[answer], self._outcome(answer)) for answer in ready]

    def _outcome(self, answer: Any) -> Done | Raised | Died:
        errors = self._ray.exceptions
        try:
            return Done(self._ray.get(answer))
        except errors.RayTaskError as error:
            return Raised(error.cause)
        except (errors.RayActorError, errors.WorkerCrashedError, errors.OutOfMemoryError) as error:
            return Died(f"the worker process died ({type(error).__name__})")

    def discard(self, number: int) -> None:
        """Kill an actor."""
        actor = self._actors.pop(number, None)
        if actor is not None:
            self._ray.kill(actor)

    def close(self) -> None:
        """Kill all of them."""
        for number in list(self._actors):
            self.discard(number)
        if self._ours and self._ray is not None:
            self._ray.shutdown()
            self._ray, self._ours = None, False


class _Actor:
    """A worker: calls functions; our modules are imported as in the process that started it."""

    def __init__(self, path: Sequence[str]) -> None:
        sys.path += [each for each in path if each not in sys.path]

    def prepare(self, function: Callable[[Any], Any], item: Any) -> None:
        """Load what an item needs."""
        prepare(function, item)

    def do(self, function: Callable[[Any], Any], item: Any) -> Any:
        """A function's result."""
        return function(item)
