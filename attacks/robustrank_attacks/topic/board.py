"""The decision problem of one case: places in the document, candidate words, and features of each.

A move puts one of a place's words there; every place takes at most one. Moves are deterministic, so a state is the set
of moves made.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from math import log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robustrank.plugin import (
    Edits,
    TopicBudget,
    TopicCase,
    function_words,
    load_table,
    match_case,
    with_edits,
    words,
)
from robustrank_attacks.topic.surrogate import GroupSurrogate

Floats = NDArray[np.float64]

FEATURES = (
    "inserts", "place", "mean gain", "least gain", "spread of gains", "queries that gain", "in queries", "rarity",
    "in top documents", "relevance", "weight in queries", "topic gain",
)  # fmt: skip
"""Of every (place, word); gains are in standard deviations of the competitors' scores."""

TOP = 5
"""Documents at the head of each list whose words may be triggers."""


class Place(NamedTuple):
    """A place and the words that may go there.

    Attributes:
        at: Word position for a substitution, character offset for an insertion.
        inserts: Which of the two it is.
        words: Candidates, best first by the surrogate's gains.
    """

    at: int
    inserts: bool
    words: tuple[str, ...]


Move = tuple[int, int]
"""Place and word, as indices."""


@dataclass(frozen=True, eq=False)
class Board:
    """The places of one document for one group.

    Args:
        text: The clean document.
        places: Substitutions first, then insertions.
        features: places x words x :data:`FEATURES`; 0 where a place has fewer words.
        budget: Limits the moves of either kind.
    """

    text: str
    places: tuple[Place, ...]
    features: Floats = field(repr=False)
    budget: TopicBudget

    def legal(self, moves: Sequence[Move]) -> NDArray[np.bool_]:
        """Which (place, word) may be added: a free place, within the budget, and no trigger word twice."""
        exists, inserts = self._shape
        inserted = [self.places[p].words[w] for p, w in moves if inserts[p]]
        mask = exists.copy()
        if len(inserted) >= self.budget.insertions:
            mask[inserts] = False
        if len(moves) - len(inserted) >= self.budget.substitutions:
            mask[~inserts] = False
        mask[np.array([p for p, _ in moves], dtype=int)] = False
        if inserted:
            triggers = self.places[-1].words  # the same at every place
            mask[np.ix_(np.flatnonzero(inserts), np.array([triggers.index(w) for w in inserted], dtype=int))] = False
        return mask

    @cached_property
    def _shape(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which (place, word) there are, and which places insert."""
        counts = np.array([len(place.words) for place in self.places], dtype=int)
        exists = np.arange(self.features.shape[1])[None, :] < counts[:, None]
        return exists, np.array([place.inserts for place in self.places], dtype=bool)

    def render(self, moves: Sequence[Move]) -> str:
        """The text after some moves; their order does not matter."""
        chosen = [(self.places[p], self.places[p].words[w]) for p, w in sorted(moves)]
        return with_edits(
            self.text,
            Edits(
                substitutions={place.at: word for place, word in chosen if not place.inserts},
                insertions=[(place.at, word) for place, word in chosen if place.inserts],
            ),
        )

    @property
    def longest(self) -> int:
        """Most moves of an episode."""
        inserts = sum(place.inserts for place in self.places)
        return min(self.budget.substitutions, len(self.places) - inserts) + min(self.budget.insertions, inserts)


@dataclass(frozen=True, kw_only=True)
class BoardOptions:
    """How large a board is.

    Args:
        substitutes: The table of words (:func:`robustrank.perturbations.substitutes.load`).
        places: Substitutable words considered, those with the largest first-order gain.
        sentences: Places for triggers: the front, and the ends of sentences, at most so many together.
        words: Candidates a place.
    """

    substitutes: str = "counterfitted|wordnet"
    places: int = 16
    sentences: int = 4
    words: int = 8


def build(case: TopicCase, surrogate: GroupSurrogate, budget: TopicBudget, options: BoardOptions) -> Board:
    """The board of one case. Costs one gradient pass, the ends of the lists, and one text for each possible trigger."""
    text = case.target.text
    scale = surrogate.scale
    target_words = words(text)
    possible = load_table(options.substitutes).within(text)
    cased = {p: tuple(match_case(w, target_words[p].text) for w in possible[p]) for p in possible}
    gains = {p: g / scale for p, g in surrogate.gains(text, cased).items()} if cased else {}
    best = sorted(gains, key=lambda p: (-_promise(gains[p]).max(), p))[: options.places]
    tops = {p: np.argsort(-_promise(gains[p]), kind="stable")[: options.words] for p in sorted(best)}
    word_table = _WordTable(
        case, surrogate, [w for p, top in tops.items() for w in (target_words[p].text, *(cased[p][i] for i in top))]
    )
    rows: list[tuple[Place, Floats]] = []
    for position, top in tops.items():
        place = Place(position, False, tuple(cased[position][i] for i in top))
        where = target_words[position].start / max(1, len(text))
        rows.append(
            (place, word_table.features(place, where, gains[position][top], instead=target_words[position].text))
        )
    if budget.insertions and (triggers := word_table.triggers(2 * options.words)):
        clean, *inserted = surrogate.probe(
            [text, *(with_edits(text, Edits(insertions=[(0, word)])) for word in triggers)]
        )
        probed = (np.stack(inserted) - clean) / scale
        # Half of them have the largest gains for the attacked queries, the others for the topic.
        first = np.argsort(-probed[:, :-1].mean(axis=1), kind="stable")[: options.words].tolist()
        for_topic = [i for i in np.argsort(-probed[:, -1], kind="stable").tolist() if i not in first][: options.words]
        top = np.array([*first, *for_topic])
        for offset in _starts(text)[: options.sentences]:
            place = Place(offset, True, tuple(triggers[i] for i in top))
            rows.append((place, word_table.features(place, offset / max(1, len(text)), probed[top])))
    features = np.zeros((len(rows), max((len(place.words) for place, _ in rows), default=0), len(FEATURES)))
    for p, (place, values) in enumerate(rows):
        features[p, : len(place.words)] = values
    return Board(text, tuple(place for place, _ in rows), features, budget)


class _WordTable:
    """Features of words from the queries and from the heads and tails of the lists."""

    def __init__(self, case: TopicCase, surrogate: GroupSurrogate, substitutes: Sequence[str]) -> None:
        heads = {doc.doc_id: doc.text for docs in case.lists for doc in docs[:TOP]}
        everything = {doc.doc_id: doc.text for docs in case.lists for doc in docs}
        self._in_queries = _shares([query.text for query in case.queries])
        self._in_heads = _shares(list(heads.values()))
        self._in_documents = _shares(list(everything.values()))
        self._documents = len(everything)
        possible = sorted({*self._in_queries, *self._in_heads} - function_words())
        self._possible = [word for word in possible if word.isalpha() and len(word) > 1]
        vocabulary = sorted({*self._possible, *(word.lower() for word in substitutes)})
        self._relevance = dict(zip(vocabulary, surrogate.relevance(vocabulary).tolist(), strict=True))
        self._in_expanded_queries = dict(zip(vocabulary, surrogate.query_weight(vocabulary).tolist(), strict=True))

    def rarity(self, word: str) -> float:
        """Inverse document frequency among the candidates, in [0, 1]."""
        frequency = self._in_documents.get(word, 0.0) * self._documents
        return log((1 + self._documents) / (1 + frequency)) / log(1 + max(1, self._documents))

    def triggers(self, count: int) -> list[str]:
        """Words of the queries and of the documents at the head of the lists: as many of either of two orders.

        Those frequent there and rare elsewhere, and those of the largest relevance.
        """
        weight = {
            word: (2 * self._in_queries.get(word, 0.0) + self._in_heads.get(word, 0.0)) * self.rarity(word)
            for word in self._possible
        }
        frequent = sorted(weight, key=lambda word: (-weight[word], word))[:count]
        relevant = [self._possible[i] for i in self.ordered(self._possible)][:count]
        return list(dict.fromkeys([*frequent, *relevant]))

    def ordered(self, candidates: Sequence[str]) -> list[int]:
        """Their indices, those of the largest relevance first."""
        return sorted(range(len(candidates)), key=lambda i: (-self._relevance[candidates[i]], candidates[i]))

    def features(self, place: Place, where: float, gains: Floats, *, instead: str = "") -> Floats:
        """Rows of :data:`FEATURES`, one per word of the place, which takes the place of ``instead``.

        Gains are words x (queries, and the topic last).
        """
        gains, topic = gains[:, :-1], gains[:, -1]
        lower, old = [word.lower() for word in place.words], instead.lower()
        return np.stack(
            [
                np.full(len(lower), float(place.inserts)),
                np.full(len(lower), where),
                gains.mean(axis=1),
                gains.min(axis=1),
                gains.std(axis=1),
                (gains > 0).mean(axis=1),
                np.array([self._in_queries.get(word, 0.0) for word in lower]),
                np.array([self.rarity(word) for word in lower]),
                np.array([self._in_heads.get(word, 0.0) for word in lower]),
                np.array([self._relevance[word] - self._relevance.get(old, 0.0) for word in lower]),
                np.array([self._in_expanded_queries[word] - self._in_expanded_queries.get(old, 0.0) for word in lower]),
                topic,
            ],
            axis=1,
        )


def _promise(gains: Floats) -> Floats:
    """Mean gain of each word over the attacked queries, plus its gain for the topic."""
    return gains[:, :-1].mean(axis=1) + gains[:, -1]  # type: ignore[no-any-return]


def _shares(texts: Sequence[str]) -> dict[str, float]:
    """Every word of some texts with the share of them that it occurs in."""
    counts = Counter(word for text in texts for word in _vocabulary(text))
    return {word: count / len(texts) for word, count in counts.items()}


@lru_cache(maxsize=1024)  # documents of one topic's lists
def _vocabulary(text: str) -> frozenset[str]:
    return frozenset(word.text.lower() for word in words(text))


def _starts(text: str) -> list[int]:
    """The front, and what follows each end of a sentence; the end of the text is the last of them."""
    return [0, *(match.end() for match in re.finditer(r"(?<=[.!?])\s+", text)), len(text)]
