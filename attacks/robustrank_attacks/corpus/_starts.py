"""What optimised documents begin with, and the queries that each is for."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np

from robustrank.plugin import CorpusCase, Query, StageOracle, clusters
from robustrank_attacks.corpus._ascent import Vectors, steady, writable
from robustrank_attacks.corpus._texts import price


def encoded_group(case: CorpusCase, oracle: StageOracle) -> Vectors | None:
    """The known queries as the first stage encodes them; ``None`` where the budget does not pay for it."""
    left = oracle.affordable()
    if left is not None and left < len(case.group):
        return None
    return oracle.encode([query.text for query in case.group], query=True)


def groups_of(case: CorpusCase, vectors: Vectors, rng: Random) -> list[Sequence[int]]:
    """The known queries in as many clusters as documents may be added."""
    return clusters(vectors, case.plants, rng.randrange(2**31))


def length(case: CorpusCase, pieces: int) -> int:
    """Pieces that fit behind the payload within the words that a document may have."""
    left = pieces if case.words is None else case.words - price(case.payload or "")
    return max(0, min(pieces, left))


def from_queries(case: CorpusCase, oracle: StageOracle, queries: Sequence[Query], count: int, rng: Random) -> list[int]:
    """So many pieces: those of the queries, in turn, and those of a document that the attacker has read."""
    texts = [query.text for query in queries]
    pool = [doc.text for doc in case.corpus if doc.text.strip()]
    if pool:
        texts.append(rng.choice(pool))
    usable = set(writable(oracle.vocabulary).tolist())
    ids = [piece for text in texts for piece in oracle.pieces(text) if piece in usable]
    filler = sorted(usable)
    while len(ids) < count and filler:
        ids.append(filler[rng.randrange(len(filler))])
    return steady(oracle, case.payload or "", ids, count)


def nearest_first(vectors: Vectors, rows: Sequence[int], direction: Vectors) -> list[int]:
    """The rows by their inner product with a direction, greatest first."""
    return [rows[i] for i in np.argsort(-(vectors[list(rows)] @ direction), kind="stable")]
