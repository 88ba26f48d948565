"""Shouting: how much of a document is in capitals."""

from __future__ import annotations

from dataclasses import dataclass

from robustrank.plugin import DetectorCard, Document, Seen


@dataclass(frozen=True, kw_only=True)
class Shouting:
    """Share of a document's letters that are capitals."""

    @property
    def card(self) -> DetectorCard:
        """Reads the document alone; `query`, `others`, `background` and `gradients` ask for more."""
        return DetectorCard(name="shouting", fingerprint="shouting/1")

    def suspicion(self, document: Document, seen: Seen, /) -> float | None:
        """The share; `None` of a text without letters."""
        letters = [c for c in document.text if c.isalpha()]
        return sum(c.isupper() for c in letters) / len(letters) if letters else None
