"""Made-up rankers that order documents: what they answer depends on the order in which they are shown them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

from robustrank.core.answers import Answer, Faults, Repair
from robustrank.core.errors import InvalidAnswer
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


Wrong = Callable[[Query, Sequence[Document]], Faults]
"""What is wrong in the answer for a list."""


class Answering(Ordering):
    """An :class:`Ordering` that says what was wrong in its answers: one answer for each list.

    Of an answer with missing documents the first half of its order is left, and it is repaired as declared.
    """

    def __init__(self, order: Order, wrong: Wrong, repair: Repair = Repair.END) -> None:
        super().__init__(order)
        self._wrong, self.repair = wrong, repair

    def repaired(self, repair: Repair, /) -> Answering:
        other = Answering(self._order, self._wrong, repair)
        other.shown = self.shown
        return other

    def answer(self, query: Query, docs: Sequence[Document], /) -> Answer:
        self.shown.append([doc.doc_id for doc in docs])
        faults, shown = self._wrong(query, docs), [doc.doc_id for doc in docs]
        named = [doc.doc_id for doc in self._order(query, list(docs))]
        unchanged = named == shown
        if faults and self.repair is Repair.ERROR:
            raise InvalidAnswer("made up: missing")
        if faults:
            kept = named[: len(named) // 2] if self.repair is Repair.END else []
            named = [*kept, *(doc_id for doc_id in shown if doc_id not in kept)]
        scores = [float(len(docs) - named.index(doc_id)) for doc_id in shown]
        ordering = int(len(docs) > 1)
        return Answer(
            scores=scores, invalid=int(bool(faults)), faults=faults, unchanged=int(unchanged and ordering > 0),
            orderings=ordering,
        )  # fmt: skip

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        return list(self.answer(query, docs).scores)


def wrong_about(word: str) -> Wrong:
    """Answers leave documents out where a text has a word."""
    return lambda query, docs: Faults(missing=int(any(word in doc.text for doc in docs)))
