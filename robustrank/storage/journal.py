"""The audit folder: append-only JSON lines that survive ``kill -9`` at any moment.

One line a finished task, flushed before the next begins. A torn last line (the process died while writing) is cut off
when the journal is next opened for writing and ignored when it is only read. Records are keyed by content, so resuming
is skipping the keys already there.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from robustrank.core.errors import StoreError

SCHEMA = 1

Record = dict[str, Any]


def read(folder: Path) -> dict[str, Record]:
    """All records of an audit folder by key, from all writers; a key written twice counts once, first write first.

    Raises:
        StoreError: No such folder, or a broken line that is not the last of its file.
    """
    if not folder.is_dir():
        raise StoreError(f"{folder}: no audit folder there; `robustrank audit` makes one")
    records: dict[str, Record] = {}
    for path in sorted((folder / "records").glob("*.jsonl")):
        for record in _lines(path):
            records.setdefault(record["key"], record)
    return records


def _lines(path: Path) -> Iterator[Record]:
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines[:-1], start=1):  # what follows the last newline is empty or torn
        try:
            record = json.loads(line)
            if record["schema"] != SCHEMA:
                raise StoreError(f"{path}:{number}: schema {record['schema']!r}, this version reads {SCHEMA}")
        except (ValueError, TypeError, KeyError) as error:
            raise StoreError(f"{path}:{number}: not a record: {error}; move the file away to run it again") from error
        yield record


class Journal:
    """Appends records; holds the folder's lock, so that two runs never write the same audit.

    Args:
        folder: The audit folder; made when missing.

    Raises:
        StoreError: Another process is writing there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            (folder / "records").mkdir(parents=True, exist_ok=True)
            self._lock = (folder / "lock").open("w")
        except OSError as error:
            raise StoreError(f"{folder}: cannot be written: {error}; give --out another folder") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the kernel lets go when the process dies
        except OSError as error:
            raise StoreError(
                f"{folder}: another audit is writing there; wait for it or give --out another folder"
            ) from error
        self._path = folder / "records" / "main.jsonl"
        _cut_torn_line(self._path)
        self._file = self._path.open("a", encoding="utf-8")

    def append(self, record: Mapping[str, Any]) -> None:
        """Write one record and flush it."""
        line = json.dumps({"schema": SCHEMA, **record}, ensure_ascii=True, allow_nan=False)
        try:
            self._file.write(line + "\n")
            self._file.flush()
        except OSError as error:
            raise StoreError(f"{self._path}: cannot be written: {error}; what is there is kept") from error

    def put_aside(self) -> None:
        """Move the records of earlier runs into a numbered folder beside, and begin anew."""
        self._file.close()
        taken = len(list(self.folder.glob("records.old-*")))
        self._path.parent.rename(self.folder / f"records.old-{taken + 1}")
        self._path.parent.mkdir()
        self._file = self._path.open("a", encoding="utf-8")

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._lock.close()


def _cut_torn_line(path: Path) -> None:
    if path.exists():
        data = path.read_bytes()
        if not data.endswith(b"\n"):
            os.truncate(path, data.rfind(b"\n") + 1)
