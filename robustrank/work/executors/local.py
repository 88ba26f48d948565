"""Tasks on this machine: one after another, or in worker processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from robustrank.core.errors import ConfigError, RobustRankError
from robustrank.core.interfaces import Item, Result


@dataclass(frozen=True, kw_only=True)
class Serial:
    """One task after another, in this process: the default, because models then load once and use every core."""

    def run(self, function: Callable[[Item], Result], items: Iterable[Item], /) -> Iterator[Result]:
        """Results in the order of the items."""
        return map(function, items)


@dataclass(frozen=True, kw_only=True)
class Processes:
    """Worker processes of this machine; each loads its own copy of what it needs, and computes on its share of cores.

    Args:
        workers: How many; by default one per core.
    """

    workers: int | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise ConfigError(f"executor processes: workers must be at least 1, not {self.workers}")

    def run(self, function: Callable[[Item], Result], items: Iterable[Item], /) -> Iterator[Result]:
        """Results as they finish.

        Raises:
            RobustRankError: A worker process died; what had finished was yielded before.
        """
        from concurrent.futures import ProcessPoolExecutor, as_completed
        from concurrent.futures.process import BrokenProcessPool
        from multiprocessing import get_context

        todo = list(items)
        if not todo:
            return
        cores = os.cpu_count() or 1
        workers = min(self.workers or cores, len(todo))
        threads = max(1, cores // workers)
        pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_prepare, initargs=(threads,))
        try:
            for future in as_completed([pool.submit(function, item) for item in todo]):
                yield future.result()
        except BrokenProcessPool as error:
            raise RobustRankError(
                f"one of {workers} worker processes died, perhaps out of memory; the same command resumes "
                "the audit; --executor 'processes(workers=1)' needs less memory"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _prepare(threads: int) -> None:
    """In a new worker: die quietly on Ctrl-C, and leave the other workers their cores."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, str(threads))
