"""Sentences of other documents that an attack may insert, and how related they are to a query.

The filters are those of IDEM (Chen et al., ACL 2023), which keep its generated sentences from being the query, or a
copy of the document, again.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import numpy as np
from numpy.typing import NDArray

from robustrank.plugin import Case, analyze, sentences, words
from robustrank_attacks.insertion._search import insertable, price

STEP, CLAMP = 0.1, 0.01
"""Step of EMPRA's gradient ascent, and the most that a coordinate of the gradient counts."""


def sentence_bank(case: Case, longest: int) -> list[str]:
    """Different sentences of the list's documents but the target, in rank order, as they may be inserted.

    Left out are sentences that cost more than ``longest`` edits, that have the whole query in them, that stand in the
    target, and those of which more than half (in characters, the longest common part) is in the query or in the target.
    Judgments play no part: the attacker does not know them.
    """
    others = [doc.text for doc in case.candidates if doc.doc_id != case.target.doc_id]
    pool = dict.fromkeys(insertable(each.text) for text in others for each in sentences(text))
    query, target = _plain(case.query.text), _plain(case.target.text)
    return [s for s in pool if price(s) <= longest and _new(_plain(s), query, target)]


def _new(sentence: str, query: str, target: str) -> bool:
    if not sentence or sentence in target or (query and f" {query} " in f" {sentence} "):
        return False
    size = len(sentence) // 2 + 1  # a common part of more than half has one of this length
    parts = [sentence[at : at + size] for at in range(len(sentence) - size + 1)]
    return not any(part in query or part in target for part in parts)


def _plain(text: str) -> str:
    return " ".join(word.text.lower() for word in words(text))


def shared_idf(case: Case, texts: Sequence[str]) -> list[float]:
    """For each text the sum of the inverse document frequencies, in the list, of the terms it shares with the query."""
    query = set(analyze([case.query.text])[0])
    documents = [set(terms) for terms in analyze([doc.text for doc in case.candidates])]
    idf = {term: log((1 + len(documents)) / (1 + sum(term in doc for doc in documents))) + 1 for term in sorted(query)}
    return [sum(idf[term] for term in sorted(query.intersection(terms))) for terms in analyze(list(texts))]


def moved(vectors: NDArray[np.floating], anchor: NDArray[np.floating], iterations: int) -> NDArray[np.float64]:
    """Vectors (rows) moved towards an anchor by EMPRA's ascent of the cosine; all are of unit length."""
    towards, rows = unit(anchor[None])[0], unit(vectors)
    for _ in range(iterations):
        gradient = towards - (rows @ towards)[:, None] * rows
        rows = unit(rows + STEP * np.clip(gradient, -CLAMP, CLAMP))
    return rows


def nearest(vectors: NDArray[np.floating], bank: NDArray[np.floating]) -> list[int]:
    """For each vector the row of the bank of the highest cosine, the first of equal ones."""
    return [int(at) for at in np.argmax(unit(vectors) @ unit(bank).T, axis=1)]


def unit(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    """Rows at unit length; those of length 0 stay."""
    rows = vectors.astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths == 0, 1, lengths))
