"""A collection of six sentences and a ranker that lends gradients, on which ``robustrank check`` tries a plug-in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from robustrank.ranking import order
from robustrank.text import words
from robustrank.types import Case, Collection, Document, Query, RankerCard, WordGradients

QUERY = Query("q1", "do vaccines prevent severe infection")
DOCUMENTS = tuple(
    Document(f"d{number}", text)
    for number, text in enumerate(
        (
            "Vaccines prevent severe infection in most adults who receive two doses.",
            "A severe infection may follow surgery; antibiotics help to prevent it.",
            "The trial found that vaccines reduce hospital visits, although protection fades with time.",
            "Children often recover from a mild infection without any treatment at all.",
            "Rainfall in the valley was higher than usual, and the harvest came late.",
            "The old bridge was built of stone and still carries heavy traffic today.",
        ),
        start=1,
    )
)
COLLECTION = Collection(
    name="specimen",
    documents={document.doc_id: document for document in DOCUMENTS},
    queries=(QUERY,),
    qrels={QUERY.query_id: {"d1": 1}},
    query_types={},
    candidates={},
    digest="specimen/1",
)


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """Mean length of the document's words that the query has too; linear, so its gradients are exact."""

    @property
    def card(self) -> RankerCard:
        """A pointwise, deterministic ranker."""
        return RankerCard(name="overlap", fingerprint="overlap/1")

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        """Mean weight of the words."""
        wanted = _bag(query)
        return [_mean([_weight(word.text, wanted) for word in words(doc.text)]) for doc in docs]

    def gradients(self, query: Query, document: Document, candidates: Mapping[int, Sequence[str]], /) -> WordGradients:
        """A word's weight is its importance; what a candidate gains is the difference of the weights."""
        wanted = _bag(query)
        weights = [_weight(word.text, wanted) for word in words(document.text)]
        gains = {
            position: [(_weight(word, wanted) - weights[position]) / len(weights) for word in offered]
            for position, offered in candidates.items()
        }
        return WordGradients(importance=weights, gains=gains)


def cases() -> list[Case]:
    """The documents as ranked by :class:`Overlap`; the targets are the last two."""
    scores = Overlap().score(QUERY, DOCUMENTS)
    ranking = order([(doc.doc_id, score) for doc, score in zip(DOCUMENTS, scores, strict=True)])
    ranked = tuple(COLLECTION.documents[doc_id] for doc_id in ranking)
    return [Case(QUERY, target, ranked) for target in ranked[-2:]]


def _bag(query: Query) -> frozenset[str]:
    return frozenset(word.text.lower() for word in words(query.text))


def _weight(word: str, wanted: frozenset[str]) -> float:
    return float(len(word)) if word.lower() in wanted else 0.0


def _mean(weights: Sequence[float]) -> float:
    return sum(weights) / len(weights) if weights else 0.0
