"""Out of distribution: what is lost on an unforeseen corpus, and on an unforeseen query type.

RobustRank's own definition (the five-task paper's formula could not be read): the change of the mean, absolute and as
a share of the mean at the source, and that share minus the baseline ranker's on the same queries. The last one matters
most: query types and corpora differ in difficulty for everyone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from robustrank.core.types import Estimate, Range
from robustrank.measures.bounds import measure_bounds
from robustrank.protocols import unjudged
from robustrank.protocols.effectiveness import ends_of, query_types, values
from robustrank.results.outcomes import Ends, tally
from robustrank.results.summary import Shift, ShiftKind
from robustrank.stats.contrasts import change
from robustrank.work.records import RankingRecord


def shifts(records: Sequence[RankingRecord], *, home: str, measure: str, baseline: str | None) -> list[Shift]:
    """Home to every other collection, and within a collection every query type against all the others."""
    every, lists = values(records), _Lists(records, measure)
    types = query_types(records)
    rankers = list(dict.fromkeys(r.ranker for r in records))
    collections = list(dict.fromkeys(r.collection for r in records))
    results = []
    for ranker in rankers:
        for collection in collections:
            measured = {(ranker, home, measure), (ranker, collection, measure)} <= set(every)
            if measured and collection != home:
                source = (home, sorted(every[ranker, home, measure]), home)
                target = (collection, sorted(every[ranker, collection, measure]), collection)
                results.append(_shift(lists, ranker, ShiftKind.CORPUS, source, target, baseline))
    for collection, by_type in types.items():
        everyone = {query_id for ids in by_type.values() for query_id in ids}
        for name, ids in by_type.items() if len(by_type) > 1 else ():
            source = (f"{collection}: other types", sorted(everyone - set(ids)), collection)
            target = (f"{collection}: {name}", ids, collection)
            for ranker in rankers:
                if everyone <= set(every.get((ranker, collection, measure), {})):
                    results.append(_shift(lists, ranker, ShiftKind.QUERY_TYPE, source, target, baseline))
    return results


Side = tuple[str, Sequence[str], str]
"""Name in the report, query ids, and the collection they are of."""


class _Lists:
    """Ranking records by ranker and place."""

    def __init__(self, records: Sequence[RankingRecord], measure: str) -> None:
        self.measure = measure
        self._records = {(r.ranker, r.collection, r.query_id): r for r in records if measure in r.measures}
        self._rankings = records

    @cached_property
    def _reaches(self) -> Mapping[tuple[str, str, str], unjudged.Reach]:
        return unjudged.reaches(self._rankings, only=self.measure)

    def of(self, ranker: str, side: Side) -> list[RankingRecord] | None:
        """A ranker's records for some queries; ``None`` where one is missing."""
        keys = [(ranker, side[2], query_id) for query_id in side[1]]
        return [self._records[key] for key in keys] if all(key in self._records for key in keys) else None

    def values(self, ranker: str, side: Side) -> list[float] | None:
        """Its values."""
        records = self.of(ranker, side)
        return None if records is None else [r.measures[self.measure] for r in records]

    def end(self, ranker: str, side: Side, which: int) -> list[float]:
        """Its values, those of lists that could not be ranked at their least (0) or greatest (1)."""
        return [ends_of(record, self.measure)[which] for record in self.of(ranker, side) or ()]

    def reach(self, ranker: str, side: Side) -> Range | None:
        """Least and greatest mean over all grades of its unjudged documents."""
        return unjudged.reach_of(self._reaches.get((ranker, side[2], self.measure), {}), side[1])


def _shift(lists: _Lists, ranker: str, kind: ShiftKind, source: Side, target: Side, baseline: str | None) -> Shift:
    base_home = base_away = None
    if baseline is not None and baseline != ranker:
        base_home, base_away = lists.values(baseline, source), lists.values(baseline, target)
    if base_home is None or base_away is None:
        base_home = base_away = None
    home, away = lists.values(ranker, source) or [], lists.values(ranker, target) or []
    contrasts = change(home, away, base_home, base_away, bounds=measure_bounds(lists.measure))
    difference = contrasts.difference.estimate
    relative, against = (
        None if each is None else each.estimate for each in (contrasts.relative, contrasts.versus_baseline)
    )
    against_whom = baseline if base_home is not None else None
    everyone = [ranker] if against_whom is None else [ranker, against_whom]
    counts = tally(record for who in everyone for side in (source, target) for record in lists.of(who, side) or ())
    relative_ends = baseline_ends = None
    if counts.undecided:
        relative_ends, baseline_ends = _ends(lists, ranker, source, target, against_whom)
    reach = unjudged.change(lists.reach(ranker, source), lists.reach(ranker, target))
    return Shift(
        ranker=ranker,
        kind=kind,
        source=source[0],
        target=target[0],
        measure=lists.measure,
        change=difference,
        relative=relative,
        relative_to_baseline=against,
        judged_source=unjudged.judged([r.judged for r in lists.of(ranker, source) or ()]),
        judged_target=unjudged.judged([r.judged for r in lists.of(ranker, target) or ()]),
        unjudged=reach,
        may_change=unjudged.may_change(difference.value, reach),
        tally=counts,
        relative_ends=relative_ends,
        baseline_ends=baseline_ends,
        may_change_vs_baseline=None
        if against is None or baseline is None
        else _vs_baseline(lists, ranker, baseline, source, target, against.value),
    )


def _ends(
    lists: _Lists, ranker: str, source: Side, target: Side, baseline: str | None
) -> tuple[Ends | None, Ends | None]:
    """The relative change, and that minus the baseline's, with every list that could not be ranked at either end.

    ``None`` where an end is not defined.
    """
    relative, against = [], []
    for worst in (0, 1):  # the least change: at home the greatest values, away the least; of the baseline the opposite
        home, away = lists.end(ranker, source, 1 - worst), lists.end(ranker, target, worst)
        base_home = base_away = None
        if baseline is not None:
            base_home, base_away = lists.end(baseline, source, worst), lists.end(baseline, target, 1 - worst)
        both = change(home, away, base_home, base_away, bounds=measure_bounds(lists.measure))
        relative.append(both.relative.estimate if both.relative else None)
        against.append(both.versus_baseline.estimate if both.versus_baseline else None)
    return _both(relative), _both(against)


def _both(sides: Sequence[Estimate | None]) -> Ends | None:
    defined = [side for side in sides if side is not None]
    return Ends(*defined) if len(defined) == 2 else None


def _vs_baseline(lists: _Lists, ranker: str, baseline: str, source: Side, target: Side, value: float) -> bool | None:
    reaches = [lists.reach(who, side) for who in (ranker, baseline) for side in (source, target)]
    bounded = [reach for reach in reaches if reach is not None]
    if len(bounded) < len(reaches):
        return None
    ours, theirs = unjudged.ratio(bounded[0], bounded[1]), unjudged.ratio(bounded[2], bounded[3])
    return unjudged.may_change(value, Range(ours.low - theirs.high, ours.high - theirs.low))
