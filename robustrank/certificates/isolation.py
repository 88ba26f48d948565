"""Orders from groups of documents: which of them altered or added documents cannot turn round.

A ranker that sees all documents at once can be moved by any one of them. One that sees a few at a time, in groups that
no text decides, is moved in the groups of the altered documents only. Theorem 12 of docs/certificates.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from itertools import combinations

Votes = Sequence[Mapping[str, float]]
"""Per group, document id to its Borda share: 1 for the first, 0 for the last, evenly between."""

ROUNDING = 1e-9
"""Leads and losses are sums of fractions; those closer than this count as equal."""


def groups(doc_ids: Iterable[str], size: int, rounds: int, seed: int) -> list[tuple[str, ...]]:
    """Groups of documents that follow from their ids alone, each in the order in which it is shown.

    Size 2 is every pair once. Else each round cuts a seeded order of the ids into groups of that size or, where it does
    not come out even, a little more; only where all documents are fewer, is a group smaller.
    """
    ids = sorted(set(doc_ids))
    if size == 2:
        return [tuple(sorted(pair, key=lambda d: _draw(seed, "".join(pair), d))) for pair in combinations(ids, 2)]
    made = []
    for number in range(rounds if len(ids) > 1 else 0):
        shown = sorted(ids, key=lambda doc_id: _draw(seed, str(number), doc_id))
        parts = max(1, len(shown) // size)
        made += [tuple(shown[len(shown) * i // parts : len(shown) * (i + 1) // parts]) for i in range(parts)]
    return made


def votes(ranking: Sequence[str]) -> dict[str, float]:
    """Borda shares of the documents of one group, of at least two."""
    return {doc_id: 1 - place / (len(ranking) - 1) for place, doc_id in enumerate(ranking)}


def shares(of: Votes, doc_ids: Iterable[str]) -> dict[str, float]:
    """Every document's mean share over the groups that it is in; 0 in none."""
    mine = {doc_id: [group[doc_id] for group in of if doc_id in group] for doc_id in doc_ids}
    return {doc_id: sum(row) / len(row) if row else 0.0 for doc_id, row in mine.items()}


def losses(of: Votes, first: str, second: str) -> list[float]:
    """How much of its lead a document may lose to another by each of the others being altered, the most first.

    In every group with the altered one, the first may fall to a share of 0 and the second rise to 1.
    """
    counts = {doc_id: sum(doc_id in group for group in of) for doc_id in (first, second)}
    lost: dict[str, float] = {}
    for group in of:
        loss = group.get(first, 0.0) / counts[first] if first in group else 0.0
        loss += (1 - group[second]) / counts[second] if second in group else 0.0
        for doc_id in group:
            if doc_id not in (first, second):
                lost[doc_id] = lost.get(doc_id, 0.0) + loss
    return sorted(lost.values(), reverse=True)


def stays(of: Votes, first: str, second: str, documents: int, *, added: bool = False) -> bool:
    """Whether a document stays above another, however so many other documents are altered, or added to the list.

    Added ones leave the votes of all pairs as they are, so a lead of more wins than documents come in stays. Of larger
    groups they change who is with whom: nothing stays.
    """
    if added:
        wins = [sum(group.get(doc_id, 0.0) for group in of) for doc_id in (first, second)]
        return all(len(group) == 2 for group in of) and wins[0] - wins[1] > documents + ROUNDING
    score = shares(of, (first, second))
    return score[first] - score[second] > sum(losses(of, first, second)[:documents]) + ROUNDING


def lowest_place(of: Votes, doc_ids: Sequence[str], mine: str, documents: int, *, added: bool = False) -> int:
    """The lowest place (1 is the first) that an unaltered document can come to by so many altered, or added, ones.

    All that does not stay below it may pass it, and the altered or added ones stand anywhere.
    """
    above = sum(not stays(of, mine, other, documents, added=added) for other in doc_ids if other != mine)
    return min(1 + above + documents, len(doc_ids) + documents * added)


def _draw(seed: int, number: str, doc_id: str) -> bytes:
    return sha256(f"{seed}\0{number}\0{doc_id}".encode("utf-8", "surrogatepass")).digest()
