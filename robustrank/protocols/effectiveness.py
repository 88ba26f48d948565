"""i.i.d. effectiveness: the mean with its interval, the spread over queries, the lowest decile, and who beats whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from math import isfinite
from types import MappingProxyType

import numpy as np

from robustrank.core.types import Estimate
from robustrank.measures.bounds import difference_bounds, measure_bounds
from robustrank.protocols import unjudged
from robustrank.results.figures import MIN_SLICE
from robustrank.results.outcomes import Ends, Open, Tally, reason, tally, undecided
from robustrank.results.summary import Comparison, Effectiveness
from robustrank.stats import intervals
from robustrank.stats.comparisons import holm, paired
from robustrank.stats.contrasts import Contrast
from robustrank.stats.resampling import Bounds
from robustrank.work.records import BaseRanking, RankingRecord

TEST = "paired over queries, two-sided, by the interval"
"""Name of the test in reports."""

Values = Mapping[tuple[str, str, str], Mapping[str, float]]
"""(ranker, collection, measure) to query id to value."""


def values(records: Sequence[RankingRecord]) -> dict[tuple[str, str, str], dict[str, float]]:
    """Per-query values out of ranking records."""
    by_measure: dict[tuple[str, str, str], dict[str, float]] = {}
    for record in records:
        for measure, value in record.measures.items():
            by_measure.setdefault((record.ranker, record.collection, measure), {})[record.query_id] = value
    return by_measure


def query_types(records: Sequence[RankingRecord]) -> dict[str, dict[str, list[str]]]:
    """Collection to query type to the ids of its queries; only types with enough queries."""
    by_type: dict[str, dict[str, set[str]]] = {}
    for record in records:
        if record.type is not None:
            by_type.setdefault(record.collection, {}).setdefault(record.type, set()).add(record.query_id)
    return {
        collection: {t: sorted(ids) for t, ids in sorted(types.items()) if len(ids) >= MIN_SLICE}
        for collection, types in by_type.items()
    }


def effectiveness(records: Sequence[RankingRecord]) -> list[Effectiveness]:
    """Means over each collection, and over each of its query types where there are at least two."""
    lists = {(r.ranker, r.collection, r.query_id): r for r in records}
    reaches = unjudged.reaches(records)
    types = query_types(records)
    results = []
    for (ranker, collection, measure), by_query in values(records).items():
        slices: dict[str | None, list[str]] = {None: sorted(by_query)}
        if len(types.get(collection, {})) > 1:
            slices.update(types[collection])
        for name, ids in slices.items():
            present = [query_id for query_id in ids if query_id in by_query]
            if not present:
                continue
            data = [by_query[query_id] for query_id in present]
            mine = [lists[ranker, collection, query_id] for query_id in present]
            open_ = {r.query_id: ends_of(r, measure) for r in mine if undecided(r)}
            results.append(
                Effectiveness(
                    ranker=ranker,
                    collection=collection,
                    measure=measure,
                    slice=name,
                    mean=intervals.mean(data, bounds=measure_bounds(measure)),
                    judged=unjudged.judged([r.judged for r in mine]),
                    unjudged=unjudged.reach_of(reaches.get((ranker, collection, measure), {}), present),
                    deviation=float(np.std(data, ddof=1)) if len(data) > 1 else None,
                    lowest_decile=intervals.lowest_decile(data, bounds=measure_bounds(measure)),
                    per_query={query_id: by_query[query_id] for query_id in present} if name is None else {},
                    tally=tally(mine),
                    ends=_ends(by_query, mine, open_, measure_bounds(measure)),
                    open=open_ if name is None else {},
                    valid=_over_valid(mine, measure),
                    valid_share=_share_valid(mine),
                )
            )
    return results


def _share_valid(lists: Sequence[RankingRecord]) -> Estimate | None:
    """The share of lists with valid answers alone, of a ranker that says what was wrong in its answers."""
    told = [record.answer.invalid_lists == 0 for record in lists if record.answer is not None]
    return intervals.share(told) if told else None


def _over_valid(lists: Sequence[RankingRecord], measure: str) -> Estimate | None:
    """A measure's mean over those lists."""
    valid = [r.measures[measure] for r in lists if r.answer is not None and r.answer.invalid_lists == 0]
    return intervals.mean(valid, bounds=measure_bounds(measure)) if valid else None


def ends_of(record: RankingRecord, measure: str) -> tuple[float, float]:
    """The least and the greatest value of a list: of one that could not be ranked, those that the measure can have.

    A measure without bounds keeps the value of an empty list.
    """
    value = record.measures[measure]
    if undecided(record) is None:
        return value, value
    least, greatest = measure_bounds(measure)
    return (least if isfinite(least) else value), (greatest if isfinite(greatest) else value)


def _ends(values: Mapping[str, float], lists: Sequence[RankingRecord], open_: Open, bounds: Bounds) -> dict[str, Ends]:
    """The figures of lists of which some could not be ranked, at their ends."""
    if not open_:
        return {}
    sides = [[open_[r.query_id][side] if r.query_id in open_ else values[r.query_id] for r in lists] for side in (0, 1)]
    judged = [[float(side) if r.query_id in open_ else r.judged for r in lists] for side in (0, 1)]
    return {
        "mean": Ends(*(intervals.mean(side, bounds=bounds) for side in sides)),
        "lowest decile": Ends(*(intervals.lowest_decile(side, bounds=bounds) for side in sides)),
        "judged": Ends(*(intervals.mean(side, bounds=(0, 1)) for side in judged)),
    }


def comparisons(
    records: Sequence[RankingRecord],
    measure: str,
    parents: Mapping[str, str] = MappingProxyType({}),
    baseline: str | None = None,
) -> list[Comparison]:
    """Every pair of plain rankers, and every defended ranker with its base on the same lists; Holm over all.

    Args:
        records: The clean lists.
        measure: What is compared.
        parents: Variants of a ranker, with its name: they are compared with it and the baseline alone. Seeds and
            copies, each with each, would be thousands of pairs, among which Holm's correction would find nothing.
        baseline: The ranker that all are compared with.
    """
    lists: dict[tuple[str, str], dict[str, RankingRecord]] = {}
    for record in records:
        if measure in record.measures:
            lists.setdefault((record.ranker, record.collection), {})[record.query_id] = record
    plain = [key for key, group in lists.items() if not _defended(group)]
    pairs = [(a, b) for a, b in combinations(plain, 2) if a[1] == b[1] and _asked(a[0], b[0], parents, baseline)]
    pairs += [(key, key) for key, group in lists.items() if _defended(group)]
    results = [_compared(lists, a, b, measure) for a, b in pairs if len(set(lists[a]) & set(lists[b])) > 1]
    corrected = holm([each.p for each in results])
    return [replace(each, p_holm=p) for each, p in zip(results, corrected, strict=True)]


def _asked(a: str, b: str, parents: Mapping[str, str], baseline: str | None) -> bool:
    """Whether two rankers are compared."""
    return baseline in (a, b) or parents.get(a) == b or parents.get(b) == a or not parents.keys() & {a, b}


def _defended(group: Mapping[str, RankingRecord]) -> bool:
    return any(record.base is not None for record in group.values())


def _compared(
    lists: Mapping[tuple[str, str], Mapping[str, RankingRecord]], a: tuple[str, str], b: tuple[str, str], measure: str
) -> Comparison:
    """Ranker ``a`` with ranker ``b``, or where they are the same, a defended ranker with its base."""
    queries = sorted(set(lists[a]) & set(lists[b]))
    ours: dict[str, RankingRecord | BaseRanking] = {q: lists[a][q] for q in queries}
    theirs: dict[str, RankingRecord | BaseRanking] = {q: lists[b][q] for q in queries}
    if a == b:
        theirs = {q: base for q in queries if (base := lists[b][q].base) is not None}
        ours = {q: lists[a][q] for q in theirs}
        queries = list(theirs)
    tested = paired(
        [r.measures[measure] for r in ours.values()],
        [r.measures[measure] for r in theirs.values()],
        bounds=difference_bounds(measure),
    )
    counts, ends, p = _undecided(lists, a, b, queries, measure, tested)
    other = theirs[queries[0]]
    reach = unjudged.difference([(lists[a][q], theirs[q]) for q in queries], measure)
    return Comparison(
        a=a[0],
        b=f"{other.ranker} (same lists)" if a == b else b[0],
        collection=a[1],
        measure=measure,
        difference=tested.estimate,
        p=p,
        p_holm=p,
        test=TEST,
        judged_a=unjudged.judged([r.judged for r in ours.values()]),
        judged_b=unjudged.judged([r.judged for r in theirs.values()]),
        unjudged=reach,
        may_change=unjudged.may_change(tested.estimate.value, reach),
        tally=counts,
        ends=ends,
    )


def _undecided(
    lists: Mapping[tuple[str, str], Mapping[str, RankingRecord]],
    a: tuple[str, str],
    b: tuple[str, str],
    queries: Sequence[str],
    measure: str,
    tested: Contrast,
) -> tuple[Tally, Ends | None, float]:
    """How many queries have a list that could not be ranked, the difference at their ends, and the p that holds there.

    The base of a defended ranker is not ranked where the defended one fails: there both are open.
    """
    failed = {q: next((r for r in (lists[a][q], lists[b][q]) if undecided(r)), None) for q in queries}
    if a == b:
        failed |= {q: r for q, r in lists[a].items() if r.base is None and undecided(r)}
    errors = [reason(r) for r in failed.values() if r is not None]
    counts = Tally(planned=len(failed), errors=len(errors), error=errors[0] if errors else "")
    if not errors:
        return counts, None, tested.p
    sides = []
    for end in (0, 1):  # against a, and for it
        ours = [ends_of(lists[a][q], measure)[end] for q in failed]
        theirs = [_other(lists, a, b, q, measure)[1 - end] for q in failed]
        sides.append(paired(ours, theirs, bounds=difference_bounds(measure)))
    ends = Ends(sides[0].estimate, sides[1].estimate)
    signs = {each.estimate.value > 0 for each in (tested, *sides)}
    return counts, ends, max(each.p for each in (tested, *sides)) if len(signs) == 1 else 1.0


def _other(
    lists: Mapping[tuple[str, str], Mapping[str, RankingRecord]],
    a: tuple[str, str],
    b: tuple[str, str],
    query_id: str,
    measure: str,
) -> tuple[float, float]:
    """The ends of the list that is compared with."""
    record = lists[b][query_id]
    if a != b or record.base is None:
        return ends_of(record, measure)
    value = record.base.measures[measure]
    return value, value
