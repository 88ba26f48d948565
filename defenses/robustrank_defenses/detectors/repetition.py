"""Repetition: a document that says one thing again and again, as stuffed pages do."""

from __future__ import annotations

from dataclasses import dataclass

from robustrank.plugin import DetectorCard, Document, Seen, repetition, words


@dataclass(frozen=True, kw_only=True)
class Repetition:
    """Share of a document's words that are its commonest content word."""

    @property
    def card(self) -> DetectorCard:
        """Reads the document alone."""
        return DetectorCard(name="repetition", fingerprint="repetition/1")

    def suspicion(self, document: Document, seen: Seen, /) -> float | None:
        """The share; ``None`` of a text without words."""
        tokens = [word.text for word in words(document.text)]
        return repetition(tokens) if tokens else None
