"""Term count: the simplest ranker there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from robustrank.plugin import Document, Query, RankerCard, words


@dataclass(frozen=True, kw_only=True)
class TermCount:
    """How many words of the document are words of the query.

    Args:
        most: A document earns no more than this.
    """

    most: int = 100

    @property
    def card(self) -> RankerCard:
        """Pointwise and deterministic; the fingerprint changes with all that changes scores."""
        return RankerCard(
            name=f"term_count(most={self.most})", fingerprint=f"term_count/1/{self.most}", whole_numbers=True
        )

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """One score per document, in order."""
        wanted = {word.text.lower() for word in words(query.text)}
        return [float(min(self.most, sum(w.text.lower() in wanted for w in words(doc.text)))) for doc in docs]
