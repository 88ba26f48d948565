"""Made-up rankers that order documents: what they answer depends on the order in which they are shown them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

from robustrank.core.types import Document, Query, RankerCard

Order = Callable[[Query, list[Document]], list[Document]]
"""From documents in the order shown to the same, best first."""


class Ordering:
    """A list-wise ranker: the scores say its order, and nothing else.

    Args:
        order: What it makes of a list.
    """

    def __init__(self, order: Order) -> None:
        self.card = RankerCard(name="ordering", fingerprint="1", pointwise=False, rank_only=True)
        self._order = order
        self.shown: list[list[str]] = []
        """Document ids of every call."""

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        self.shown.append([doc.doc_id for doc in docs])
        ranking = [doc.doc_id for doc in self._order(query, list(docs))]
        return [float(len(docs) - ranking.index(doc.doc_id)) for doc in docs]


def windows(best_first: Order, size: int, step: int) -> Order:
    """Windows from the end of the list to its start, each put into order."""

    def order(query: Query, docs: list[Document]) -> list[Document]:
        for end in [*range(len(docs), size, -step), min(size, len(docs))]:
            start = max(0, end - size)
            docs[start:end] = best_first(query, docs[start:end])
        return docs

    return order


def prefers(query: Query, one: Document, other: Document) -> bool:
    """A made-up comparison of two texts that no order of documents agrees with."""
    first, second = sorted((one.text, other.text))
    wins = sha256(f"{query.text}|{first}|{second}".encode()).digest()[0] % 2 == 0
    return wins if one.text == first else not wins


def inserted(query: Query, docs: list[Document]) -> list[Document]:
    """Sorting by insertion over :func:`prefers`."""
    done: list[Document] = []
    for doc in docs:
        at = next((i for i, other in enumerate(done) if prefers(query, doc, other)), len(done))
        done.insert(at, doc)
    return done


def by_length(query: Query, docs: list[Document]) -> list[Document]:
    """Longest text first; of equal ones that which was shown first."""
    return sorted(docs, key=lambda doc: -len(doc.text))


def copied(query: Query, docs: list[Document]) -> list[Document]:
    """As shown."""
    return docs


class ByPlace:
    """Scores that depend on the text and on the place where a document is shown."""

    card = RankerCard(name="by place", fingerprint="1", pointwise=False)

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        return [len(doc.text) - 3.0 * place for place, doc in enumerate(docs)]
