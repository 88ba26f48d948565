"""Query likelihood with Dirichlet smoothing, with the collection's statistics frozen (Zhai & Lafferty 2001)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import log

from robustrank.core.errors import ContractError, PluginError
from robustrank.core.interfaces import Ranker
from robustrank.core.types import Collection, Document, Query, RankerCard
from robustrank.retrieval.analysis import analyze, analyzed


@dataclass(frozen=True, kw_only=True)
class QueryLikelihood:
    """The log probability of the query under the document's smoothed language model, up to a constant of the query.

    Args:
        mu: Pseudo-counts of the collection's model that every document gets.
    """

    mu: float = 1000.0

    def __post_init__(self) -> None:
        if self.mu <= 0:
            raise PluginError(f"query_likelihood: mu must be above 0, not {self.mu}")

    @property
    def card(self) -> RankerCard:
        """Name and parameters; the fitted ranker's card also carries its statistics."""
        return RankerCard(name=self._name, fingerprint=self._name)

    @property
    def _name(self) -> str:
        return f"query_likelihood(mu={self.mu})"

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """Refused: the collection's language model is estimated by :meth:`fit`.

        Raises:
            ContractError: Always; call :meth:`fit` first.
        """
        raise ContractError(f"{self._name} needs a collection's statistics; call fit(collection) first")

    def fit(self, collection: Collection, /) -> Ranker:
        """The ranker with the collection's term probabilities."""
        counts = Counter(term for terms in analyzed(collection) for term in terms)
        total = sum(counts.values())
        fingerprint = sha256(f"{self._name} {collection.digest}".encode()).hexdigest()[:16]
        card = RankerCard(
            name=self._name, fingerprint=fingerprint, note=f"statistics of {collection.name}, frozen under attack",
            invariant=("order", "case"),
        )  # fmt: skip
        return FittedQueryLikelihood(card, {term: count / total for term, count in counts.items()}, self.mu)


@dataclass(frozen=True)
class FittedQueryLikelihood:
    """Query likelihood with statistics.

    Args:
        card: Its card.
        probability: Of every term, in the collection.
        mu: Pseudo-counts.
    """

    card: RankerCard
    probability: Mapping[str, float]
    mu: float

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """Sum over query terms of log(1 + tf / (mu p(term))), plus query length x log(mu / (length + mu)).

        Terms that do not occur in the collection are left out: their probability in its model is 0.
        """
        terms = [term for term in analyze([query.text])[0] if term in self.probability]
        scores = []
        for document in analyze([doc.text for doc in docs]):
            log_ratios = sum(log(1 + document.count(term) / (self.mu * self.probability[term])) for term in terms)
            scores.append(log_ratios + len(terms) * log(self.mu / (len(document) + self.mu)))
        return scores
