"""Control rankers that do not use relevance: baselines for the figures of other rankers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from robustrank.core.types import Document, Query, RankerCard


@dataclass(frozen=True, kw_only=True)
class Random:
    """A score from a hash of the texts: arbitrary, but the same for the same pair.

    Args:
        seed: Each seed gives a different arbitrary ranking.
    """

    seed: int = 0

    @property
    def card(self) -> RankerCard:
        """Pointwise and repeatable."""
        return RankerCard(name=f"random(seed={self.seed})", fingerprint=f"random {self.seed}")

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """Uniform in [0, 1)."""
        return [self._draw(f"{self.seed}\0{query.text}\0{doc.text}") for doc in docs]

    @staticmethod
    def _draw(text: str) -> float:
        return int.from_bytes(sha256(text.encode("utf-8", "surrogatepass")).digest()[:6]) / 2**48


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Keeps the order of the first stage.

    Not pointwise: a document's score is its place. No edit of a document or query moves anything.
    """

    @property
    def card(self) -> RankerCard:
        """Not pointwise."""
        return RankerCard(name="identity", fingerprint="identity", pointwise=False, note="keeps the first-stage order")

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """Minus the position."""
        return [-float(position) for position in range(len(docs))]
