"""The loop of audits and topic studies: performs the tasks without a record, and writes each record at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Generic, TypeVar

from robustrank.core import interrupts
from robustrank.core.errors import ContractError, RobustRankError
from robustrank.core.interfaces import Executor, Lost
from robustrank.core.progress import Progress
from robustrank.storage import journal as store
from robustrank.storage.journal import Journal, RecordFormat

R = TypeVar("R")
Item = TypeVar("Item")


class Loop(Generic[R]):
    """Runs tasks by key, while the journal is held.

    Args:
        journal: Where records go, each before the next task begins.
        form: Type and key of its records.
        executor: Where tasks run.
        progress: Informed of every phase and task.
        limit: Seconds that a task may take; ``None`` is no limit.
        again: Whether a task with this record is done once more; of a key's records the last one counts.
    """

    def __init__(
        self,
        journal: Journal[R],
        form: RecordFormat[R],
        executor: Executor,
        progress: Progress,
        *,
        limit: float | None = None,
        again: Callable[[R], bool] = lambda record: False,
    ) -> None:
        self.journal, self.executor, self.progress = journal, executor, progress
        self._key, self._limit, self._again = form.key, limit, again
        self.records: dict[str, R] = store.read(journal.folder, form)
        """All records by key, of this run and of earlier ones."""
        self.noted = 0
        """Records of this run."""

    def open(self, key: str) -> bool:
        """Whether the task of this key is to be done: it has no record, or one of a failure."""
        return key not in self.records or self._again(self.records[key])

    def note(self, record: R) -> None:
        """Write a record, unless there is one of its key that needs no other."""
        key = self._key(record)
        if self.open(key):
            self.journal.append(record)
            self.records[key] = record
            self.noted += 1

    def run(
        self,
        phase: str,
        tasks: Mapping[str, Item],
        perform: Callable[[Item], R],
        *,
        lost: Callable[[Item, str, float], R] | None = None,
        most: int | None = None,
        stamp: Callable[[R], R] = lambda record: record,
        go_on: Callable[[R], bool] = lambda record: True,
        skip: Callable[[Item], str] = lambda item: "",
    ) -> None:
        """Do the tasks of a phase that have no record.

        Args:
            phase: Its name, for the progress.
            tasks: Key of the record to task.
            perform: Function from a task to its record.
            lost: From a task without a result, the reason and the seconds it took to its record; without it such a
                task ends the run.
            most: Tasks that may begin; ``None`` is no limit.
            stamp: Applied to each record before it is written.
            go_on: Called with each new record after it was written; the phase ends where it returns false.
            skip: Called before a task begins; where it says why it is not to be done, its record says that.

        Raises:
            Stopped: The user stopped the run.
            ContractError: A record has the key of no task: what it depends on differs between processes.
            RobustRankError: A task has no result, and ``lost`` is not given.
        """
        todo = [task for key, task in tasks.items() if self.open(key)]
        self.progress.start(phase, len(tasks))
        self.progress.advance(len(tasks) - len(todo))
        if not todo[:most]:
            return
        skipped: list[Lost] = []

        def wanted() -> Iterator[Item]:
            for task in todo[:most]:
                if why := skip(task):
                    skipped.append(Lost(item=task, reason=why, seconds=0.0))
                else:
                    yield task

        results = self.executor.run(perform, wanted(), limit=self._limit)
        try:
            for result in chain(results, skipped):
                if isinstance(result, Lost):
                    if lost is None:
                        raise RobustRankError(f"{phase}: a task {result.reason}; the same command resumes")
                    record = lost(result.item, result.reason, result.seconds)
                else:
                    record = result
                if self._key(record) not in tasks:
                    raise ContractError(
                        f"{phase}: {getattr(record, 'ranker', 'a plug-in')!r} is another where tasks run than here: "
                        "its fingerprint must be the same in every process; make it from what determines the scores, "
                        "not from a process id, a time, an address in memory or weights made up anew"
                    )
                record = stamp(record)
                self.note(record)
                self.progress.advance()
                interrupts.check()
                if not go_on(record):
                    break
        finally:
            if (close := getattr(results, "close", None)) is not None:  # a generator ends what is still at work
                close()
            self.journal.sync()

    def ask(self, tasks: Sequence[Item], perform: Callable[[Item], R]) -> Iterator[R]:
        """The records of tasks, without writing them."""
        for result in self.executor.run(perform, tasks, limit=self._limit):
            if not isinstance(result, Lost):
                yield result
