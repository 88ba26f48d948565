"""Slices that nobody thought of: queries on which a ranker is worse, searched for with false discoveries controlled.

Half of the queries are searched, by every type and every third of every feature, with Benjamini and Hochberg's
correction over everything that was looked at. What is found there is tested once on the other half, and its difference
and interval are those of the other half alone: the half that was searched would flatter them. Slices differ in
difficulty for every ranker, so each is looked at twice: by a ranker's own values, and by what they lack to the
baseline's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import NamedTuple

import numpy as np

from robustrank.measures.bounds import difference_bounds, measure_bounds
from robustrank.protocols.effectiveness import Values, values
from robustrank.protocols.five_tasks.query_types import Described
from robustrank.results.five_tasks import WorstSlice
from robustrank.stats.comparisons import benjamini_hochberg, holm, welch_lower
from robustrank.stats.contrasts import contrast, corners
from robustrank.stats.resampling import Bounds, finite
from robustrank.work.records import RankingRecord

LEAST = 40
"""Queries of a collection that is searched."""

INSIDE = 5
"""Queries of a slice, in each half."""

FALSE = 0.1
"""Share of false discoveries that is accepted in the half that is searched."""

SURE = 0.05

UNORDERED = ("cluster",)


def slices(described: Described, collection: str) -> dict[str, frozenset[str]]:
    """Description to query ids: every type of every axis, every cluster, lowest and highest third of every feature."""
    queries = described.get(collection, {})
    queries_of: dict[str, set[str]] = {}
    numbers: dict[str, dict[str, float]] = {}
    for query_id, query in queries.items():
        for axis, name in query.types.items():
            queries_of.setdefault(f"{axis}: {name}", set()).add(query_id)
        for feature, value in query.features.items():
            if feature in UNORDERED:
                queries_of.setdefault(f"{feature}: {value:.0f}", set()).add(query_id)
            else:
                numbers.setdefault(feature, {})[query_id] = value
    for feature, by_query in numbers.items():
        low, high = np.quantile(list(by_query.values()), [1 / 3, 2 / 3])
        if low < high:
            queries_of[f"{feature} at most {low:.2f}"] = {q for q, v in by_query.items() if v <= low}
            queries_of[f"{feature} at least {high:.2f}"] = {q for q, v in by_query.items() if v >= high}
    return {name: frozenset(ids) for name, ids in sorted(queries_of.items())}


def search(
    records: Sequence[RankingRecord], described: Described, measure: str, baseline: str | None = None
) -> tuple[list[WorstSlice], int]:
    """The slices found, those that were confirmed first, and how many were looked at."""
    tried: list[tuple[_Side, str, frozenset[str], float]] = []
    for side in _sides(values(records), measure, baseline):
        half = {q: v for q, v in side.values.items() if searched(q)}
        other = {q: v for q, v in side.values.items() if not searched(q)}
        for name, ids in slices(described, side.collection).items():
            p = _one_sided(half, ids)
            if p is not None and _one_sided(other, ids) is not None:
                tried.append((side, name, ids, p))
    if not tried:
        return [], 0
    corrected = benjamini_hochberg([p for *_, p in tried])
    significant = [
        _found(side, name, ids, q)
        for (side, name, ids, _), q in zip(tried, corrected, strict=True)
        if q < FALSE
    ]  # fmt: skip
    for place, p in enumerate(holm([s.confirmed_p for s in significant])):
        significant[place] = replace(significant[place], confirmed=p < SURE)
    return sorted(significant, key=lambda s: (not s.confirmed, s.q, s.ranker, s.collection, s.slice)), len(tried)


class _Side(NamedTuple):
    """What is searched for one ranker on one collection: its values, or those minus the baseline's."""

    ranker: str
    collection: str
    versus: str | None
    values: Mapping[str, float]
    bounds: Bounds


def _sides(every: Values, measure: str, baseline: str | None) -> Iterator[_Side]:
    for ranker, collection, name in every:
        mine = every[ranker, collection, name]
        if name != measure or len(mine) < LEAST:
            continue
        yield _Side(ranker, collection, None, mine, measure_bounds(measure))
        base = every.get((baseline or "", collection, measure), {}) if ranker != baseline else {}
        less = {q: v - base[q] for q, v in mine.items() if q in base}
        if len(less) >= LEAST:
            yield _Side(ranker, collection, baseline, less, difference_bounds(measure))


def searched(query_id: str) -> bool:
    """Whether a query is of the half that is searched: by a hash, so the same in every audit."""
    return sha256(query_id.encode()).digest()[0] % 2 == 0


def _one_sided(by_query: Mapping[str, float], ids: frozenset[str]) -> float | None:
    """Welch's p that the slice's mean is lower; ``None`` where either side is too small to say."""
    inside = [v for q, v in by_query.items() if q in ids]
    outside = [v for q, v in by_query.items() if q not in ids]
    return None if min(len(inside), len(outside)) < INSIDE else welch_lower(inside, outside)


def _found(side: _Side, name: str, ids: frozenset[str], q: float) -> WorstSlice:
    mine = side.values
    kept = [x for x in sorted(mine) if not searched(x)]
    inside, outside = ([[mine[x]] for x in kept if (x in ids) is within] for within in (True, False))
    unseen = [corners(finite(side.bounds, np.asarray(list(mine.values()))))] * 2
    difference = contrast([inside, outside], lambda a, b: a[:, 0] - b[:, 0], unseen=unseen)
    assert difference is not None, "a difference of means is always defined"
    return WorstSlice(
        ranker=side.ranker, collection=side.collection, slice=name, versus=side.versus, queries=len(set(mine) & ids),
        difference=difference.estimate, q=q,
        confirmed_p=difference.p if difference.estimate.value < 0 else 1.0, confirmed=False,
        query_ids=sorted(set(mine) & ids),
    )  # fmt: skip
