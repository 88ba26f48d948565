"""Defenses: every defended ranker against its base, as attackers who do not know of the defense and who do meet it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from robustrank.core.types import Estimate
from robustrank.protocols.defenses.results import (
    ADAPTIVE,
    ADAPTIVE_WORTH,
    CLEAN,
    UNAWARE,
    Defended,
    Defenses,
    Difference,
)
from robustrank.protocols.figures.effectiveness import ranked
from robustrank.protocols.interface import AuditProtocol, Evidence, Section
from robustrank.protocols.worst_case import TOP, threats
from robustrank.results.figures import Figure, FigureKind
from robustrank.results.outcomes import Ends, Tally
from robustrank.results.summary import Summary
from robustrank.storage.hashing import digest

if TYPE_CHECKING:
    from robustrank.config.specs import AuditSpec, Victim
    from robustrank.work.workbench import Workbench

COST = "defense cost"
LEVELS: Mapping[str, str] = MappingProxyType({
    f"unaware ASR@{TOP}": UNAWARE, f"adaptive ASR@{TOP}": ADAPTIVE, "adaptive nDCG@10": ADAPTIVE_WORTH,
})  # fmt: skip
"""Figures that are levels of a row."""


def summarise(evidence: Evidence) -> Defenses | None:
    """One row for every defended ranker and collection."""
    from robustrank.protocols.defenses import rows

    return rows.rows(evidence)


def _met(spec: AuditSpec) -> list[Victim]:
    """Defended rankers that are attacked like their bases, and on the same collection."""
    where = spec.cases.collection or spec.home.name
    return [
        victim
        for victim in spec.victims
        if victim.defense is not None and spec.cases.transfer and victim.attacked and victim.ranker.attacked
        if where in (victim.defense.collections or (spec.home.name,))
    ]  # fmt: skip


def _expected_cost(bench: Workbench) -> Iterator[Figure]:
    for labels in ranked(bench):
        if bench.spec.victim(labels["ranker"]).defense is not None:
            yield Figure(measure=COST, labels=labels, robustness=False)


def _expected(measure: str) -> Callable[[Workbench], Iterator[Figure]]:
    def expected(bench: Workbench) -> Iterator[Figure]:
        for victim in _met(bench.spec):
            if threats(bench, victim):
                yield Figure(measure=measure, labels={"ranker": victim.name})

    return expected


def _rows(summary: Summary) -> Sequence[Defended]:
    result = PROTOCOL.result_in(summary)
    return result.rows if result else ()


def _measured_cost(summary: Summary) -> Iterator[Figure]:
    for row in _rows(summary):
        change = row.differences.get(CLEAN)
        counts = row.levels[CLEAN].tally
        yield Figure(
            measure=COST,
            labels={"ranker": row.ranker, "collection": row.collection},
            estimate=_lost(change.estimate) if change else None,
            missing="" if change else "no list was ranked by the defended ranker and its base",
            collection=row.collection,
            per_query={q: -value for q, value in change.per_query.items()} if change else {},
            bounds=(-1, 1),
            higher_is_better=False,
            robustness=False,
            tally=counts,
            ends=_lost_ends(change),
            open={q: (-high, -low) for q, (low, high) in change.open.items()} if change else {},
        )


def _lost(estimate: Estimate) -> Estimate:
    return estimate._replace(value=-estimate.value + 0.0, low=-estimate.high, high=-estimate.low)


def _lost_ends(change: Difference | None) -> Ends | None:
    return Ends(_lost(change.ends.high), _lost(change.ends.low)) if change and change.ends else None


def _measured(measure: str) -> Callable[[Summary], Iterator[Figure]]:
    def measured(summary: Summary) -> Iterator[Figure]:
        for row in _rows(summary):
            level = row.levels.get(LEVELS[measure])
            if row.missing or (level is None and not row.no_worth):
                continue
            empty = "no target stood below the top ten" if level and not level.ends else ""
            yield Figure(
                measure=measure,
                labels={"ranker": row.ranker},
                estimate=level.estimate if level else None,
                missing=row.no_worth if level is None else "" if level.estimate else empty,
                collection=row.collection,
                per_query=level.per_query if level else {},
                higher_is_better=LEVELS[measure] == ADAPTIVE_WORTH,
                tally=level.tally if level else Tally(),
                ends=level.ends if level else None,
                open=level.open if level else {},
                others=(row.base,),
                made=digest([row.attacks, row.left_out, row.own, row.common], summary.seed)[:12],
            )

    return measured


def _kind(name: str, about: str) -> FigureKind:
    return FigureKind(
        name=name,
        about=about,
        where=("ranker",),
        names=lambda spec: (name,) if spec.attacks and _met(spec) else (),
        expected=_expected(name),
        measured=_measured(name),
        bounds=lambda spec, measure: (0, 1),
    )


PROTOCOL = AuditProtocol(
    name="defenses",
    about="Every defended ranker against its base: clean cost, attackers who know of the defense or not, and latency.",
    result=Defenses,
    summarise=summarise,
    figures=(
        FigureKind(
            name=COST,
            about="mean nDCG@10 that a defended ranker loses against its base on the same clean lists",
            where=("ranker", "collection"),
            defaults={"collection": "home"},
            names=lambda spec: (COST,) if spec.defenses else (),
            expected=_expected_cost,
            measured=_measured_cost,
            bounds=lambda spec, measure: (-1, 1),
        ),
        _kind(
            f"unaware ASR@{TOP}",
            "share of the base's targets that some text made against the base lifts into the defended ranker's top 10",
        ),
        _kind(
            f"adaptive ASR@{TOP}",
            "share of the targets that some attack on the defended ranker, or text made against its base, lifts into "
            "its top 10",
        ),
        _kind("adaptive nDCG@10", "mean over queries of the least nDCG@10 that any of these leaves of a list"),
    ),
    sections=(Section(anchor="defenses", title="Defenses", place=88),),
    after=("certified",),
)
