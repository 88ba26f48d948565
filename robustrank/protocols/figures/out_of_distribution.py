"""Figures of distribution shift: the share of effectiveness that is lost on another collection or query type."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from math import inf

from robustrank.core.types import Estimate
from robustrank.protocols.figures.effectiveness import slices
from robustrank.results.figures import Figure, FigureKind
from robustrank.results.outcomes import Ends
from robustrank.results.summary import (
    Shift,
    ShiftKind,
    Summary,
)
from robustrank.work.workbench import Workbench

DROP = "drop"
AGAINST = "drop vs baseline"


def _targets(bench: Workbench) -> Iterator[dict[str, str]]:
    spec = bench.spec
    for collection in spec.collections[1:]:
        yield {"collection": collection.name}
    for collection in spec.collections:
        for label in slices(bench, collection.name):
            yield {"collection": collection.name, "slice": label}


def _figure(measure: str, labels: dict[str, str]) -> Figure:
    """Without a slice, every other collection is meant, and never the home collection."""
    return Figure(measure=measure, labels=labels, higher_is_better=False, home_is_default="slice" in labels)


def _expected(measure: str) -> Callable[[Workbench], Iterable[Figure]]:
    def expected(bench: Workbench) -> Iterator[Figure]:
        for ranker in bench.spec.rankers:
            if measure == AGAINST and bench.spec.baseline in (None, ranker.name):
                continue
            for labels in _targets(bench):
                yield _figure(measure, {"ranker": ranker.name, **labels})

    return expected


def _labels(shift: Shift) -> dict[str, str]:
    """Where a shift leads: another collection, or a slice of one (``"SciFact: how"``)."""
    if shift.kind is ShiftKind.CORPUS:
        return {"ranker": shift.ranker, "collection": shift.target}
    collection, _, label = shift.target.partition(": ")
    return {"ranker": shift.ranker, "collection": collection, "slice": label}


_UNDEFINED = "the mean at {} is 0, in the audit or in a resample of it, so that no share of it can be lost"


def _negative(change: Estimate) -> Estimate:
    return change._replace(value=-change.value, low=-change.high, high=-change.low)


def _loss(change: Estimate | None) -> Estimate | None:
    return None if change is None else _negative(change)


def _measured(measure: str) -> Callable[[Summary], Iterable[Figure]]:
    def measured(summary: Summary) -> Iterator[Figure]:
        for shift in summary.shifts:
            if measure == AGAINST and summary.baseline in (None, shift.ranker):
                continue
            own = measure == DROP
            change = shift.relative if own else shift.relative_to_baseline
            ends = shift.relative_ends if own else shift.baseline_ends
            yield replace(
                _figure(measure, _labels(shift)),
                estimate=_loss(change),
                tally=shift.tally,
                ends=None if ends is None else Ends(low=_negative(ends.high), high=_negative(ends.low)),
                missing=_UNDEFINED.format(shift.source) if change is None else "",
                others=() if own or summary.baseline is None else (summary.baseline,),
            )

    return measured


KINDS = tuple(
    FigureKind(
        name=measure,
        about=about,
        where=("ranker", "collection", "slice"),
        names=lambda spec, measure=measure: (measure,),  # type: ignore[misc]
        expected=_expected(measure),
        measured=_measured(measure),
        bounds=lambda spec, name: (-inf, 1 if name == DROP else inf),
        not_a_mean="a drop is a ratio of means over different queries",
        needs_baseline=measure == AGAINST,
    )
    for measure, about in {
        DROP: "share of the mean that is lost at the target of a shift; positive when effectiveness falls",
        AGAINST: "that share minus the baseline ranker's",
    }.items()
)
