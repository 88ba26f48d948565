"""First words: let the ranker read only the beginning of a document, where appended words do not count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from robustrank.plugin import Document, Query, Ranker, RankerCard, words


@dataclass(frozen=True, kw_only=True)
class FirstWords:
    """Cut every document after its first words.

    Args:
        keep: How many words the ranker may read.
    """

    keep: int = 8

    def wrap(self, ranker: Ranker, /) -> Ranker:
        """The ranker, reading less."""
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
