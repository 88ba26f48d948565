"""The true worst case of rankers that only count terms, such as BM25: no sampling, no probability.

What is additive: a document enters the score through how often each query term occurs in it and through how many terms
it has; both are sums over its words, as long as each word is analysed by itself (which is checked). The score itself is
not additive, because counts saturate and a term may be traded for another; so the search is a dynamic programme over
words whose states are all reachable sums, and the score is taken at the end. It is exact where the score never falls
with a count of a query term and never rises with the length.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from robustrank.core.types import Query
from robustrank.core.words import match_case, words

STATES = 100_000
"""Reachable sums kept at once; beyond it the bound is a relaxation, larger than the truth or equal."""

Sums = tuple[int, ...]
"""Changes of the query terms' counts, and last the change of the length."""


@runtime_checkable
class CountsTerms(Protocol):
    """A ranker whose score is a function of counts of query terms and length alone."""

    def query_terms(self, query: Query) -> list[str]:
        """The terms whose counts matter, each once."""

    def analyzed(self, text: str) -> list[str]:
        """The terms of a text."""

    def from_counts(self, query: Query, counts: Mapping[str, int], length: int) -> float:
        """The score; never falls with a count and never rises with the length."""


def worst_case(
    ranker: CountsTerms, query: Query, text: str, substitutes: Callable[[str], Sequence[str]], radius: int
) -> float:
    """The largest score after at most ``radius`` words are replaced by substitutes; infinite where that is unknown.

    Args:
        ranker: Counts terms.
        query: The query.
        text: The document.
        substitutes: Word to what may stand in its place, in the case of the word
            (:func:`robustrank.core.words.match_case`).
        radius: Words that may be replaced.
    """
    replaceable = [word.text for word in words(text)]
    own = [ranker.analyzed(word) for word in replaceable]
    terms = ranker.query_terms(query)
    counts, length = Counter(term for parts in own for term in parts), sum(map(len, own))
    if Counter(ranker.analyzed(text)) != counts:
        return float("inf")  # a term reaches over words, so words are not independent

    if radius and "Σ" in text:
        return float("inf")  # its lower case depends on the words around it

    def score(sums: Sums) -> float:
        after = {term: counts[term] + change for term, change in zip(terms, sums, strict=False)}
        return ranker.from_counts(query, after, length + sums[-1])

    choices = [
        _gains(before, [ranker.analyzed(match_case(word, place)) for word in substitutes(place)], terms)
        for place, before in zip(replaceable, own, strict=True)
    ]
    choices = [gains for gains in choices if gains]
    reached: dict[Sums, int] = {(0,) * (len(terms) + 1): 0}
    for gains in choices:
        reached = _extended(reached, gains, radius)
        if len(reached) > STATES:
            return score(_relaxed(choices, radius, len(terms)))
    return max(score(sums) for sums in reached)


def _gains(before: Sequence[str], options: Sequence[Sequence[str]], terms: Sequence[str]) -> list[Sums]:
    """What each substitute of a word changes, without those that can only lower the score."""
    changes = set()
    for after in options:
        old, new = Counter(before), Counter(after)
        change = (*(new[term] - old[term] for term in terms), len(after) - len(before))
        if any(value > 0 for value in change[:-1]) or change[-1] < 0:
            changes.add(change)
    return sorted(changes)


def _extended(reached: Mapping[Sums, int], gains: Sequence[Sums], radius: int) -> dict[Sums, int]:
    """All sums with one more word to choose for, and the fewest replaced words that reach each."""
    extended = dict(reached)
    for sums, used in reached.items():
        if used < radius:
            for gain in gains:
                reaches = tuple(a + b for a, b in zip(sums, gain, strict=True))
                extended[reaches] = min(extended.get(reaches, used + 1), used + 1)
    return extended


def _relaxed(choices: Sequence[Sequence[Sums]], radius: int, terms: int) -> Sums:
    """Every sum at its best, each as if all replaced words were there for it alone."""
    best = []
    for place in range(terms):
        ups = sorted((max([0, *(gain[place] for gain in gains)]) for gains in choices), reverse=True)
        best.append(sum(ups[:radius]))
    shorter = sorted(min([0, *(gain[-1] for gain in gains)]) for gains in choices)
    return (*best, sum(shorter[:radius]))
