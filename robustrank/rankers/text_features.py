"""Features of a query and a document for learning to rank, all recomputed from the text and from frozen statistics.

Nothing else enters: no links, clicks or anchors. So an edit of the text changes every feature that it should.
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
from robustrank.retrieval.first_stage import K1, B

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
    """What is known of a collection, and stays as it is when a document is edited."""

    idf: Mapping[str, float]
    probability: Mapping[str, float]
    mean_length: float

    @classmethod
    def of(cls, collection: Collection) -> Statistics:
        """Count a collection's terms."""
        found = analyzed(collection)
        documents = Counter(term for terms in found for term in set(terms))
        counts = Counter(term for terms in found for term in terms)
        n, total = len(found), max(1, sum(counts.values()))
        idf = {term: log(1 + (n - df + 0.5) / (df + 0.5)) for term, df in documents.items()}
        return cls(idf, {term: count / total for term, count in counts.items()}, max(1.0, total / n))


def features(query: str, texts: Sequence[str], statistics: Statistics) -> NDArray[np.float64]:
    """One row per text, columns as in :data:`FEATURES`."""
    (asked,) = analyze([query])
    known = [term for term in asked if term in statistics.idf]
    rows = [_row(asked, known, document, statistics) for document in analyze(list(texts))]
    return np.array(rows, dtype=np.float64).reshape(len(texts), len(FEATURES))


def _row(asked: Sequence[str], known: Sequence[str], document: Sequence[str], statistics: Statistics) -> list[float]:
    idf, length = statistics.idf, len(document)
    counts = {term: document.count(term) for term in dict.fromkeys(known)}
    matched = [term for term, count in counts.items() if count]
    norm = K1 * (1 - B + B * length / statistics.mean_length)
    places = [place for place, term in enumerate(document) if counts.get(term)]
    pairs = set(pairwise(document))
    seen = sum(log(1 + counts[t] / (_MU * statistics.probability[t])) for t in known)
    total_idf = sum(idf[t] for t in counts)
    return [
        sum(idf[t] * counts[t] / (counts[t] + norm) for t in known),
        seen + len(known) * log(_MU / (length + _MU)),
        sum(log(1 + counts[t]) * idf[t] for t in matched),
        len(matched),
        len(matched) / len(set(asked)) if asked else 0.0,
        sum(idf[t] for t in matched) / total_idf if total_idf else 0.0,
        max(counts.values(), default=0),
        sum(counts.values()) / len(counts) if counts else 0.0,
        places[0] / length if places else 1.0,
        sum(pair in pairs for pair in pairwise(asked)),
        len(matched) / _shortest(document, set(matched)) if matched else 0.0,
        log(1 + length),
        len(asked),
        total_idf / len(counts) if counts else 0.0,
    ]


_MU = 1000.0


def _shortest(document: Sequence[str], wanted: set[str]) -> int:
    """Length of the shortest stretch that holds every wanted term."""
    last: dict[str, int] = {}
    best = len(document)
    for place, term in enumerate(document):
        if term in wanted:
            last[term] = place
            if len(last) == len(wanted):
                best = min(best, place - min(last.values()) + 1)
    return best
