"""Characters that readers do not see or take for others: what the normaliser would change of a document.

A detector that alarms on what ``normalise`` would change anyway; where both can be had, the normaliser loses less.
"""

from __future__ import annotations

from dataclasses import dataclass

from robustrank.plugin import DetectorCard, Document, Seen, characters_changed
from robustrank_defenses.input._unicode import clean


@dataclass(frozen=True, kw_only=True)
class OddCharacters:
    """Share of a document's characters that ``normalise`` would change."""

    @property
    def card(self) -> DetectorCard:
        """Reads the document alone."""
        return DetectorCard(name="odd_characters", fingerprint="odd characters/1")

    def suspicion(self, document: Document, seen: Seen, /) -> float | None:
        """From 0, where nothing would change, to 1."""
        text = document.text
        return characters_changed(text, clean(text)) / max(1, len(text))
