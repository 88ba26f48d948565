"""Figures of distribution shift: the share of effectiveness that is lost on another collection or query type."""

from __future__ import annotations

from collections.abc import Iterator

from robustrank.core.types import Estimate
from robustrank.protocols.figures.effectiveness import slices
from robustrank.results.figures import Figure, FigureKind
from robustrank.results.summary import (
    Shift,
    ShiftKind,
    Summary,
)
from robustrank.work.workbench import Workbench

DROP = "drop"
AGAINST = "drop vs baseline"
RATIO = "a drop is a ratio of means over different queries"


def _targets(bench: Workbench) -> Iterator[dict[str, str]]:
    spec = bench.spec
    for collection in spec.collections[1:]:
        yield {"collection": collection.name}
    for collection in spec.collections:
        for label in slices(bench, collection.name):
            yield {"collection": collection.name, "slice": label}


def _figure(measure: str, labels: dict[str, str], estimate: Estimate | None = None) -> Figure:
    """Without a slice, every other collection is meant, and never the home collection."""
    return Figure(
        measure=measure,
        labels=labels,
        estimate=estimate,
        higher_is_better=False,
        home_is_default="slice" in labels,
    )


def _expected(bench: Workbench) -> Iterator[Figure]:
    for ranker in bench.spec.rankers:
        for labels in _targets(bench):
            yield _figure(DROP, {"ranker": ranker.name, **labels})


def _expected_against(bench: Workbench) -> Iterator[Figure]:
    for ranker in bench.spec.rankers:
        for labels in _targets(bench):
            if bench.spec.baseline not in (None, ranker.name):
                yield _figure(AGAINST, {"ranker": ranker.name, **labels})


def _labels(shift: Shift) -> dict[str, str]:
    """Where a shift leads: another collection, or a slice of one (``"SciFact: how"``)."""
    if shift.kind is ShiftKind.CORPUS:
        return {"ranker": shift.ranker, "collection": shift.target}
    collection, _, label = shift.target.partition(": ")
    return {"ranker": shift.ranker, "collection": collection, "slice": label}


def _loss(shift: Shift, measure: str, change: Estimate | None) -> Iterator[Figure]:
    if change is not None:
        loss = change._replace(value=-change.value, low=-change.high, high=-change.low)
        yield _figure(measure, _labels(shift), loss)


def _measured(summary: Summary) -> Iterator[Figure]:
    for shift in summary.shifts:
        yield from _loss(shift, DROP, shift.relative)


def _measured_against(summary: Summary) -> Iterator[Figure]:
    for shift in summary.shifts:
        yield from _loss(shift, AGAINST, shift.relative_to_baseline)


KINDS = (
    FigureKind(
        name=DROP,
        about="share of the mean that is lost at the target of a shift; positive when effectiveness falls",
        where=("ranker", "collection", "slice"),
        names=lambda spec: (DROP,),
        expected=_expected,
        measured=_measured,
        not_a_mean=RATIO,
    ),
    FigureKind(
        name=AGAINST,
        about="that share minus the baseline ranker's",
        where=("ranker", "collection", "slice"),
        names=lambda spec: (AGAINST,),
        expected=_expected_against,
        measured=_measured_against,
        not_a_mean=RATIO,
        needs_baseline=True,
    ),
)
