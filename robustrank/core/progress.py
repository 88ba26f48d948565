"""Progress listeners."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told what happens, for a person to watch."""

    def start(self, phase: str, total: int) -> None:
        """A phase of so many steps begins."""

    def advance(self, n: int = 1) -> None:
        """So many steps are done; the first time, those that earlier runs did count, too."""

    def message(self, text: str) -> None:
        """Something worth a line."""


class Silent:
    """A listener that ignores progress."""

    def start(self, phase: str, total: int) -> None:
        """Ignored."""

    def advance(self, n: int = 1) -> None:
        """Ignored."""

    def message(self, text: str) -> None:
        """Ignored."""
