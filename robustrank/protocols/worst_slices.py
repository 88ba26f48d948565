"""Slices that nobody thought of: queries on which a ranker is worse, searched for with false discoveries controlled.

Half of the queries are searched, by every type and every third of every feature, with Benjamini and Hochberg's
correction over everything that was looked at. What is found there is tested once on the other half.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

import numpy as np

from robustrank import stats
from robustrank.contrasts import contrast
from robustrank.protocols.effectiveness import values
from robustrank.store import Record
from robustrank.task_results import WorstSlice

LEAST = 40
"""Queries of a collection that is searched."""

INSIDE = 5
"""Queries of a slice, in each half."""

FALSE = 0.1
"""Share of false discoveries that is accepted in the half that is searched."""

SURE = 0.05

UNORDERED = ("cluster",)


def slices(described: Mapping[str, Mapping[str, Any]], collection: str) -> dict[str, frozenset[str]]:
    """Description to query ids: every type of every axis, every cluster, lowest and highest third of every feature."""
    queries = described.get(collection, {})
    found: dict[str, set[str]] = {}
    numbers: dict[str, dict[str, float]] = {}
    for query_id, query in queries.items():
        for axis, name in query["types"].items():
            found.setdefault(f"{axis}: {name}", set()).add(query_id)
        for feature, value in query["features"].items():
            if feature in UNORDERED:
                found.setdefault(f"{feature}: {value:.0f}", set()).add(query_id)
            else:
                numbers.setdefault(feature, {})[query_id] = value
    for feature, by_query in numbers.items():
        low, high = np.quantile(list(by_query.values()), [1 / 3, 2 / 3])
        if low < high:
            found[f"{feature} at most {low:.2f}"] = {q for q, v in by_query.items() if v <= low}
            found[f"{feature} at least {high:.2f}"] = {q for q, v in by_query.items() if v >= high}
    return {name: frozenset(ids) for name, ids in sorted(found.items())}


def search(
    records: Sequence[Record], described: Mapping[str, Mapping[str, Any]], measure: str
) -> tuple[list[WorstSlice], int]:
    """The slices found, those that were confirmed first, and how many were looked at."""
    from statsmodels.stats.multitest import multipletests

    every = values(records)
    tried: list[tuple[str, str, str, frozenset[str], float]] = []
    for ranker, collection, told in every:
        mine = every[ranker, collection, told]
        if told != measure or len(mine) < LEAST:
            continue
        half = {q: v for q, v in mine.items() if searched(q)}
        for name, ids in slices(described, collection).items():
            p = _one_sided(half, ids)
            if p is not None and _one_sided({q: v for q, v in mine.items() if q not in half}, ids) is not None:
                tried.append((ranker, collection, name, ids, p))
    if not tried:
        return [], 0
    corrected = multipletests([p for *_, p in tried], method="fdr_bh")[1]
    found = [
        _found(every[ranker, collection, measure], ranker, collection, name, ids, float(q))
        for (ranker, collection, name, ids, _), q in zip(tried, corrected, strict=True)
        if q < FALSE
    ]
    for place, p in enumerate(stats.holm([s.confirmed_p for s in found])):
        found[place] = replace(found[place], confirmed=p < SURE)
    return sorted(found, key=lambda s: (not s.confirmed, s.q, s.ranker, s.collection, s.slice)), len(tried)


def searched(query_id: str) -> bool:
    """Whether a query is of the half that is searched: by a hash, so the same in every audit."""
    return sha256(query_id.encode()).digest()[0] % 2 == 0


def _one_sided(by_query: Mapping[str, float], ids: frozenset[str]) -> float | None:
    """Welch's p that the slice's mean is lower; ``None`` where either side is too small to say."""
    from scipy.stats import ttest_ind

    inside = [v for q, v in by_query.items() if q in ids]
    outside = [v for q, v in by_query.items() if q not in ids]
    if min(len(inside), len(outside)) < INSIDE or np.ptp(inside) == 0 or np.ptp(outside) == 0:
        return None
    return float(ttest_ind(inside, outside, equal_var=False, alternative="less").pvalue)


def _found(
    mine: Mapping[str, float], ranker: str, collection: str, name: str, ids: frozenset[str], q: float
) -> WorstSlice:
    inside, outside = ([[mine[x]] for x in sorted(mine) if (x in ids) is side] for side in (True, False))
    difference = contrast([inside, outside], lambda a, b: a[:, 0] - b[:, 0])
    kept = _one_sided({x: v for x, v in mine.items() if not searched(x)}, ids)
    p = 1.0 if kept is None else kept
    return WorstSlice(
        ranker=ranker, collection=collection, slice=name, queries=len(inside),
        difference=difference.estimate if difference else stats.mean([x for row in inside for x in row]),
        q=q, confirmed_p=p, confirmed=False, query_ids=sorted(set(mine) & ids),
    )  # fmt: skip
