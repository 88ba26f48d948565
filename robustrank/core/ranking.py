"""Scores to ranks, with trec_eval's tie rule: score descending, then document id descending.

Evaluation tools break ties differently (the same run can have RR 0.5 in one and 1.0 in another), so ties are broken
here, before a tool sees a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from robustrank.core.errors import ContractError
from robustrank.core.interfaces import Ranker
from robustrank.core.types import Document, Query, ScoredDoc

TIE_RULE = "score descending, then document id descending (trec_eval)"


def order(scored: Sequence[tuple[str, float]]) -> list[str]:
    """Document ids, best first, of (document id, score) pairs."""
    return [doc_id for doc_id, _ in sorted(scored, key=lambda pair: (pair[1], pair[0]), reverse=True)]


def rank_of(doc_id: str, score: float, others: Sequence[tuple[str, float]]) -> int:
    """The 1-based rank of a document among (document id, score) pairs; a pair of its own id is ignored."""
    return 1 + sum((s, i) > (score, doc_id) for i, s in others if i != doc_id)


def fallen(before: Sequence[str], after: Sequence[str], top: int = 10) -> list[tuple[str, int, int]]:
    """Documents of the first ``top`` ranks that an attack moved down.

    Args:
        before: Document ids, best first.
        after: The same ids, in their new order.
        top: Ranks of ``before`` that are compared.

    Returns:
        Document id, 1-based rank before, and rank after.
    """
    places = {doc_id: rank for rank, doc_id in enumerate(after, start=1)}
    ranked = enumerate(before[:top], start=1)
    return [(doc_id, rank, places[doc_id]) for rank, doc_id in ranked if places[doc_id] > rank]


def run_lines(query_id: str, ranking: Sequence[str]) -> list[ScoredDoc]:
    """A ranking as run lines with strictly falling scores, so that no tool has ties to break."""
    return [ScoredDoc(query_id, doc_id, float(len(ranking) - i)) for i, doc_id in enumerate(ranking)]


def checked_scores(ranker: Ranker, query: Query, docs: Sequence[Document]) -> list[float]:
    """``ranker.score`` with the contract enforced.

    Raises:
        ContractError: A wrong number of scores, or one that is not a finite number.
    """
    return checked(ranker, query, docs, ranker.score(query, docs))


def checked(ranker: Ranker, query: Query, docs: Sequence[Document], scores: Sequence[float]) -> list[float]:
    """A ranker's scores of a list, with the contract enforced.

    Raises:
        ContractError: A wrong number of scores, or one that is not a finite number.
    """
    name = ranker.card.name
    if len(scores) != len(docs):
        raise ContractError(
            f"ranker {name}: {len(scores)} scores for {len(docs)} documents of query {query.query_id!r}"
        )
    for doc, score in zip(docs, scores, strict=True):
        if not isfinite(score):
            raise ContractError(f"ranker {name}: score {score} for query {query.query_id!r}, document {doc.doc_id!r}")
    return [float(score) for score in scores]
