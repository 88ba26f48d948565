"""The journal of an audit or study folder: append-only JSON lines that survive ``kill -9`` at any moment.

Each finished task is one line, written before the next task begins and synced to disk at the end of a phase. A torn
last line (the process died while writing) is cut off when the journal is next opened for writing and ignored when it
is only read. A line ends with the CRC-32 of what stands before it, so that a changed digit is not believed. Records are
keyed by content, so a resumed run skips the keys already there; of a key's records the last one counts. A
:class:`RecordFormat` gives the type of the records.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from operator import attrgetter
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, TypeVar
from zlib import crc32

from msgspec import MsgspecError, Struct
from msgspec.json import Decoder

from robustrank.core.collecting import put_off
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
        """A record as one line of JSON, without checksum and the line's end.

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


@put_off()
def read(folder: Path, form: RecordFormat[R]) -> dict[str, R]:
    """All records of a folder by key, from all writers; of records with the same key, the last is kept.

    Args:
        folder: The audit's or study's folder.
        form: The format of its records.

    Raises:
        StoreError: No such folder, or a broken line that is not the last of its file.
    """
    records: dict[str, R] = {}
    for path in files_of(folder):
        for number, line in lines(path):
            try:
                record = form.loads(line)
                key = form.key(record)
                if not key:
                    raise typed.WrongForm("it has no key")
            except typed.WrongForm as error:
                raise StoreError(f"{path}:{number}: not a record: {error}; {_FIX}") from error
            records.pop(key, None)
            records[key] = record
    return records


class Head(Struct, frozen=True):
    """What of a record says where it belongs."""

    key: str
    status: str = "ok"


def heads(folder: Path) -> dict[str, Head]:
    """The heads of all records of a folder by key: much faster than to read them whole.

    Raises:
        StoreError: As :func:`read`.
    """
    decode = Decoder(Head).decode
    by_key: dict[str, Head] = {}
    for path in files_of(folder):
        for number, line in lines(path):
            try:
                head = decode(line)
            except (MsgspecError, UnicodeDecodeError) as error:
                raise StoreError(f"{path}:{number}: not a record: {error}; {_FIX}") from error
            by_key[head.key] = head
    return by_key


_FIX = "delete the line, or move the file away, and run the audit again: what is missing is done again"


def files_of(folder: Path) -> list[Path]:
    """The files of a folder's records, in their order.

    Raises:
        StoreError: No such folder.
    """
    if not folder.is_dir():
        raise StoreError(f"{folder}: no audit folder; `robustrank audit` creates one")
    return sorted((folder / "records").glob("*.jsonl"))


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The whole lines of a file of records with their numbers, each without its checksum.

    Raises:
        StoreError: The file cannot be read, or a line's checksum is missing or wrong.
    """
    try:
        if not path.is_file():
            raise OSError(f"{path} is not a regular file")
        data = path.read_bytes()
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error}") from error
    for number, line in enumerate(data.split(b"\n")[:-1], start=1):  # what follows the last newline is empty or torn
        body, mark, rest = line.rpartition(_MARK)
        if not mark or len(rest) != len('00000000"}'):
            raise StoreError(f"{path}:{number}: not a record: it has no checksum; {_FIX}")
        body += b"}"
        if rest != _checksum(body):
            raise StoreError(f"{path}:{number}: not a record: its checksum does not fit, so it was changed; {_FIX}")
        yield number, body


_MARK = b', "crc32": "'


def checked(body: str) -> bytes:
    """A record's JSON as the line of a journal, with checksum and line's end."""
    data = body.encode("ascii")
    return data[:-1] + _MARK + _checksum(data) + b"\n"


def _checksum(body: bytes) -> bytes:
    return b'%08x"}' % crc32(body)


class Journal(Generic[R]):
    """Appends records; holds the folder's lock, so that two runs never write the same audit.

    Args:
        folder: The folder; created when missing.
        form: The format of its records.

    Raises:
        StoreError: Another process is writing there.
    """

    def __init__(self, folder: Path, form: RecordFormat[R]) -> None:
        from filelock import FileLock, Timeout  # a tenth of the time of `robustrank status`, which only reads

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
            raise StoreError(
                f"{folder}: cannot be written: {error}; give --out another folder (symbolic links are not followed)"
            ) from error
        self._path = folder / "records" / "main.jsonl"
        try:
            self._file = self._open()
        except StoreError:
            self._lock.release()
            raise

    def _open(self) -> int:
        """The file's descriptor; a symbolic link is not followed, as a folder from elsewhere may hold one."""
        records = self._path.parent
        if records.is_symlink():
            raise StoreError(f"{records}: is a symbolic link, which is not followed; remove it")
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        try:
            file = os.open(self._path, flags, 0o666)
        except OSError as error:
            raise StoreError(f"{self._path}: cannot be written: {error}; symbolic links are not followed") from error
        _cut_torn_line(file)
        return file

    def append(self, record: R) -> None:
        """Write one record.

        Raises:
            StoreError: It cannot be written; what of it was is taken back.
        """
        line = checked(self._form.dumps(record))
        end = os.fstat(self._file).st_size
        try:
            written = os.write(self._file, line)
            while written < len(line):
                written += os.write(self._file, line[written:])
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file, end)
            raise StoreError(f"{self._path}: cannot be written: {error}; existing records are kept") from error

    def sync(self) -> None:
        """Make what was written survive a power cut.

        Raises:
            StoreError: The system reports that it does not.
        """
        try:
            os.fsync(self._file)
        except OSError as error:
            raise StoreError(f"{self._path}: cannot be written: {error}") from error

    def put_aside(self) -> None:
        """Move the records of earlier runs into ``records.old-<n>`` and begin an empty journal."""
        os.close(self._file)
        taken = [int(each.suffix[5:]) for each in self.folder.glob("records.old-*") if each.suffix[5:].isdecimal()]
        self._path.parent.rename(self.folder / f"records.old-{max(taken, default=0) + 1}")
        self._path.parent.mkdir()
        self._file = self._open()

    def __enter__(self) -> Journal[R]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            os.fsync(self._file)
        os.close(self._file)
        self._lock.release()


def _cut_torn_line(file: int) -> None:
    """Cut a file after its last newline."""
    end = size = os.fstat(file).st_size
    while end:
        start = max(0, end - _BLOCK)
        block = os.pread(file, end - start, start)
        if (newline := block.rfind(b"\n")) >= 0:
            end = start + newline + 1
            break
        end = start
    if end < size:
        os.ftruncate(file, end)


_BLOCK = 2**16
