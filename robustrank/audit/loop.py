"""The loop of audits and topic studies: performs the tasks without a record, and writes each record at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from robustrank.core.interfaces import Executor
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
    """

    def __init__(self, journal: Journal[R], form: RecordFormat[R], executor: Executor, progress: Progress) -> None:
        self.journal, self.executor, self.progress = journal, executor, progress
        self._key = form.key
        self.records: dict[str, R] = store.read(journal.folder, form)
        """All records by key, of this run and of earlier ones."""

    def note(self, record: R) -> None:
        """Write a record, unless there is one of its key."""
        if self._key(record) not in self.records:
            self.journal.append(record)
            self.records[self._key(record)] = record

    def run(
        self,
        phase: str,
        tasks: Mapping[str, Item],
        perform: Callable[[Item], R],
        *,
        most: int | None = None,
        stamp: Callable[[R], R] = lambda record: record,
        go_on: Callable[[R], bool] = lambda record: True,
    ) -> None:
        """Do the tasks of a phase that have no record.

        Args:
            phase: Its name, for the progress.
            tasks: Key of the record to task.
            perform: Function from a task to its record.
            most: Tasks that may begin; ``None`` is no limit.
            stamp: Applied to each record before it is written.
            go_on: Called with each new record after it was written; the phase ends where it returns false.
        """
        todo = [task for key, task in tasks.items() if key not in self.records]
        self.progress.start(phase, len(tasks))
        self.progress.advance(len(tasks) - len(todo))
        if not todo[:most]:
            return
        for result in self.executor.run(perform, todo[:most]):
            record = stamp(result)
            self.note(record)
            self.progress.advance()
            if not go_on(record):
                break
