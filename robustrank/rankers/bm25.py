"""BM25 as a re-scorer, with the collection's statistics frozen.

Perturbing a document changes its own term counts and length, but no document frequency: the attacker edits one
document, not the index.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import inf, log

from robustrank.core.errors import ContractError, PluginError
from robustrank.core.interfaces import Ranker
from robustrank.core.types import Collection, Document, Query, RankerCard
from robustrank.retrieval.analysis import analyze, analyzed
from robustrank.retrieval.lexical import K1, B


@dataclass(frozen=True, kw_only=True)
class BM25:
    """Okapi BM25 in Lucene's form (Robertson & Zaragoza 2009; Kamphuis et al. 2020, "Lucene (accurate)").

    Args:
        k1: Saturation of term counts, at least 0.
        b: Weight of length normalisation, from 0 to 1.
    """

    k1: float = K1
    b: float = B

    def __post_init__(self) -> None:
        if not (0 <= self.k1 < inf and 0 <= self.b <= 1):
            raise PluginError(
                f"{self._name}: k1 is at least 0 and b from 0 to 1; otherwise a term that occurs more often could "
                "lower the score"
            )

    @property
    def card(self) -> RankerCard:
        """Name and parameters; the fitted ranker's card also carries its statistics."""
        return RankerCard(name=self._name, fingerprint=self._name)

    @property
    def _name(self) -> str:
        return f"bm25(k1={self.k1}, b={self.b})"

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """Refused: document frequencies and mean length are counted by :meth:`fit`.

        Raises:
            ContractError: Always; call :meth:`fit` first.
        """
        raise ContractError(f"{self._name} needs a collection's statistics; call fit(collection) first")

    def fit(self, collection: Collection, /) -> Ranker:
        """The ranker with the collection's document frequencies and mean length."""
        documents = analyzed(collection)
        frequencies = Counter(term for terms in documents for term in set(terms))
        n = len(documents)
        idf = {term: log(1 + (n - df + 0.5) / (df + 0.5)) for term, df in frequencies.items()}
        fingerprint = sha256(f"{self._name} {collection.digest}".encode()).hexdigest()[:16]
        card = RankerCard(
            name=self._name, fingerprint=fingerprint, note=f"statistics of {collection.name}, frozen under attack",
            invariant=("order", "case"),
        )  # fmt: skip
        return FittedBM25(card, idf, sum(map(len, documents)) / n, self.k1, self.b)


@dataclass(frozen=True)
class FittedBM25:
    """BM25 with statistics.

    Args:
        card: Its card.
        idf: Inverse document frequency of every term of the collection.
        mean_length: Terms per document of the collection.
        k1: Saturation of term counts.
        b: Weight of length normalisation.
    """

    card: RankerCard
    idf: Mapping[str, float]
    mean_length: float
    k1: float
    b: float

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """Sum over query terms of idf x tf / (tf + k1 (1 - b + b x length / mean length))."""
        terms = self._weights(query)
        documents = analyze([doc.text for doc in docs])
        return [
            self._sum([(idf, document.count(term)) for term, idf in terms], len(document)) for document in documents
        ]

    def query_terms(self, query: Query) -> list[str]:
        """The terms whose counts matter, each once."""
        return sorted({term for term, _ in self._weights(query)})

    def analyzed(self, text: str) -> list[str]:
        """The terms of a text."""
        return analyze([text])[0]

    def from_counts(self, query: Query, counts: Mapping[str, int], length: int) -> float:
        """The score of a document of ``length`` terms with these counts of query terms."""
        return self._sum([(idf, counts[term]) for term, idf in self._weights(query)], length)

    def _weights(self, query: Query) -> list[tuple[str, float]]:
        return [(term, self.idf[term]) for term in analyze([query.text])[0] if term in self.idf]

    def _sum(self, counts: Sequence[tuple[float, int]], length: int) -> float:
        norm = self.k1 * (1 - self.b + self.b * length / self.mean_length)
        return float(sum(idf * tf / (tf + norm) for idf, tf in counts if tf))
