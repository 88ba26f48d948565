"""One table: every ranker on each of the five tasks, next to the baseline, with a test, its correction and its power.

The tasks are those of Wu, Zhang, Guo, Fan, Cheng, "Are Neural Ranking Models Robust?" (TOIS 2022); the figures are
RobustRank's own, because the paper's formulas could not be read. Each is a loss, a spread or a success of attackers,
so that more is worse, and each is reported minus the baseline's, paired over queries. Collections of edited documents
are no unforeseen corpus.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from robustrank.core.types import Status
from robustrank.measures.bounds import measure_bounds
from robustrank.protocols.effectiveness import Values, values
from robustrank.protocols.five_tasks import (
    attacked,
    manipulation,
    query_types,
    query_variations,
    variance,
    worst_slices,
)
from robustrank.protocols.five_tasks.query_types import Described
from robustrank.protocols.five_tasks.table import Alternatives, Task, table
from robustrank.protocols.interface import Evidence
from robustrank.results.five_tasks import FiveTasks, Setting
from robustrank.results.outcomes import undecided
from robustrank.stats.contrasts import corners
from robustrank.stats.resampling import Bounds, Floats, finite
from robustrank.work.records import AttackRecord, EditRecord, RankingRecord, TaskRecord, VariationRecord


def of_audit(evidence: Evidence) -> FiveTasks:
    """The five tasks of the plain rankers; attacks and variations that failed are counted, and leave figures open."""
    spec = evidence.spec
    undefended = {ranker.name for ranker in spec.rankers}
    return five_tasks(
        [
            record
            for record in evidence.tasks
            if record.ranker in undefended
            and (
                isinstance(record, AttackRecord | VariationRecord)
                or record.status is Status.OK
                or (isinstance(record, RankingRecord) and record.measures)
            )
        ],
        evidence.setup.queries,
        home=spec.home.name,
        measure=evidence.leading,
        baseline=spec.baseline,
        families={r.name: r.family for r in spec.rankers if r.family is not None},
        groups={r.name: r.group for r in spec.rankers if r.group is not None},
    )


def five_tasks(
    records: Sequence[TaskRecord],
    described: Described,
    *,
    home: str,
    measure: str,
    baseline: str | None,
    families: Mapping[str, str],
    groups: Mapping[str, str] = MappingProxyType({}),
) -> FiveTasks:
    """All five tasks.

    Args:
        records: Of plain rankers: rankings and edits that went well, all variations and attacks.
        described: Types and features of queries, out of the setup record.
        home: The home collection.
        measure: The lead measure.
        baseline: Who is compared with.
        families: Ranker to family of seeds.
        groups: Ranker to the group it is averaged with, such as all neural ones.
    """
    done = _Done(records)
    rankings = done.rankings
    slices, looked = worst_slices.search(rankings, described, measure, baseline)
    return FiveTasks(
        table=table(_tasks(done, described, home, measure), rankings, baseline, groups),
        variance=variance.variances(rankings, measure, baseline),
        seeds=variance.seeds(rankings, families, home, measure),
        types=query_types.losses(rankings, described, measure, baseline),
        variations=query_variations.losses(done.variations, measure, baseline, _clean(done, measure)),
        manipulations=manipulation.manipulations(done.edits, baseline),
        slices=slices,
        searched=looked,
        families=FAMILIES,
    )


FAMILIES = (
    "the five-task table: all its cells, Holm",
    "query types: all types, axes, collections and rankers, Holm",
    "query variations: all operations, variations, settings, collections and rankers, Holm",
    "slices: all that were searched in one half, Benjamini-Hochberg; those selected, in the other half, Holm",
)


class _Done:
    """Records by kind."""

    def __init__(self, records: Sequence[TaskRecord]) -> None:
        self.rankings = [r for r in records if isinstance(r, RankingRecord)]
        self.variations = [r for r in records if isinstance(r, VariationRecord)]
        self.edits = [r for r in records if isinstance(r, EditRecord)]
        self.attacks = [r for r in records if isinstance(r, AttackRecord)]


def _tasks(done: _Done, described: Described, home: str, measure: str) -> list[Task]:
    every = values(done.rankings)
    away = [c for c in dict.fromkeys(c for _, c, _ in every) if c != home]
    away = [c for c in away if c not in {r.collection for r in done.edits}]
    return [
        _evenness(every, home, measure),
        *_types(every, described, home, measure),
        *_corpora(every, home, away, measure),
        *_query_variations(done.variations, measure, _clean(done, measure)),
        *_attacks(done.attacks),
        *_edits(done.edits),
    ]


def _evenness(every: Values, home: str, measure: str) -> Task:
    ends = _ends(every, measure)
    rows = {
        r: [{q: variance.squared(x) for q, x in v.items()}]
        for (r, c, m), v in every.items()
        if (c, m) == (home, measure) and len(v) >= variance.LEAST
    }
    figure, unseen = f"coefficient of variation of {measure} over queries", [[variance.anywhere(ends)]]
    return Task("1 i.i.d. variance", figure, rows, variance.variation, unseen, parts=variance.PARTS)


def _types(every: Values, described: Described, home: str, measure: str) -> Iterator[Task]:
    axes = query_types.types(described, home)
    groups = [(set(ids), {q for each in by_type.values() for q in each}) for by_type in axes.values()
              for ids in by_type.values()]  # fmt: skip
    if not groups:
        return

    def row(query_id: str, x: float) -> list[float]:
        inside = [float(query_id in ids) for ids, _ in groups]
        labelled = [float(query_id in everyone) for _, everyone in groups]
        return [*(x * i for i in inside), *inside, *(x * k for k in labelled), *labelled]

    def spread(means: Floats) -> Floats:
        """Weighted mean over types of the distance of a type's mean to its axis's, as a share of that."""
        sums, counts, all_sums, all_counts = np.split(means, 4, axis=1)
        level = all_sums / all_counts
        distance = np.abs(np.divide(sums, counts, out=np.array(level), where=counts > 0) / level - 1)
        total: Floats = (distance * counts).sum(axis=1) / counts.sum(axis=1)
        return total

    rows = {r: [{q: row(q, x) for q, x in v.items()}] for (r, c, m), v in every.items() if (c, m) == (home, measure)}
    figure = f"mean distance of a query type's {measure} from all types', as a share ({', '.join(axes)})"
    kinds = {tuple(row(q, 1.0)): q for v in rows.values() for q in v[0]}
    unseen = [[tuple(row(q, x)) for x in _ends(every, measure)] for q in kinds.values()]
    yield Task("2 unforeseen query type", figure, rows, spread, [unseen])


def _corpora(every: Values, home: str, away: Sequence[str], measure: str) -> Iterator[Task]:
    if not away:
        return
    rows = {
        r: [{q: [x] for q, x in every[r, c, measure].items()} for c in (home, *away)]
        for r, c, m in every
        if (c, m) == (home, measure) and all((r, other, measure) in every for other in away)
    }

    def loss(at_home: Floats, *others: Floats) -> Floats:
        kept: Floats = sum(other[:, 0] for other in others) / len(others) / at_home[:, 0]
        return 1 - kept

    figure = f"share of {measure} lost from {home}, mean over {len(away)} corpora"
    unseen = [[[(x,) for x in _ends(every, measure)]]] * (1 + len(away))
    yield Task("3 unforeseen corpus", figure, rows, loss, unseen)


def _ends(every: Values, measure: str) -> Bounds:
    """Least and greatest value of a measure."""
    seen = [x for (_, _, m), by_query in every.items() if m == measure for x in by_query.values()]
    return finite(measure_bounds(measure), np.array(seen or [0.0]))


def _clean(done: _Done, measure: str) -> query_variations.Clean:
    return {(r.ranker, r.collection, r.query_id): r.measures[measure] for r in done.rankings if measure in r.measures}


def _query_variations(
    records: Sequence[VariationRecord], measure: str, clean: query_variations.Clean
) -> Iterator[Task]:
    failed: dict[tuple[str, str], dict[str, list[VariationRecord]]] = {}
    for record in records:
        if undecided(record):
            place = failed.setdefault((record.collection, record.variation), {})
            place.setdefault(record.ranker, []).append(record)
    open_ = {ranker for group in failed.values() for ranker in group}
    for setting in Setting:
        groups: dict[tuple[str, str], dict[str, dict[str, list[float]]]] = {}
        for record in records:
            changed = query_variations.changed(record, "all", setting)
            if changed:
                by_ranker = groups.setdefault((record.collection, record.variation), {})
                row = [record.clean, sum(changed) / len(changed)]
                by_ranker.setdefault(record.ranker, {})[record.query_id] = row
        rankers = set.intersection(*(set(g) for g in groups.values())) if groups else set()
        rows = {r: [g[r] for g in groups.values()] for r in sorted(rankers)}

        def loss(*means: Floats) -> Floats:
            kept: Floats = sum(m[:, 1] / m[:, 0] for m in means) / len(means)  # type: ignore[assignment]
            return 1 - kept

        if rows:
            seen = [x for group in groups.values() for row in group.values() for pair in row.values() for x in pair]
            ends = finite(measure_bounds(measure), np.array(seen))
            figure = f"share lost by a changed query, {setting}, mean over {len(groups)} sets of variants"
            least, greatest = (
                {
                    r: [
                        group[r] | _at(failed.get(key, {}).get(r, []), clean, end) for key, group in groups.items()
                    ]
                    for r in rows if r in open_
                }
                for end in (1, 0)
            )  # fmt: skip
            unseen = [[corners(ends, ends)]] * len(groups)
            yield Task("4 query operations", figure, rows, loss, unseen, "variation", ends=(least, greatest))


def _at(failed: Sequence[VariationRecord], clean: query_variations.Clean, end: int) -> dict[str, list[float]]:
    rows = query_variations.open_rows(failed, clean, end)
    return {record.query_id: row for record, row in zip(failed, rows, strict=True)}


def _attacks(records: Sequence[AttackRecord]) -> Iterator[Task]:
    of = attacked.attacked(records)
    if of is not None:
        unseen = _counted(of.rows)
        yield Task(
            "5 document operations", of.figure, of.rows, lambda m: m[:, 0] / m[:, 1], unseen, "attack", ends=of.ends
        )


def _edits(records: Sequence[EditRecord]) -> Iterator[Task]:
    rows: dict[str, list[dict[str, list[float]]]] = {}
    for record in records:
        group = rows.setdefault(record.ranker, [{}])
        group[0][record.query_id] = manipulation.fooled(record.edits)
    if rows:
        figure = "share of people's edits that rank higher though no more relevant"
        yield Task("5 document operations", figure, rows, lambda m: m[:, 0] / m[:, 1], _counted(rows), "edit")


def _counted(rows: Mapping[str, Sequence[Mapping[str, Sequence[float]]]]) -> list[list[Alternatives]]:
    """Of rows of (successes, cases): a query with as many cases as usual, of which none or all succeed."""
    cases = [row[1] for groups in rows.values() for row in groups[0].values()]
    usual = max(1.0, sum(cases) / len(cases))
    return [[[(0.0, usual), (usual, usual)]]]
