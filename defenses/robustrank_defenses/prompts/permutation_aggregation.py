"""A list is asked in several orders, and a document's place is the mean of its places (Borda; Tang et al., NAACL 2024).

The orders follow from the documents' ids, not from the order in which they are handed in: the result does not depend on
that at all. What a document does to the places of others in one order is averaged like anything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from robustrank.plugin import Document, PluginError, Query, Ranker, RankerCard, order


@dataclass(frozen=True, kw_only=True)
class PermutationAggregation:
    """Ask every list in some seeded orders, and rank by mean place.

    Args:
        orders: How many; each costs as much as the ranker alone.
        seed: Other orders.
    """

    orders: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        if self.orders < 1:
            raise PluginError(f"permutation_aggregation: orders must be at least 1, not {self.orders}")

    def wrap(self, ranker: Ranker, /) -> Aggregated:
        """The ranker, asked several times."""
        return Aggregated(ranker, self.orders, self.seed)


@dataclass(frozen=True)
class Aggregated:
    """A ranker by mean place over some orders."""

    base: Ranker
    orders: int
    seed: int

    @property
    def card(self) -> RankerCard:
        """List-wise: a place is one among the others."""
        base = self.base.card
        return replace(
            base,
            name=f"permutation_aggregation({base.name})",
            fingerprint=sha256(f"{base.fingerprint} {self.orders} {self.seed}".encode()).hexdigest()[:16],
            pointwise=False,
            rank_only=True,
            pairs_per_score=base.pairs_per_score * self.orders,
            note=f"mean place over {self.orders} seeded orders; {base.note}".rstrip("; "),
            gradients=False,
            invariant=(),
            whole_numbers=True,
        )

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """Minus the mean place, from 1 to the number of documents."""
        places = dict.fromkeys((doc.doc_id for doc in docs), 0)
        for number in range(self.orders) if docs else ():
            shown = sorted(docs, key=lambda doc: self._draw(number, doc.doc_id))
            scored = [(doc.doc_id, score) for doc, score in zip(shown, self.base.score(query, shown), strict=True)]
            for place, doc_id in enumerate(order(scored), 1):
                places[doc_id] += place
        return [-places[doc.doc_id] / self.orders for doc in docs]

    def _draw(self, number: int, doc_id: str) -> bytes:
        return sha256(f"{self.seed}\0{number}\0{doc_id}".encode("utf-8", "surrogatepass")).digest()
