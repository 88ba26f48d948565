"""i.i.d. effectiveness: the mean with its interval, the spread over queries, the worst tenth, and who beats whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from robustrank import stats
from robustrank.store import Record
from robustrank.summary import Comparison, Effectiveness

Values = Mapping[tuple[str, str, str], Mapping[str, float]]
"""(ranker, collection, measure) to query id to value."""

MIN_SLICE = 5
"""Query types with fewer queries than this are left out: no interval could say anything about them."""


def values(records: Sequence[Record], field: str = "measures") -> dict[tuple[str, str, str], dict[str, float]]:
    """Per-query values out of ranking records."""
    found: dict[tuple[str, str, str], dict[str, float]] = {}
    for record in records:
        for measure, value in record.get(field, {}).items():
            found.setdefault((record["ranker"], record["collection"], measure), {})[record["query_id"]] = value
    return found


def query_types(records: Sequence[Record]) -> dict[str, dict[str, list[str]]]:
    """Collection to query type to the ids of its queries; only types with enough queries."""
    found: dict[str, dict[str, set[str]]] = {}
    for record in records:
        if record["type"] is not None:
            found.setdefault(record["collection"], {}).setdefault(record["type"], set()).add(record["query_id"])
    return {
        collection: {t: sorted(ids) for t, ids in sorted(types.items()) if len(ids) >= MIN_SLICE}
        for collection, types in found.items()
    }


def effectiveness(records: Sequence[Record]) -> list[Effectiveness]:
    """Means over each collection, and over each of its query types where there are at least two."""
    judged = {(r["ranker"], r["collection"], r["query_id"]): r["judged"] for r in records}
    types = query_types(records)
    found = []
    for (ranker, collection, measure), by_query in values(records).items():
        slices: dict[str | None, list[str]] = {None: sorted(by_query)}
        if len(types.get(collection, {})) > 1:
            slices.update(types[collection])
        for name, ids in slices.items():
            present = [query_id for query_id in ids if query_id in by_query]
            if not present:
                continue
            data = [by_query[query_id] for query_id in present]
            found.append(
                Effectiveness(
                    ranker=ranker,
                    collection=collection,
                    measure=measure,
                    slice=name,
                    mean=stats.mean(data, bounds=(0, 1)),
                    judged=float(np.mean([judged[ranker, collection, query_id] for query_id in present])),
                    deviation=float(np.std(data, ddof=1)) if len(data) > 1 else None,
                    worst_decile=stats.worst_decile(data),
                    per_query={query_id: by_query[query_id] for query_id in present} if name is None else {},
                )
            )
    return found


def comparisons(records: Sequence[Record], measure: str) -> list[Comparison]:
    """Every pair of plain rankers, and every defended ranker with its base on the same lists; Holm over all."""
    found: list[tuple[str, str, str, Mapping[str, float], Mapping[str, float]]] = []
    bases = values(records, "base_measures")
    every = values(records)
    behind = {record["ranker"]: record["base"] for record in records if "base" in record}
    plain = [key for key in every if key[2] == measure and key not in bases]
    for a, b in combinations(plain, 2):
        if a[1] == b[1]:
            found.append((a[0], b[0], a[1], every[a], every[b]))
    for key in bases:
        if key[2] == measure:
            found.append((key[0], f"{behind[key[0]]} (same lists)", key[1], every[key], bases[key]))
    results = []
    for a_name, b_name, collection, a_values, b_values in found:
        common = sorted(set(a_values) & set(b_values))
        if len(common) > 1:
            difference, p = stats.paired([a_values[q] for q in common], [b_values[q] for q in common])
            results.append((a_name, b_name, collection, difference, p))
    corrected = stats.holm([p for *_, p in results])
    return [
        Comparison(
            a=a, b=b, collection=collection, measure=measure, difference=difference, p=p, p_holm=holm,
            test="paired permutation of signs over queries, two-sided",
        )
        for (a, b, collection, difference, p), holm in zip(results, corrected, strict=True)
    ]  # fmt: skip
