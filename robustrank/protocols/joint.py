"""A list of which every target is attacked at once: what a certificate promises to withstand.

Scores of a point-wise ranker do not depend on each other, so the attacked list follows from the records of attacks on
single documents: each target has the highest score that an attack gave it, or its clean one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from robustrank.core.ranking import order
from robustrank.results.outcomes import undecided

if TYPE_CHECKING:
    from robustrank.work.records import AttackRecord, RankingRecord

MEASURE = "nDCG@10"


def attacked_at_once(attacks: Sequence[AttackRecord], lists: Mapping[str, RankingRecord]) -> dict[str, float]:
    """Query to nDCG@10 of its list with all targets attacked, for lists on which every attack is decided.

    Args:
        attacks: On documents of the lists, of one point-wise ranker on one collection; they promote.
        lists: Query to the clean list.
    """
    from robustrank.measures import arrays

    by_query: dict[str, list[AttackRecord]] = {}
    for record in attacks:
        by_query.setdefault(record.query_id, []).append(record)
    worth: dict[str, float] = {}
    for query, mine in by_query.items():
        clean = lists.get(query)
        if clean is None or any(map(undecided, mine)):
            continue
        scores = dict(zip(clean.doc_ids, clean.scores, strict=True))
        for record in mine:
            scores[record.doc_id] = max(scores[record.doc_id], record.score_after)
        ranking = {"attacked": {query: order(list(scores.items()))}}
        values = arrays.per_query([MEASURE], ranking, {query: clean.qrels}, clean.relevant_from)
        worth[query] = values["attacked"][MEASURE][query]
    return worth
