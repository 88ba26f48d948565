"""First words: truncate documents, so that words appended at the end have no effect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from robustrank.plugin import Document, Query, Ranker, RankerCard, words


@dataclass(frozen=True, kw_only=True)
class FirstWords:
    """Truncate every document after its first words.

    Args:
        keep: Number of words that the ranker reads.
    """

    keep: int = 8

    def wrap(self, ranker: Ranker, /) -> Ranker:
        """The ranker on truncated documents."""
        return _Cut(ranker, self.keep)


@dataclass(frozen=True)
class _Cut:
    ranker: Ranker
    keep: int

    @property
    def card(self) -> RankerCard:
        card = self.ranker.card
        return replace(
            card, name=f"first_words + {card.name}", fingerprint=f"first_words/{self.keep}/{card.fingerprint}"
        )

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        return self.ranker.score(query, [doc._replace(text=self._cut(doc.text)) for doc in docs])

    def _cut(self, text: str) -> str:
        kept = words(text)[: self.keep]
        return text[: kept[-1].end] if kept else text
