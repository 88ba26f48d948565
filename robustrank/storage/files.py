"""Atomic file writes, and reading of files that may not be what they seem."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp

from robustrank.core.errors import StoreError

LONGEST = 16 * 2**20
"""Bytes of the largest file that a person writes: audit files, topic files, ratchets."""


def replace(path: Path, text: str) -> None:
    """Write a text file atomically: readers see the old file or the complete new one, also after a power cut.

    A symbolic link at the path is replaced and not followed.

    Raises:
        StoreError: It cannot be written.
    """
    try:
        handle, part = mkstemp(prefix=f"{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error}") from error
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(part, 0o666 & ~_umask())
        os.replace(part, path)
        sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error}") from error
    finally:
        with suppress(FileNotFoundError):
            os.unlink(part)


def read_text(path: Path, most: int = LONGEST) -> str:
    """The text of a regular file of bounded size.

    Raises:
        OSError: It cannot be read, is a device or a pipe, or is larger than that.
        UnicodeDecodeError: It is not UTF-8.
    """
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{path} is not a regular file")
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(f"{path} has more than {most // 2**20} MiB")
    return data.decode("utf-8")


def sync_folder(folder: Path) -> None:
    """Make renames and new files of a folder last; systems that cannot sync a folder are left alone."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
