"""Features of substitutes from one ranked list and its query: a linear model of words fitted on the list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from robustrank.plugin import Case, analyze, words

RIDGE = 10.0
"""Weight of the penalty, for rows of word counts of unit length."""

PREFIX = 4
"""Letters two words must begin with alike to count as related."""


def word_features(case: Case, possible: Mapping[int, Sequence[str]]) -> dict[str, NDArray[np.float64]]:
    """For every substitute, features relative to the word it replaces, from the ranked list and the query.

    ``"list"``: the difference of the two words' weights in a ridge regression of the documents' places (normal
    quantiles) on their words, where no word of the query goes. ``"gained"`` and ``"lost"``: how much closer to a word
    of the query the substitute is, where closer and where farther.

    Args:
        case: Its candidates in clean rank order.
        possible: Word position to substitutes.

    Returns:
        Name to one number per substitute, in the order of ``possible``.
    """
    target_words = [word.text for word in words(case.target.text)]
    query_terms = set(analyze([case.query.text])[0])
    weights = _weights([doc.text for doc in case.candidates])
    terms = {
        word: _term(word)
        for word in {target_words[at] for at in possible} | {w for ws in possible.values() for w in ws}
    }
    near = {term: _nearness(term, query_terms) for term in set(terms.values())}
    pairs = [(terms[word], terms[target_words[at]]) for at, others in possible.items() for word in others]
    closer = np.array([near[new] - near[old] for new, old in pairs])
    return {
        "list": np.array([weights.get(new, 0.0) - weights.get(old, 0.0) for new, old in pairs]) * (closer >= 0),
        "gained": np.maximum(closer, 0),
        "lost": np.minimum(closer, 0),
    }


def _weights(ranked: Sequence[str]) -> dict[str, float]:
    """Term to weight; those of more than one document, as one document gives too little evidence of a term."""
    analyzed = [sorted(set(terms)) for terms in analyze(ranked)]
    seen: dict[str, int] = {}
    for terms in analyzed:
        for term in terms:
            seen[term] = seen.get(term, 0) + 1
    columns = {term: i for i, term in enumerate(sorted(term for term, n in seen.items() if 1 < n < len(ranked)))}
    rows = np.zeros((len(ranked), len(columns)))
    for row, terms in zip(rows, analyzed, strict=True):
        row[[columns[term] for term in terms if term in columns]] = 1
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1)
    n = len(ranked)
    places = np.array([-NormalDist().inv_cdf((rank - 0.5) / n) for rank in range(1, n + 1)])
    fitted = rows.T @ np.linalg.solve(rows @ rows.T + RIDGE * np.eye(n) / 10, places)
    return dict(zip(columns, fitted.tolist(), strict=True))


def _term(word: str) -> str:
    return "".join(analyze([word])[0])


def _nearness(term: str, query_terms: set[str]) -> float:
    """1 for a word of the query, less for one that begins like it, 0 for any other."""
    return max((_alike(term, other) for other in sorted(query_terms)), default=0.0)


def _alike(a: str, b: str) -> float:
    shared = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    return shared / max(len(a), len(b)) if shared >= PREFIX or a == b != "" else 0.0
