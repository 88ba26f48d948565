"""Progress listeners."""

from __future__ import annotations

import logging
from typing import Protocol

LOGGER = logging.getLogger("robustrank")
"""Where a program that uses RobustRank sees what runs; it says nothing unless the program configures logging."""
LOGGER.addHandler(logging.NullHandler())


class Progress(Protocol):
    """Receives the progress of a run, for display."""

    def start(self, phase: str, total: int) -> None:
        """A phase of ``total`` steps begins."""

    def advance(self, n: int = 1) -> None:
        """``n`` more steps are done; the first call includes those that an earlier run did."""

    def left(self, seconds: float) -> None:
        """The whole run takes about so many more seconds."""

    def message(self, text: str) -> None:
        """Show one line of text."""


class Silent:
    """A listener that ignores progress."""

    def start(self, phase: str, total: int) -> None:
        """Ignored."""

    def advance(self, n: int = 1) -> None:
        """Ignored."""

    def left(self, seconds: float) -> None:
        """Ignored."""

    def message(self, text: str) -> None:
        """Ignored."""


class Logged:
    """Passes progress on, and logs phases and messages.

    Args:
        listener: Receives it.
    """

    def __init__(self, listener: Progress) -> None:
        self._listener = listener

    def start(self, phase: str, total: int) -> None:
        """Log and pass on."""
        LOGGER.info("%s: %d", phase, total)
        self._listener.start(phase, total)

    def advance(self, n: int = 1) -> None:
        """Pass on."""
        self._listener.advance(n)

    def left(self, seconds: float) -> None:
        """Pass on."""
        self._listener.left(seconds)

    def message(self, text: str) -> None:
        """Log and pass on."""
        LOGGER.warning("%s", text)
        self._listener.message(text)
