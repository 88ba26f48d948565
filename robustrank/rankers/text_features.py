"""Features of a query and a document for learning to rank, computed from the text and frozen collection statistics.

There are no link, click or anchor features, so all features are recomputed when an attack edits the text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log

import numpy as np
from numpy.typing import NDArray

from robustrank.core.types import Collection
from robustrank.retrieval.analysis import analyze, analyzed
from robustrank.retrieval.lexical import K1, B

FEATURES = (
    "bm25", "query_likelihood", "tf_idf", "matched", "matched_share", "matched_idf_share", "largest_tf", "mean_tf",
    "first_match", "bigrams", "window", "length", "query_length", "query_idf",
)  # fmt: skip
"""Names, in column order.

``bm25`` and ``query_likelihood`` (mu = 1000) as the rankers of those names; ``tf_idf`` the sum of log(1 + tf) x idf;
``matched`` query terms in the document, their share, and their share of the query's idf; ``largest_tf`` and
``mean_tf`` of query terms; ``first_match`` the place of the first query term over the length (1 where there is none);
``bigrams`` pairs of neighbouring query terms that are neighbours in the document; ``window`` the matched terms over
the shortest stretch that holds them all; ``length`` log(1 + terms); ``query_length`` terms; ``query_idf`` mean idf.
"""


@dataclass(frozen=True)
class Statistics:
    """Term statistics of a collection, frozen when a document is edited.

    Args:
        idf: Term to inverse document frequency, log(1 + (N - df + 0.5) / (df + 0.5)).
        probability: Term to its share of all term occurrences.
        mean_length: Terms per document.
    """

    idf: Mapping[str, float]
    probability: Mapping[str, float]
    mean_length: float

    @classmethod
    def of(cls, collection: Collection) -> Statistics:
        """Count a collection's terms."""
        texts = analyzed(collection)
        documents = Counter(term for terms in texts for term in set(terms))
        counts = Counter(term for terms in texts for term in terms)
        n, total = len(texts), max(1, sum(counts.values()))
        idf = {term: log(1 + (n - df + 0.5) / (df + 0.5)) for term, df in documents.items()}
        return cls(idf, {term: count / total for term, count in counts.items()}, max(1.0, total / n))


def features(query: str, texts: Sequence[str], statistics: Statistics) -> NDArray[np.float64]:
    """Feature matrix, texts x features, columns as in :data:`FEATURES`."""
    (query_terms,) = analyze([query])
    indexed = [term for term in query_terms if term in statistics.idf]
    rows = [_row(query_terms, indexed, document, statistics) for document in analyze(list(texts))]
    return np.array(rows, dtype=np.float64).reshape(len(texts), len(FEATURES))


def _row(
    query_terms: Sequence[str], indexed: Sequence[str], document: Sequence[str], statistics: Statistics
) -> list[float]:
    idf, length = statistics.idf, len(document)
    counts = {term: document.count(term) for term in dict.fromkeys(indexed)}
    matched = [term for term, count in counts.items() if count]
    norm = K1 * (1 - B + B * length / statistics.mean_length)
    places = [place for place, term in enumerate(document) if counts.get(term)]
    pairs = set(pairwise(document))
    log_ratios = sum(log(1 + counts[t] / (_MU * statistics.probability[t])) for t in indexed)
    total_idf = sum(idf[t] for t in counts)
    return [
        sum(idf[t] * counts[t] / (counts[t] + norm) for t in indexed),
        log_ratios + len(indexed) * log(_MU / (length + _MU)),
        sum(log(1 + counts[t]) * idf[t] for t in matched),
        len(matched),
        len(matched) / len(set(query_terms)) if query_terms else 0.0,
        sum(idf[t] for t in matched) / total_idf if total_idf else 0.0,
        max(counts.values(), default=0),
        sum(counts.values()) / len(counts) if counts else 0.0,
        places[0] / length if places else 1.0,
        sum(pair in pairs for pair in pairwise(query_terms)),
        len(matched) / _shortest(document, set(matched)) if matched else 0.0,
        log(1 + length),
        len(query_terms),
        total_idf / len(counts) if counts else 0.0,
    ]


_MU = 1000.0


def _shortest(document: Sequence[str], terms: set[str]) -> int:
    """Length of the shortest span of the document that holds every one of the terms."""
    last: dict[str, int] = {}
    best = len(document)
    for place, term in enumerate(document):
        if term in terms:
            last[term] = place
            if len(last) == len(terms):
                best = min(best, place - min(last.values()) + 1)
    return best
