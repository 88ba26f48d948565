"""The journal of an audit or study folder: append-only JSON lines that survive ``kill -9`` at any moment.

Each finished task is one line, flushed before the next task begins. A torn last line (the process died while writing)
is cut off when the journal is next opened for writing and ignored when it is only read. Records are keyed by content,
so a resumed run skips the keys already there. A :class:`RecordFormat` gives the type of the records.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from operator import attrgetter
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, TypeVar

from filelock import FileLock, Timeout

from robustrank.core.errors import StoreError
from robustrank.storage import typed

R = TypeVar("R")


class RecordFormat(Generic[R]):
    """How the records of one kind of study are written.

    Args:
        kinds: The record type, or a union of tagged ones.
        schema: Its version number; a line of another version is refused.
        key: A record's key.
    """

    def __init__(self, kinds: Any, *, schema: int, key: Callable[[R], str] = attrgetter("key")) -> None:
        self.kinds = kinds
        self.schema = schema
        self.key = key

    def dumps(self, record: R) -> str:
        """A record as one line of JSON, without the line's end.

        Raises:
            ValueError: A number in it is NaN or infinite.
        """
        return typed.dumps(record, self.schema)

    def loads(self, line: bytes) -> R:
        """The record of a line.

        Raises:
            WrongForm: The line is not a record of this format and schema.
        """
        record: R = typed.loads(line, self.kinds, self.schema)
        return record


def read(folder: Path, form: RecordFormat[R]) -> dict[str, R]:
    """All records of a folder by key, from all writers; of records with the same key, the first is kept.

    Args:
        folder: The audit's or study's folder.
        form: The format of its records.

    Raises:
        StoreError: No such folder, or a broken line that is not the last of its file.
    """
    if not folder.is_dir():
        raise StoreError(f"{folder}: no audit folder; `robustrank audit` creates one")
    records: dict[str, R] = {}
    for path in sorted((folder / "records").glob("*.jsonl")):
        for record in _lines(path, form):
            records.setdefault(form.key(record), record)
    return records


def _lines(path: Path, form: RecordFormat[R]) -> Iterator[R]:
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines[:-1], start=1):  # what follows the last newline is empty or torn
        try:
            record = form.loads(line)
        except typed.WrongForm as error:
            raise StoreError(f"{path}:{number}: not a record: {error}; move the file away to run it again") from error
        yield record


class Journal(Generic[R]):
    """Appends records; holds the folder's lock, so that two runs never write the same audit.

    Args:
        folder: The folder; created when missing.
        form: The format of its records.

    Raises:
        StoreError: Another process is writing there.
    """

    def __init__(self, folder: Path, form: RecordFormat[R]) -> None:
        self.folder = folder
        self._form = form
        try:
            (folder / "records").mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(folder / "lock", is_singleton=False)  # released by the system when the process dies
            self._lock.acquire(blocking=False)
        except Timeout as error:
            raise StoreError(
                f"{folder}: another audit is writing to this folder; wait for it or give --out another folder"
            ) from error
        except OSError as error:
            raise StoreError(f"{folder}: cannot be written: {error}; give --out another folder") from error
        self._path = folder / "records" / "main.jsonl"
        _cut_torn_line(self._path)
        self._file = self._path.open("a", encoding="utf-8")

    def append(self, record: R) -> None:
        """Write one record and flush it."""
        line = self._form.dumps(record)
        try:
            self._file.write(line + "\n")
            self._file.flush()
        except OSError as error:
            raise StoreError(f"{self._path}: cannot be written: {error}; existing records are kept") from error

    def put_aside(self) -> None:
        """Move the records of earlier runs into ``records.old-<n>`` and begin an empty journal."""
        self._file.close()
        taken = len(list(self.folder.glob("records.old-*")))
        self._path.parent.rename(self.folder / f"records.old-{taken + 1}")
        self._path.parent.mkdir()
        self._file = self._path.open("a", encoding="utf-8")

    def __enter__(self) -> Journal[R]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._lock.release()


def _cut_torn_line(path: Path) -> None:
    if path.exists():
        data = path.read_bytes()
        if not data.endswith(b"\n"):
            os.truncate(path, data.rfind(b"\n") + 1)
