"""Task 2, unforeseen query types: each type of an axis against all other types of the same axis and collection.

A ranker that was trained without a type would be told from one that was trained with it; that needs training, so here
the question is which types a ranker serves worse than the others, and worse than the baseline does: types differ in
difficulty for everyone, hence the last column is the one to act on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from robustrank.measures.bounds import measure_bounds
from robustrank.protocols.effectiveness import values
from robustrank.results.figures import MIN_SLICE
from robustrank.results.five_tasks import TypeLoss
from robustrank.retrieval.lists import DescribedQuery
from robustrank.stats.comparisons import holm
from robustrank.stats.contrasts import change
from robustrank.work.records import RankingRecord

Described = Mapping[str, Mapping[str, DescribedQuery]]
"""Collection to query id to types and features, as a setup record holds them."""


def types(described: Described, collection: str) -> dict[str, dict[str, list[str]]]:
    """Axis to type to query ids; only types with enough queries, and axes with at least two of those."""
    by_axis: dict[str, dict[str, list[str]]] = {}
    for query_id, query in sorted(described.get(collection, {}).items()):
        for axis, name in query.types.items():
            by_axis.setdefault(axis, {}).setdefault(name, []).append(query_id)
    enough = {
        axis: {name: ids for name, ids in sorted(by_type.items()) if len(ids) >= MIN_SLICE}
        for axis, by_type in by_axis.items()
    }
    return {axis: by_type for axis, by_type in enough.items() if len(by_type) > 1}


def losses(
    records: Sequence[RankingRecord], described: Described, measure: str, baseline: str | None
) -> list[TypeLoss]:
    """One row per ranker, collection, axis and type; Holm over all of them."""
    every = values(records)
    results: list[TypeLoss] = []
    for ranker, collection, name_of_measure in every:
        if name_of_measure != measure:
            continue
        mine = every[ranker, collection, measure]
        base = every.get((baseline or "", collection, measure), {}) if ranker != baseline else {}
        for axis, by_type in types(described, collection).items():
            everyone = {q for ids in by_type.values() for q in ids} & set(mine)
            for name, ids in by_type.items():
                inside, outside = sorted(set(ids) & everyone), sorted(everyone - set(ids))
                if len(inside) >= MIN_SLICE and len(outside) >= MIN_SLICE:
                    row = _loss(mine, base, inside, outside, measure)
                    results.append(replace(row, ranker=ranker, collection=collection, axis=axis, type=name))
    tested = [i for i, row in enumerate(results) if row.p is not None]
    for i, p in zip(tested, holm([results[i].p or 0.0 for i in tested]), strict=True):
        results[i] = replace(results[i], p_holm=p)
    return results


def _loss(
    mine: Mapping[str, float], base: Mapping[str, float], inside: list[str], outside: list[str], measure: str
) -> TypeLoss:
    common = set(inside + outside) <= set(base)
    home, away = ([mine[q] for q in ids] for ids in (outside, inside))
    base_home, base_away = ([base[q] for q in ids] if common else None for ids in (outside, inside))
    contrasts = change(home, away, base_home, base_away, bounds=measure_bounds(measure))
    relative, against = contrasts.relative, contrasts.versus_baseline
    return TypeLoss(
        ranker="", collection="", axis="", type="", queries=len(inside), others=len(outside),
        change=contrasts.difference.estimate, relative=relative.estimate if relative else None,
        versus_baseline=against.estimate if against else None, p=(against or contrasts.difference).p, p_holm=None,
    )  # fmt: skip
