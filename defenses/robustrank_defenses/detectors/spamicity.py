"""Online spam detection (OSD): how much of a document's weight is in terms of the query.

Zhou and Pei, "OSD: An Online Web Spam Detection System" (2009), in the form of PAT (Liu et al., 2022): the sum of the
tf-idf weights, in the document, of the terms that it shares with the query, over the number of the query's terms times
the largest weight of one in the query. It knows one query: documents written for many pass under it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import log, sqrt

from robustrank.plugin import DetectorCard, Document, Seen, analyze


@dataclass(frozen=True, kw_only=True)
class Spamicity:
    """Share of a document's tf-idf weight that is in terms of the query (OSD)."""

    @property
    def card(self) -> DetectorCard:
        """Reads the query, and takes document frequencies from clean documents."""
        return DetectorCard(name="spamicity", fingerprint="osd/1", query=True, background=True)

    def suspicion(self, document: Document, seen: Seen, /) -> float | None:
        """From 0, without a common term, to 1; ``None`` for a query without terms."""
        assert seen.query is not None, "its card asks for the query"
        idf, unseen = _frequencies(tuple(seen.background))
        asked, written = (_weights(text, idf, unseen) for text in (seen.query.text, document.text))
        if not asked:
            return None
        shared = sum(written[term] for term in asked if term in written)
        return shared / (len(asked) * max(asked.values()))


@lru_cache(maxsize=16)
def _frequencies(texts: Sequence[str]) -> tuple[Mapping[str, float], float]:
    """Inverse document frequencies (smoothed as in scikit-learn), and that of a term in no text."""
    counts = Counter(term for terms in analyze(texts) for term in set(terms))
    n = 1 + len(texts)
    return {term: log(n / (1 + count)) + 1 for term, count in counts.items()}, log(n) + 1


def _weights(text: str, idf: Mapping[str, float], unseen: float) -> dict[str, float]:
    """Term to tf-idf weight; the vector has length 1."""
    counts = Counter(analyze([text])[0])
    raw = {term: count * idf.get(term, unseen) for term, count in counts.items()}
    length = sqrt(sum(weight * weight for weight in raw.values()))
    return {term: weight / length for term, weight in raw.items()}
