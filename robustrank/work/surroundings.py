"""What plug-ins share with their process, put back after each task: the working directory and standard streams."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

_STREAMS = (("stdout", 1), ("stderr", 2))


class Surroundings:
    """The working directory and the standard streams of this process, as they are now."""

    def __init__(self) -> None:
        self._folder = os.getcwd()
        self._objects = {name: getattr(sys, name) for name, _ in _STREAMS}
        self._copies = {number: _copy(number) for _, number in _STREAMS}

    def put_back(self) -> str:
        """Undo what changed; what that was, or nothing."""
        return "; ".join(filter(None, [self._directory(), *(self._stream(*stream) for stream in _STREAMS)]))

    def _directory(self) -> str:
        try:
            now = os.getcwd()
        except OSError:
            now = "one that is gone"
        if now == self._folder:
            return ""
        os.chdir(self._folder)
        return f"changed the working directory to {now} and did not change back"

    def _stream(self, name: str, number: int) -> str:
        before, now, copy = self._objects[name], getattr(sys, name), self._copies[number]
        changed = ""
        if now is not before:
            setattr(sys, name, before)
            changed = f"replaced sys.{name} and did not put it back"
        if copy is None:
            return changed
        if _same(copy) != _same(number):
            os.dup2(copy, number)
            changed = f"closed or replaced {name}"
        os.close(copy)
        if before is not None and before.closed:
            setattr(sys, name, os.fdopen(os.dup(number), "w", encoding="utf-8", errors="backslashreplace"))
            changed = f"closed sys.{name}"
        return changed


def _copy(number: int) -> int | None:
    with suppress(OSError):
        return os.dup(number)
    return None


def _same(number: int) -> tuple[int, int] | None:
    """What tells a file apart from others; ``None`` for a closed one."""
    with suppress(OSError):
        status = os.fstat(number)
        return status.st_dev, status.st_ino
    return None
