"""The share judged of the lists under a figure of effectiveness, and how far judging the rest could move it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from robustrank.core.ranking import order
from robustrank.core.types import Estimate, Range
from robustrank.measures.unjudged import bounds, cut
from robustrank.stats import intervals
from robustrank.work.records import BaseRanking, RankingRecord

Reach = Mapping[str, tuple[float, float]]
"""Query id to least and greatest value."""

EVEN = 1e-12
"""Differences below this are float noise."""


def judged(shares: Sequence[float]) -> Estimate | None:
    """Mean of judged@10 of lists; ``None`` without any."""
    return intervals.mean(shares, bounds=(0, 1)) if shares else None


def reaches(
    records: Sequence[RankingRecord], only: str | None = None
) -> dict[tuple[str, str, str], dict[str, tuple[float, float]]]:
    """(ranker, collection, measure) to the bounds of every query; only measures that can be bounded.

    Args:
        records: Of lists.
        only: A measure; default, all of them.
    """
    by_list: dict[tuple[str, str, str], dict[str, tuple[float, float]]] = {}
    for record in records:
        listed = ranking(record)
        for name in record.measures:
            measure = cut(name, record.relevant_from)
            if measure is not None and only in (None, name):
                reach = bounds(measure, listed, record.qrels, record.top_grade)
                by_list.setdefault((record.ranker, record.collection, name), {})[record.query_id] = reach
    return by_list


def difference(pairs: Sequence[tuple[RankingRecord, RankingRecord | BaseRanking]], name: str) -> Range | None:
    """From the least to the greatest mean difference of two rankers, every unjudged document having one grade for both.

    Args:
        pairs: For every query a record of one ranker and, of the same list, one of the other.
        name: The measure.
    """
    ends = []
    for record, against in pairs:
        measure = cut(name, record.relevant_from)
        if measure is None:
            return None
        ids = record.doc_ids if isinstance(against, BaseRanking) else against.doc_ids
        other = order(list(zip(ids, against.scores, strict=True)))
        ends.append(bounds(measure, ranking(record), record.qrels, record.top_grade, other=other))
    return mean(ends)


def reach_of(by_query: Reach, queries: Sequence[str]) -> Range | None:
    """The bounds of the mean over some queries; ``None`` where one of them is not known."""
    return mean([by_query[q] for q in queries]) if all(q in by_query for q in queries) else None


def mean(ends: Sequence[tuple[float, float]]) -> Range | None:
    """The bounds of a mean: queries are filled one without the other, so they are the means of the bounds."""
    return Range(*(float(end) for end in np.mean(ends, axis=0))) if ends else None


def change(home: Range | None, away: Range | None) -> Range | None:
    """The bounds of ``away`` minus ``home``, on queries that are not the same."""
    return None if home is None or away is None else Range(away.low - home.high, away.high - home.low)


def ratio(home: Range, away: Range) -> Range:
    """The bounds of ``away`` as a share of ``home``; without end where ``home`` could be 0."""
    return Range(away.low / home.high if home.high > 0 else 0.0, away.high / home.low if home.low > 0 else np.inf)


def may_change(value: float, reach: Range | None) -> bool | None:
    """Whether some filling gives the difference the other sign (or any sign, where it is 0)."""
    if reach is None:
        return None
    if abs(value) < EVEN:
        return reach.high - reach.low > EVEN
    return reach.low < -EVEN if value > 0 else reach.high > EVEN


def ranking(record: RankingRecord) -> list[str]:
    """Document ids of a ranking record, best first."""
    return order(list(zip(record.doc_ids, record.scores, strict=True)))
