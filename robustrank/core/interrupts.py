"""The user's Ctrl-C and SIGTERM, told apart from a ``KeyboardInterrupt`` that a plug-in raises."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
_received: list[int] = []


class Stopped(KeyboardInterrupt):
    """A signal requested that the process ends.

    Args:
        number: Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


@contextmanager
def watched() -> Iterator[None]:
    """While it lasts, signals that end a process raise :class:`Stopped` in the main thread and are remembered.

    Only the main thread may set handlers; in another thread nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _received.clear()
    ignored = [number for number in _SIGNALS if signal.getsignal(number) is signal.SIG_IGN]  # as nohup leaves SIGHUP
    before = {number: signal.signal(number, _note) for number in _SIGNALS if number not in ignored}
    try:
        yield
    finally:
        _received.clear()
        for number, handler in before.items():
            signal.signal(number, handler)


def requested() -> bool:
    """Whether such a signal has come, also where a plug-in has swallowed the exception."""
    return bool(_received)


def check() -> None:
    """Stop where a signal has come.

    Raises:
        Stopped: One has.
    """
    if _received:
        raise Stopped(_received[0])


def _note(number: int, frame: FrameType | None) -> None:
    _received.append(number)
    raise Stopped(number)
