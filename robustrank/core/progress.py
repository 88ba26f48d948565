"""Progress listeners."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives the progress of a run, for display."""

    def start(self, phase: str, total: int) -> None:
        """A phase of ``total`` steps begins."""

    def advance(self, n: int = 1) -> None:
        """``n`` more steps are done; the first call includes those that an earlier run did."""

    def message(self, text: str) -> None:
        """Show one line of text."""


class Silent:
    """A listener that ignores progress."""

    def start(self, phase: str, total: int) -> None:
        """Ignored."""

    def advance(self, n: int = 1) -> None:
        """Ignored."""

    def message(self, text: str) -> None:
        """Ignored."""
