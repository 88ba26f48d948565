"""Task 4, operations on queries: the effectiveness lost on query variations that nobody optimised.

Two settings. *Re-rank fixed* keeps the clean query's candidates, so that only the ranker is measured. *End to end*
searches again with the variant, so that the first stage is measured too. MTEB's robustness measure is the ``worst``
column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from robustrank.measures.bounds import measure_bounds
from robustrank.results.five_tasks import Setting, VariationLoss
from robustrank.stats import intervals
from robustrank.stats.comparisons import holm
from robustrank.stats.contrasts import contrast, corners
from robustrank.stats.resampling import finite
from robustrank.work.records import VariantValue, VariationRecord

BY = 0.1
"""A variant hurts when it loses more than this."""

Key = tuple[str, str, str]
"""Ranker, collection, variation."""


def losses(records: Sequence[VariationRecord], measure: str, baseline: str | None) -> list[VariationLoss]:
    """One row per ranker, collection, variation, operation (and all of them) and setting; Holm over all rows."""
    groups: dict[Key, dict[str, VariationRecord]] = {}
    for record in records:
        groups.setdefault((record.ranker, record.collection, record.variation), {})[record.query_id] = record
    results = []
    for (ranker, collection, variation), mine in groups.items():
        base = groups.get((baseline or "", collection, variation), {}) if ranker != baseline else {}
        names = dict.fromkeys(v.operation for r in mine.values() for v in r.variants)
        for setting in Setting:
            for operation in ("all", *names):
                row = _row(mine, base, operation, setting, measure)
                if row is not None:
                    results.append(replace(row, ranker=ranker, collection=collection, variation=variation))
    tested = [i for i, row in enumerate(results) if row.p is not None]
    for i, p in zip(tested, holm([results[i].p or 0.0 for i in tested]), strict=True):
        results[i] = replace(results[i], p_holm=p)
    return results


def changed(record: VariationRecord, operation: str, setting: Setting) -> list[float]:
    """The values of a record's variants by one operation, or by all but the identity."""
    return [
        value
        for v in record.variants
        if (value := _value(v, setting)) is not None
        and (v.operation == operation or (operation == "all" and v.operation != "identity"))
    ]


def _value(variant: VariantValue, setting: Setting) -> float | None:
    return variant.fixed if setting is Setting.FIXED else variant.end


def _row(
    mine: dict[str, VariationRecord], base: dict[str, VariationRecord], operation: str, setting: Setting, measure: str
) -> VariationLoss | None:
    queries = [q for q in sorted(mine) if changed(mine[q], operation, setting)]
    if len(queries) < 2:
        return None
    variants = {q: changed(mine[q], operation, setting) for q in queries}
    ours = [[mine[q].clean, sum(variants[q]) / len(variants[q])] for q in queries]
    paired = set(queries) <= set(base)
    bounds = finite(measure_bounds(measure), np.asarray(ours))
    loss = contrast([ours], lambda m: 1 - m[:, 1] / m[:, 0], unseen=[corners(bounds, bounds)])
    against = None
    if paired:
        both = [[*a, *_pair(base[q], operation, setting)] for a, q in zip(ours, queries, strict=True)]
        unseen = [corners(bounds, bounds, bounds, bounds)]
        against = contrast([both], lambda m: m[:, 3] / m[:, 2] - m[:, 1] / m[:, 0], unseen=unseen)
    lost = [(mine[q].clean - value, q) for q in queries for value in variants[q]]
    tested = against or loss
    return VariationLoss(
        ranker="",
        collection="",
        variation="",
        operation=operation,
        setting=setting,
        variants=len(lost),
        clean=intervals.mean([a for a, _ in ours], bounds=bounds),
        changed=intervals.mean([b for _, b in ours], bounds=bounds),
        loss=loss.estimate if loss else None,
        versus_baseline=against.estimate if against else None,
        worst=intervals.mean([min(variants[q]) for q in queries], bounds=bounds),
        hurt=intervals.share([by > BY for by, _ in lost], clusters=[q for _, q in lost]),
        queries_hurt=intervals.share([mine[q].clean - min(variants[q]) > BY for q in queries]),
        by=BY,
        p=tested.p if tested else None,
        p_holm=None,
    )


def _pair(record: VariationRecord, operation: str, setting: Setting) -> list[float]:
    values = changed(record, operation, setting)
    return [record.clean, sum(values) / max(1, len(values))]
