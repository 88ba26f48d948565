"""Figures of pooling: how much the order of systems depends on who contributed to the pool."""

from __future__ import annotations

from collections.abc import Iterator

from robustrank.measures import runs
from robustrank.results.figures import Figure, FigureKind
from robustrank.results.outcomes import Tally, together
from robustrank.results.summary import Summary
from robustrank.work.workbench import Workbench

TAU = "tau"


def _expected(bench: Workbench) -> Iterator[Figure]:
    pooling = bench.spec.pooling
    if pooling is not None:
        for system in [*runs.read(pooling.runs), *(victim.name for victim in bench.spec.victims), *pooling.groups]:
            yield Figure(measure=TAU, labels={"left_out": system})


def _measured(summary: Summary) -> Iterator[Figure]:
    lists = together(ranker.tasks.get("ranking", Tally()) for ranker in summary.rankers)
    for each in summary.pooling.left_out if summary.pooling else ():
        yield Figure(measure=TAU, labels={"left_out": each.name}, estimate=each.tau, bounds=(-1, 1), tally=lists)


KINDS = (
    FigureKind(
        name=TAU,
        about="Kendall's tau of all systems when one is left out of the pool",
        where=("left_out",),
        names=lambda spec: (TAU,) if spec.pooling else (),
        expected=_expected,
        measured=_measured,
        bounds=lambda spec, measure: (-1, 1),
        not_a_mean="a rank correlation is not a mean over queries",
    ),
)
