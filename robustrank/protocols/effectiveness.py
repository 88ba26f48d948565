"""i.i.d. effectiveness: the mean with its interval, the spread over queries, the lowest decile, and who beats whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from robustrank.protocols import unjudged
from robustrank.results.figures import MIN_SLICE
from robustrank.results.summary import Comparison, Effectiveness
from robustrank.stats import intervals
from robustrank.storage.journal import Record

Values = Mapping[tuple[str, str, str], Mapping[str, float]]
"""(ranker, collection, measure) to query id to value."""


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
    lists = {(r["ranker"], r["collection"], r["query_id"]): r for r in records}
    reaches = unjudged.reaches(records)
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
                    mean=intervals.mean(data, bounds=(0, 1)),
                    judged=unjudged.judged(lists[ranker, collection, query_id] for query_id in present),
                    holes=unjudged.reach_of(reaches.get((ranker, collection, measure), {}), present),
                    deviation=float(np.std(data, ddof=1)) if len(data) > 1 else None,
                    lowest_decile=intervals.worst_decile(data),
                    per_query={query_id: by_query[query_id] for query_id in present} if name is None else {},
                )
            )
    return found


def comparisons(records: Sequence[Record], measure: str) -> list[Comparison]:
    """Every pair of plain rankers, and every defended ranker with its base on the same lists; Holm over all."""
    lists: dict[tuple[str, str], dict[str, Record]] = {}
    for record in records:
        if measure in record["measures"]:
            lists.setdefault((record["ranker"], record["collection"]), {})[record["query_id"]] = record
    plain = [key for key, group in lists.items() if not _defended(group)]
    found = [(a, b) for a, b in combinations(plain, 2) if a[1] == b[1]]
    found += [(key, key) for key, group in lists.items() if _defended(group)]
    results = [_compared(lists, a, b, measure) for a, b in found if len(set(lists[a]) & set(lists[b])) > 1]
    corrected = intervals.holm([each.p for each in results])
    return [replace(each, p_holm=holm) for each, holm in zip(results, corrected, strict=True)]


def _defended(group: Mapping[str, Record]) -> bool:
    return any("base_measures" in record for record in group.values())


def _compared(
    lists: Mapping[tuple[str, str], Mapping[str, Record]], a: tuple[str, str], b: tuple[str, str], measure: str
) -> Comparison:
    """Ranker ``a`` with ranker ``b``, or where they are the same, a defended ranker with its base."""
    base, queries = a == b, sorted(set(lists[a]) & set(lists[b]))
    ours, theirs = ({q: lists[key][q] for q in queries} for key in (a, b))
    other = "base_measures" if base else "measures"
    difference, p = intervals.paired(
        [r["measures"][measure] for r in ours.values()], [r[other][measure] for r in theirs.values()]
    )
    reach = unjudged.difference(ours, theirs, measure, base=base)
    return Comparison(
        a=a[0],
        b=f"{theirs[queries[0]]['base']} (same lists)" if base else b[0],
        collection=a[1],
        measure=measure,
        difference=difference,
        p=p,
        p_holm=p,
        test="paired permutation of signs over queries, two-sided",
        judged_a=unjudged.judged(ours.values()),
        judged_b=unjudged.judged(theirs.values(), "base_judged" if base else "judged"),
        holes=reach,
        holes_could_flip=unjudged.could_flip(difference.value, reach),
    )
