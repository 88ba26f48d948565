"""Figures of effectiveness: means, their lowest decile, and how much of the top was judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from robustrank.core.types import Estimate
from robustrank.measures.bounds import measure_bounds
from robustrank.results.figures import MIN_SLICE, Figure, FigureKind
from robustrank.results.summary import Effectiveness, Summary
from robustrank.work.workbench import Workbench

JUDGED = "judged@10"
LOWEST = "lowest decile"


def slices(bench: Workbench, collection: str) -> list[str]:
    """Query types of a collection with enough of the audited queries; none where only one has."""
    lists = bench.lists(collection)
    labels = [lists.collection.query_types[q] for q in lists.queries if q in lists.collection.query_types]
    enough = [label for label in sorted(set(labels)) if labels.count(label) >= MIN_SLICE]
    return enough if len(enough) > 1 else []


def ranked(bench: Workbench) -> Iterator[dict[str, str]]:
    """Labels of every ranker on every collection whose lists it ranks."""
    spec = bench.spec
    for victim in spec.victims:
        defense = victim.defense
        own = defense.collections or (spec.home.name,) if defense else [c.name for c in spec.collections]
        for collection in own:
            yield {"ranker": victim.name, "collection": collection}


def _with_slices(bench: Workbench) -> Iterator[dict[str, str]]:
    for labels in ranked(bench):
        yield labels
        for label in slices(bench, labels["collection"]):
            yield {**labels, "slice": label}


def _expected_means(bench: Workbench) -> Iterator[Figure]:
    for labels in _with_slices(bench):
        for measure in bench.spec.measures:
            yield Figure(measure=measure, labels=labels)


def _expected_lowest(bench: Workbench) -> Iterator[Figure]:
    for labels in ranked(bench):
        for measure in bench.spec.measures:
            yield Figure(measure=LOWEST, labels={**labels, "of": measure})


def _expected_judged(bench: Workbench) -> Iterator[Figure]:
    return (Figure(measure=JUDGED, labels=labels) for labels in _with_slices(bench))


def _labels(row: Effectiveness) -> dict[str, str]:
    labels = {"ranker": row.ranker, "collection": row.collection}
    return labels if row.slice is None else {**labels, "slice": row.slice}


def _figure(row: Effectiveness, measure: str, labels: dict[str, str], estimate: Estimate) -> Figure:
    ends = row.ends.get({LOWEST: LOWEST, JUDGED: "judged"}[measure])
    return Figure(
        measure=measure, labels=labels, estimate=estimate, collection=row.collection, tally=row.tally, ends=ends,
        robustness=False,
    )  # fmt: skip


def _means(summary: Summary) -> Iterator[Figure]:
    for row in summary.effectiveness:
        yield Figure(
            measure=row.measure,
            labels=_labels(row),
            estimate=row.mean,
            collection=row.collection,
            per_query=row.per_query,
            bounds=measure_bounds(row.measure),
            tally=row.tally,
            ends=row.ends.get("mean"),
            open=row.open,
            robustness=False,
        )


def _lowest(summary: Summary) -> Iterator[Figure]:
    for row in summary.effectiveness:
        if row.slice is None and row.lowest_decile is not None:
            yield _figure(row, LOWEST, {**_labels(row), "of": row.measure}, row.lowest_decile)


def _judged(summary: Summary) -> Iterator[Figure]:
    for row in summary.effectiveness:
        if row.measure == summary.measure and row.judged is not None:
            yield _figure(row, JUDGED, _labels(row), row.judged)


def _widest(measures: Sequence[str]) -> tuple[float, float]:
    """Bounds that every one of some measures keeps."""
    bounds = [measure_bounds(measure) for measure in measures]
    return min(least for least, _ in bounds), max(greatest for _, greatest in bounds)


KINDS = (
    FigureKind(
        name="nDCG@10",
        about="mean of a measure of the audit file",
        where=("ranker", "collection", "slice"),
        defaults={"collection": "home"},
        names=lambda spec: spec.measures,
        expected=_expected_means,
        measured=_means,
        bounds=lambda spec, measure: measure_bounds(measure),
    ),
    FigureKind(
        name=LOWEST,
        about="mean of that measure over its worst tenth of the queries",
        where=("ranker", "collection", "of"),
        defaults={"collection": "home", "of": "the first measure"},
        names=lambda spec: (LOWEST,),
        expected=_expected_lowest,
        measured=_lowest,
        bounds=lambda spec, measure: _widest(spec.measures),
        not_a_mean="the lowest tenth is not a mean over all queries",
    ),
    FigureKind(
        name=JUDGED,
        about="share of the top 10 that is judged",
        where=("ranker", "collection", "slice"),
        defaults={"collection": "home"},
        names=lambda spec: (JUDGED,),
        expected=_expected_judged,
        measured=_judged,
        bounds=lambda spec, measure: (0, 1),
        not_a_mean="its values by query are not kept",
    ),
)
