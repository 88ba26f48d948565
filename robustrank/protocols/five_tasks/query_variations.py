"""Task 4, operations on queries: the effectiveness lost on query variations that nobody optimised.

Two settings. *Re-rank fixed* keeps the clean query's candidates, so that only the ranker is measured. *End to end*
searches again with the variant, so that the first stage is measured too. MTEB's robustness measure is the ``worst``
column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from robustrank.measures.bounds import measure_bounds
from robustrank.results.five_tasks import Setting, VariationLoss
from robustrank.results.outcomes import Ends, tally, undecided
from robustrank.stats import intervals
from robustrank.stats.comparisons import holm
from robustrank.stats.contrasts import contrast, corners
from robustrank.stats.resampling import finite
from robustrank.work.records import VariantValue, VariationRecord

BY = 0.1
"""A variant hurts when it loses more than this."""

Key = tuple[str, str, str]
"""Ranker, collection, variation."""

Clean = Mapping[tuple[str, str, str], float]
"""Ranker, collection and query id to the measure of the clean list."""


def losses(
    records: Sequence[VariationRecord], measure: str, baseline: str | None, clean: Clean = MappingProxyType({})
) -> list[VariationLoss]:
    """One row per ranker, collection, variation, operation (and all of them) and setting; Holm over all rows.

    Args:
        records: Of variations, those that failed among them.
        measure: The lead measure.
        baseline: Who is compared with.
        clean: The measure of the clean lists, of which failed records have none.
    """
    groups: dict[Key, dict[str, VariationRecord]] = {}
    failed: dict[Key, list[VariationRecord]] = {}
    for record in records:
        if undecided(record):
            failed.setdefault((record.ranker, record.collection, record.variation), []).append(record)
            continue
        groups.setdefault((record.ranker, record.collection, record.variation), {})[record.query_id] = record
    results = []
    for (ranker, collection, variation), mine in groups.items():
        base = groups.get((baseline or "", collection, variation), {}) if ranker != baseline else {}
        names = dict.fromkeys(v.operation for r in mine.values() for v in r.variants)
        for setting in Setting:
            for operation in ("all", *names):
                row = _row(mine, base, operation, setting, measure)
                if row is not None:
                    row = _with_failed(row, mine, failed.get((ranker, collection, variation), []), clean)
                    results.append(replace(row, ranker=ranker, collection=collection, variation=variation))
    tested = [i for i, row in enumerate(results) if row.p is not None]
    for i, p in zip(tested, holm([results[i].p or 0.0 for i in tested]), strict=True):
        results[i] = replace(results[i], p_holm=p)
    return results


def _with_failed(
    row: VariationLoss, mine: dict[str, VariationRecord], failed: Sequence[VariationRecord], clean: Clean
) -> VariationLoss:
    """The row with the number of failed queries, and what they leave open of its loss."""
    row = replace(row, tally=tally([*mine.values(), *failed]))
    if not failed:
        return row
    queries = [q for q in sorted(mine) if changed(mine[q], row.operation, row.setting)]
    ours = [[mine[q].clean, _pair(mine[q], row.operation, row.setting)[1]] for q in queries]
    sides = [
        contrast([ours + open_rows(failed, clean, end)], lambda m: 1 - m[:, 1] / m[:, 0], unseen=[corners(unit, unit)])
        for end in (1, 0)
        for unit in [finite(measure_bounds(failed[0].measure), np.asarray(ours))]
    ]
    least, greatest = sides
    return row if least is None or greatest is None else replace(row, ends=Ends(least.estimate, greatest.estimate))


def open_rows(failed: Sequence[VariationRecord], clean: Clean, end: int) -> list[list[float]]:
    """Clean and changed value of queries whose variations failed, the latter at its least (0) or greatest (1)."""
    values = [clean.get((r.ranker, r.collection, r.query_id), 0.0) for r in failed]
    bounds = [finite(measure_bounds(r.measure), np.asarray([v])) for r, v in zip(failed, values, strict=True)]
    return [[value, each[end]] for value, each in zip(values, bounds, strict=True)]


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
